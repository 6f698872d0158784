"""People choosing between two answers: what they are asked, in which order, and what their votes say.

Who votes sees two texts without a hint which of them is the model's answer: the side is drawn anew for every
annotator and question.
"""

import hashlib
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain, combinations
from statistics import median
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from pipeline.schema import PREFERENCES
from stages.split.splits import uniform

Choice = Literal["left", "right", "tie", "both_bad"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
LEASE_S = 600.0  # that a question is kept for the one who looks at it


@dataclass(frozen=True)
class Item:
    """A question about a clip, with two answers to choose between.

    margin: by how much motion_check prefers the answer to the baseline, -1 to 1; None where it cannot judge.
    """

    clip_id: str
    question: str
    answer: str
    baseline: str
    margin: float | None = None

    @cached_property
    def id(self) -> str:
        """16 hex digits of what is asked. Other answers to the same question are another item."""
        text = "\0".join((self.clip_id, self.question, self.answer, self.baseline))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def sides(self, annotator: str) -> tuple[str, str]:
        """The texts on the left and on the right, always the same for this annotator."""
        pair = (self.answer, self.baseline)
        return pair if uniform(f"{self.id}\n{annotator}") < 0.5 else pair[::-1]


@dataclass(frozen=True)
class Vote:
    """What an annotator says of a question.

    choice is about the texts on those sides; edited is a correction of the better one, or of both. seconds:
    since the question was shown; None when nobody measured it.
    """

    clip_id: str
    question: str
    left: str
    right: str
    choice: Choice
    edited: str | None
    annotator: str
    at: datetime
    seconds: float | None = None

    @property
    def key(self) -> tuple[str, str, str, datetime]:
        """Tells one vote from another."""
        return self.clip_id, self.question, self.annotator, self.at

    @property
    def row(self) -> dict[str, Any]:
        """A row of `preferences`."""
        return {name: getattr(self, name) for name in PREFERENCES.names}

    @property
    def about(self) -> tuple[str, str, frozenset[str]]:
        """What was asked, whichever side was which."""
        return self.clip_id, self.question, frozenset((self.left, self.right))

    @property
    def says(self) -> str:
        """The better text, or what holds of both; the same for votes that agree."""
        return {"left": self.left, "right": self.right}.get(self.choice, self.choice)


def about(item: Item) -> tuple[str, str, frozenset[str]]:
    """What a vote on the item is about; see `Vote.about`."""
    return item.clip_id, item.question, frozenset((item.answer, item.baseline))


def votes_of(preferences: pa.Table) -> list[Vote]:
    """The votes of a table `preferences`."""
    return [Vote(**row) for row in preferences.to_pylist()]


def items_of(annotations: pa.Table, limit: int | None = None) -> list[Item]:
    """The questions worth a person's time, those first whose answers motion_check does not tell apart.

    annotations: with clip_id, qa, error. Left out: clips and questions that failed, and those whose two texts
    are the same or empty. limit: how many at the most.
    """
    found: dict[str, Item] = {}
    for row in annotations.select(["clip_id", "qa", "error"]).to_pylist():
        for qa in () if row["error"] else row["qa"] or ():
            texts = [(qa[name] or "").split() for name in ("answer", "baseline")]
            if qa["error"] or not qa["question"] or not all(texts) or texts[0] == texts[1]:
                continue
            item = Item(row["clip_id"], qa["question"], qa["answer"], qa["baseline"], _margin(qa))
            found[item.id] = item
    return sorted(found.values(), key=lambda item: (abs(item.margin or 0.0), item.id))[:limit]


def _margin(qa: Mapping[str, Any]) -> float | None:
    better, worse = qa["motion_check"], qa["baseline_check"]
    known = better is not None and worse is not None and not math.isnan(better - worse)
    return better - worse if known else None


@dataclass
class Queue:
    """Hands out items: each to `overlap` annotators, and to no two at once beyond that.

    An item that was handed out is kept for its annotator for LEASE_S seconds; who comes back gets it again.
    What an annotator skips comes to the others, and to this one once more after `unskip`.
    """

    items: Sequence[Item]
    overlap: int = 1
    _leases: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    _skipped: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def open_to(
        self, annotator: str, voters: Mapping[str, set[str]], now: float | None = None
    ) -> Iterator[Item]:
        """The items that this annotator may be given, in order.

        voters: by item id, who has voted on it. now: seconds of a clock that only goes forward.
        """
        now = time.monotonic() if now is None else now
        skipped = self._skipped[annotator]
        for item in self.items:
            done = voters.get(item.id, set())
            if annotator in done or item.id in skipped:
                continue
            holders = {name for name, end in self._leases.get(item.id, {}).items() if end > now}
            if len((done | holders) - {annotator}) < self.overlap:
                yield item

    def next(self, annotator: str, voters: Mapping[str, set[str]], now: float | None = None) -> Item | None:
        """The next item for this annotator, lent to her; None when there is none at the moment."""
        now = time.monotonic() if now is None else now
        items = list(self.open_to(annotator, voters, now))
        lent = (item for item in items if self._leases.get(item.id, {}).get(annotator, 0.0) > now)
        item = next(chain(lent, items), None)
        if item:
            self._leases[item.id][annotator] = now + LEASE_S
        return item

    def skip(self, item_id: str, annotator: str) -> None:
        self._leases[item_id].pop(annotator, None)
        self._skipped[annotator].add(item_id)

    def unskip(self, annotator: str) -> None:
        self._skipped[annotator].clear()

    def skipped(self, annotator: str) -> int:
        return len(self._skipped[annotator])


@dataclass(frozen=True)
class Agreement:
    """How far people agree.

    shared: questions with two votes or more. alpha: Krippendorff's, nominal, over the choices answer,
    baseline, tie and both bad: 1 is full agreement, 0 what chance would give; None where it is not defined,
    as when all always say the same. same: share of the pairs of votes on a question that say the same, 0 to
    1. checked: share of the choices of a side that motion_check supports, out of those where it prefers one.
    """

    votes: int
    questions: int
    shared: int
    alpha: float | None
    same: float | None
    checked: float | None


@dataclass(frozen=True)
class Annotator:
    """One person's work. seconds: median for a vote. left: share of left among left and right; far from 0.5,
    she favours a side. same: share of the others' votes on the same questions that say the same."""

    name: str
    votes: int
    seconds: float | None
    left: float | None
    same: float | None


def agreement(votes: Iterable[Vote], items: Iterable[Item]) -> tuple[Agreement, list[Annotator]]:
    """How far the annotators' last votes on these items agree, and what each of them did."""
    asked = {about(item): item for item in items}
    said: list[tuple[Item, Vote, str]] = []
    for vote in last_votes(votes):
        if item := asked.get(vote.about):
            kind = {item.answer: "answer", item.baseline: "baseline"}.get(vote.says, vote.choice)
            said.append((item, vote, kind))
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    people: dict[str, list[Vote]] = defaultdict(list)
    for item, vote, kind in said:
        groups[item.id].append((vote.annotator, kind))
        people[vote.annotator].append(vote)
    shared = [group for group in groups.values() if len(group) > 1]
    pairs = [({a, b}, x == y) for group in shared for (a, x), (b, y) in combinations(group, 2)]
    checked = [
        (kind == "answer") == (item.margin > 0)
        for item, _, kind in said
        if item.margin and kind in ("answer", "baseline")
    ]
    same = _share([flag for _, flag in pairs])
    whole = Agreement(len(said), len(groups), len(shared), _alpha(shared), same, _share(checked))
    return whole, [
        Annotator(
            name,
            len(own),
            median(taken) if (taken := [vote.seconds for vote in own if vote.seconds is not None]) else None,
            _share([vote.choice == "left" for vote in own if vote.choice in ("left", "right")]),
            _share([flag for names, flag in pairs if name in names]),
        )
        for name, own in sorted(people.items())
    ]


def last_votes(votes: Iterable[Vote]) -> list[Vote]:
    """Of every annotator, the last vote on each question."""
    last = {(vote.about, vote.annotator): vote for vote in sorted(votes, key=lambda vote: vote.at)}
    return list(last.values())


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _alpha(groups: Sequence[Sequence[tuple[str, str]]]) -> float | None:
    """groups: of the annotators and their choices on one question, two or more."""
    import krippendorff

    kinds = ("answer", "baseline", "tie", "both_bad")
    tallies = [Counter(kind for _, kind in group) for group in groups]
    counts = np.array([[tally[kind] for kind in kinds] for tally in tallies]).reshape(-1, len(kinds))
    if np.count_nonzero(counts.sum(0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


LABELS = """<View>
  <Video name="video" value="$video"/>
  <Header value="$question"/>
  <View style="display: flex; gap: 2em">
    <View style="flex: 1"><Header value="Left" size="5"/><Text name="left" value="$left"/></View>
    <View style="flex: 1"><Header value="Right" size="5"/><Text name="right" value="$right"/></View>
  </View>
  <Choices name="choice" toName="video" choice="single" showInline="true" required="true">
    <Choice value="left"/><Choice value="right"/><Choice value="tie"/><Choice value="both_bad"/>
  </Choices>
  <TextArea name="edited" toName="video" maxSubmissions="1" placeholder="A correction of the better answer"/>
</View>
"""


def to_label_studio(
    items: Iterable[Item], votes: Iterable[Vote], videos: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The items as tasks of Label Studio, whose labelling set-up is LABELS, with the votes as annotations.

    A task has one order of sides for everybody: votes are turned round to it. Label Studio takes only its own
    users for `completed_by`, and so who voted, and when, is in the result's `meta`. videos: by clip_id, the
    address of the clip.
    """
    given: dict[Any, list[Vote]] = defaultdict(list)
    for vote in last_votes(votes):
        given[vote.about].append(vote)
    tasks = []
    for item in items:
        left, right = item.sides("")
        data = {
            "clip_id": item.clip_id,
            "video": videos.get(item.clip_id, ""),
            "question": item.question,
            "left": left,
            "right": right,
        }
        annotations = [_annotation(vote, left) for vote in given[about(item)]]
        tasks.append({"data": data, "annotations": annotations})
    return tasks


def _annotation(vote: Vote, left: str) -> dict[str, Any]:
    choice = vote.choice
    if choice in ("left", "right"):
        choice = "left" if vote.says == left else "right"
    meta = {"annotator": vote.annotator, "at": vote.at.isoformat()}
    result = [
        {
            "id": "choice",
            "from_name": "choice",
            "to_name": "video",
            "type": "choices",
            "value": {"choices": [choice]},
            "meta": meta,
        }
    ]
    if vote.edited:
        result.append(
            {
                "id": "edited",
                "from_name": "edited",
                "to_name": "video",
                "type": "textarea",
                "value": {"text": [vote.edited]},
                "meta": meta,
            }
        )
    return {"result": result, "was_cancelled": False, "lead_time": vote.seconds}


def from_label_studio(tasks: Any) -> list[Vote]:
    """The votes in a JSON export of Label Studio of tasks that `to_label_studio` made.

    Skipped tasks and those without a choice give none. Raises ValueError that names what is not as it should
    be.
    """
    if not isinstance(tasks, list):
        raise ValueError("no list of tasks")
    votes = []
    for number, task in enumerate(tasks, 1):
        try:
            data = task["data"]
            texts = {name: _text(data[name]) for name in ("clip_id", "question", "left", "right")}
            for annotation in task.get("annotations") or ():
                result = {part["from_name"]: part for part in annotation.get("result") or ()}
                if annotation.get("was_cancelled") or "choice" not in result:
                    continue
                (choice,) = result["choice"]["value"]["choices"]
                if choice not in CHOICES:
                    raise ValueError(f"choice {choice!r} is none of {', '.join(CHOICES)}")
                edited = "\n".join(result["edited"]["value"]["text"]) if "edited" in result else ""
                meta = result["choice"].get("meta") or {}
                at = datetime.fromisoformat(meta.get("at") or annotation["created_at"])
                seconds = annotation.get("lead_time")
                votes.append(
                    Vote(
                        **texts,
                        choice=choice,
                        edited=edited.strip() or None,
                        annotator=meta.get("annotator") or _person(annotation["completed_by"]),
                        at=at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC),
                        seconds=None if seconds is None else float(seconds),
                    )
                )
        except KeyError as error:
            raise ValueError(f"task {number} lacks {error}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"task {number}: {error}") from error
    return votes


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _person(completed_by: Any) -> str:
    """The annotator's name: her e-mail address where Label Studio tells it, else her number."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by["id"]
    return completed_by if isinstance(completed_by, str) else f"label-studio-{completed_by}"
