"""Label Studio: comparisons and votes as its tasks, and votes from its JSON export."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from stages.review.queue import JUDGMENTS, Comparison, Subject, Vote, last_votes

SKEW = timedelta(hours=1)  # that another machine's clock may be ahead
STORED = timedelta(seconds=1)  # at most between the two times of an annotation that nobody has changed
NOTE, EDITED = "note", "edited"  # what a vote has of text; text areas have the same names

# What a project's labeling interface has to be set to; the names are those that results refer to.
LABELING_CONFIG = """<View>
  <Video name="video" value="$video" height="360" muted="true"/>
  <Header value="$question"/>
  <View style="display: flex; gap: 2em">
    <View style="flex: 1"><Header value="Left" size="5"/><Text name="left" value="$left"/></View>
    <View style="flex: 1"><Header value="Right" size="5"/><Text name="right" value="$right"/></View>
  </View>
  <Choices name="choice" toName="video" choice="single" showInline="true" required="true">
    <Choice alias="left" value="Left is better" hotkey="1"/>
    <Choice alias="right" value="Right is better" hotkey="2"/>
    <Choice alias="tie" value="Both good" hotkey="3"/>
    <Choice alias="both_bad" value="Both bad" hotkey="4"/>
    <Choice alias="bad_question" value="Bad question" hotkey="5"/>
    <Choice alias="bad_clip" value="Bad clip" hotkey="6"/>
  </Choices>
  <TextArea name="edited" toName="video" rows="2" maxSubmissions="1" editable="true"
    placeholder="A correction of the better answer, or of both"/>
  <TextArea name="note" toName="video" rows="1" maxSubmissions="1" editable="true"
    placeholder="A note for whoever runs the review"/>
</View>
"""


def to_label_studio(
    comparisons: Iterable[Comparison], votes: Iterable[Vote], videos: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Make tasks for a Label Studio project whose labeling interface is LABELING_CONFIG.

    A task has the same sides for everybody, so votes are turned to them. Label Studio accepts only its own
    users as `completed_by`, so who voted, and when, is in the result's `meta`.

    Args:
        comparisons: One task each, except those on clips without a video.
        votes: They become the annotations of the tasks.
        videos: Address of the video, by clip_id.

    Returns:
        The tasks, ready for JSON.
    """
    given: dict[Subject, list[Vote]] = defaultdict(list)
    for vote in last_votes(votes):
        given[vote.subject].append(vote)
    tasks = []
    for one in comparisons:
        if one.clip_id not in videos:
            continue
        left, right = one.sides("")
        data = {
            "clip_id": one.clip_id,
            "video": videos[one.clip_id],
            "question": one.question,
            "left": left,
            "right": right,
        }
        annotations = [_annotation(vote, left) for vote in given[one.subject]]
        tasks.append({"data": data, "annotations": annotations})
    return tasks


def _annotation(vote: Vote, left: str) -> dict[str, Any]:
    """The vote as an annotation of a task that has this text on its left."""
    choice = vote.choice
    if choice in ("left", "right"):
        choice = "left" if vote.outcome == left else "right"
    parts: list[tuple[str, str, dict[str, list[str]]]] = [("choice", "choices", {"choices": [choice]})]
    texts = {EDITED: vote.edited, NOTE: vote.note}
    parts += [(name, "textarea", {"text": [text]}) for name, text in texts.items() if text]
    meta = {"annotator": vote.annotator, "at": vote.at.isoformat()}
    result = [
        {"id": name, "from_name": name, "to_name": "video", "type": kind, "value": value, "meta": meta}
        for name, kind, value in parts
    ]
    # Imported annotations are ground truth unless they say otherwise.
    return {"result": result, "was_cancelled": False, "ground_truth": False, "lead_time": vote.seconds}


def from_label_studio(tasks: Any) -> list[Vote]:
    """Read the votes from a JSON export of tasks that `to_label_studio` made.

    Args:
        tasks: The parsed JSON. Annotations that were cancelled or have no choice are skipped. A vote that
            was changed in Label Studio is as old as the change, and remains its annotator's.

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
            hint = "; export as JSON, not JSON-MIN" if "annotation_id" in task else ""
            raise ValueError(f"task {number} lacks {error}{hint}") from error
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
    meta = result["choice"].get("meta") or {}
    at = _voted_at(annotation, meta)
    if at > datetime.now(UTC) + SKEW:  # it would outlive whatever its annotator says later
        raise ValueError(f"its time {at.isoformat()} lies in the future")
    seconds = annotation.get("lead_time")
    return Vote(
        **texts,
        choice=choice,
        edited=_written(result, EDITED),
        annotator=meta.get("annotator") or _person(annotation["completed_by"]),
        at=at,
        seconds=None if seconds is None else float(seconds),
        note=_written(result, NOTE),
    )


def _voted_at(annotation: Mapping[str, Any], meta: Mapping[str, str]) -> datetime:
    """When somebody voted, or changed the vote in Label Studio, which leaves the meta as it was."""
    if "updated_at" in annotation:
        updated = _time(annotation["updated_at"])
        if updated - _time(annotation["created_at"]) > STORED:
            return updated
    return _time(meta.get("at") or annotation["created_at"])


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _written(result: Mapping[str, Any], name: str) -> str | None:
    """What was written into a text area; a list where it takes several texts."""
    text = result[name]["value"]["text"] if name in result else ""
    if isinstance(text, list):
        text = "\n".join(map(_text, text))
    return _text(text).strip() or None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _person(completed_by: Any) -> str:
    """The annotator's name: the e-mail address where Label Studio gives it, else the user's number."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by["id"]
    return completed_by if isinstance(completed_by, str) else f"label-studio-{completed_by}"
