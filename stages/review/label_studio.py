"""Label Studio: comparisons and votes as its tasks, and votes from its JSON export."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from stages.review.queue import JUDGMENTS, Comparison, Subject, Vote, last_votes

SKEW = timedelta(hours=1)  # that another machine's clock may be ahead
Part = tuple[float | None, float | None]  # start and end, seconds; None: of the video

# What a project's labeling interface has to be set to; the names are those that results refer to.
LABELING_CONFIG = """<View>
  <Video name="video" value="$video"/>
  <Header value="$part" size="5"/>
  <Header value="$question"/>
  <View style="display: flex; gap: 2em">
    <View style="flex: 1"><Header value="Left" size="5"/><Text name="left" value="$left"/></View>
    <View style="flex: 1"><Header value="Right" size="5"/><Text name="right" value="$right"/></View>
  </View>
  <Choices name="choice" toName="video" choice="single" showInline="true" required="true">
    <Choice value="left"/><Choice value="right"/><Choice value="tie"/><Choice value="both_bad"/>
    <Choice value="bad_question"/><Choice value="bad_clip"/>
  </Choices>
  <TextArea name="edited" toName="video" maxSubmissions="1" placeholder="A correction of the better answer"/>
</View>
"""


def to_label_studio(
    comparisons: Iterable[Comparison],
    votes: Iterable[Vote],
    videos: Mapping[str, str],
    parts: Mapping[str, Part] | None = None,
) -> list[dict[str, Any]]:
    """Make tasks for a Label Studio project whose labeling interface is LABELING_CONFIG.

    A task has the same sides for everybody, so votes are turned to them. Label Studio accepts only its own
    users as `completed_by`, so who voted, and when, is in the result's `meta`.

    Args:
        comparisons: One task each.
        votes: They become the annotations of the tasks.
        videos: Address of the video, by clip_id.
        parts: Where in the video the clip is, by clip_id; Label Studio shows the whole video, so the task
            says which part is meant.

    Returns:
        The tasks, ready for JSON.
    """
    given: dict[Subject, list[Vote]] = defaultdict(list)
    for vote in last_votes(votes):
        given[vote.subject].append(vote)
    tasks = []
    for one in comparisons:
        left, right = one.sides("")
        data = {
            "clip_id": one.clip_id,
            "video": videos.get(one.clip_id, ""),
            "part": _part(*(parts or {}).get(one.clip_id, (None, None))),
            "question": one.question,
            "left": left,
            "right": right,
        }
        annotations = [_annotation(vote, left) for vote in given[one.subject]]
        tasks.append({"data": data, "annotations": annotations})
    return tasks


def _part(start_s: float | None, end_s: float | None) -> str:
    if start_s is None and end_s is None:
        return "The whole video"
    end = "the end" if end_s is None else f"{end_s:.2f} s"
    return f"Only the part from {start_s or 0.0:.2f} s to {end}"


def _annotation(vote: Vote, left: str) -> dict[str, Any]:
    """The vote as an annotation of a task that has this text on its left."""
    choice = vote.choice
    if choice in ("left", "right"):
        choice = "left" if vote.outcome == left else "right"
    parts: list[tuple[str, str, dict[str, list[str]]]] = [("choice", "choices", {"choices": [choice]})]
    if vote.edited:
        parts.append(("edited", "textarea", {"text": [vote.edited]}))
    meta = {"annotator": vote.annotator, "at": vote.at.isoformat()}
    result = [
        {"id": name, "from_name": name, "to_name": "video", "type": kind, "value": value, "meta": meta}
        for name, kind, value in parts
    ]
    return {"result": result, "was_cancelled": False, "lead_time": vote.seconds}


def from_label_studio(tasks: Any) -> list[Vote]:
    """Read the votes from a JSON export of tasks that `to_label_studio` made.

    Args:
        tasks: The parsed JSON. Annotations that were cancelled or have no choice are skipped.

    Returns:
        The votes, in the order of the tasks.

    Raises:
        ValueError: It is no such export; the message names the task and what is wrong with it.
    """
    if not isinstance(tasks, list):
        raise ValueError("not a list of tasks")
    votes = []
    for number, task in enumerate(tasks, 1):
        try:
            data = task["data"]
            texts = {name: _text(data[name]) for name in ("clip_id", "question", "left", "right")}
            for annotation in task.get("annotations") or ():
                if vote := _vote(texts, annotation):
                    votes.append(vote)
        except KeyError as error:
            raise ValueError(f"task {number} lacks {error}") from error
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"task {number}: {error}") from error
    return votes


def _vote(texts: Mapping[str, str], annotation: Mapping[str, Any]) -> Vote | None:
    result = {part["from_name"]: part for part in annotation.get("result") or ()}
    if annotation.get("was_cancelled") or "choice" not in result:
        return None
    (choice,) = result["choice"]["value"]["choices"]
    if choice not in JUDGMENTS:
        raise ValueError(f"choice {choice!r} is not one of {', '.join(JUDGMENTS)}")
    edited = result["edited"]["value"]["text"] if "edited" in result else ""
    if isinstance(edited, list):
        edited = "\n".join(map(_text, edited))
    meta = result["choice"].get("meta") or {}
    at = datetime.fromisoformat(meta.get("at") or annotation["created_at"])
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if at > datetime.now(UTC) + SKEW:  # it would outlive whatever its annotator says later
        raise ValueError(f"its time {at.isoformat()} lies in the future")
    seconds = annotation.get("lead_time")
    return Vote(
        **texts,
        choice=choice,
        edited=_text(edited).strip() or None,
        annotator=meta.get("annotator") or _person(annotation["completed_by"]),
        at=at,
        seconds=None if seconds is None else float(seconds),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _person(completed_by: Any) -> str:
    """The annotator's name: the e-mail address where Label Studio gives it, else the user's number."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by["id"]
    return completed_by if isinstance(completed_by, str) else f"label-studio-{completed_by}"
