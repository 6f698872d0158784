"""What people are asked to compare, and in which order.

An annotator sees two texts without a hint as to which of them is the model's answer: the sides are drawn anew
for every annotator and question.
"""

import hashlib
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any, Literal, get_args

import pyarrow as pa

from pipeline.schema import PREFERENCES
from stages.split.splits import uniform

Judgment = Literal["left", "right", "tie", "both_bad", "bad_question", "bad_clip"]
JUDGMENTS: tuple[Judgment, ...] = get_args(Judgment)
LEASE_S = 600.0  # for which a question is reserved for the annotator who is looking at it

Subject = tuple[str, str, frozenset[str]]  # clip_id, question, and the two texts, whichever side each is on


@dataclass(frozen=True)
class Comparison:
    """A question about a clip, with two answers to choose between.

    Attributes:
        clip_id: The clip.
        question: What is asked about it.
        answer: Of the model.
        baseline: The answer that it is compared with.
        margin: By how much motion_check prefers the answer to the baseline, -1 to 1; None where it cannot
            judge.
    """

    clip_id: str
    question: str
    answer: str
    baseline: str
    margin: float | None = None

    @cached_property
    def id(self) -> str:
        """16 hex digits of the clip and the texts. Other answers to the same question give another id."""
        text = "\0".join((self.clip_id, self.question, self.answer, self.baseline))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def subject(self) -> Subject:
        """What a vote on this comparison is about."""
        return self.clip_id, self.question, frozenset((self.answer, self.baseline))

    def sides(self, annotator: str) -> tuple[str, str]:
        """The texts on the left and on the right, always the same for this annotator."""
        pair = (self.answer, self.baseline)
        return pair if uniform(f"{self.id}\n{annotator}") < 0.5 else pair[::-1]


@dataclass(frozen=True)
class Vote:
    """What an annotator says about a comparison.

    Attributes:
        clip_id: The clip.
        question: What was asked about it.
        left: The text on the left.
        right: The text on the right.
        choice: Which side is better, what holds of both, or why there is nothing to choose.
        edited: A correction of the better text, or of both.
        annotator: Who voted.
        at: When.
        seconds: Since the question was shown; None when it was not measured.
        note: A remark for whoever runs the review; it is not part of `preferences`.
    """

    clip_id: str
    question: str
    left: str
    right: str
    choice: Judgment
    edited: str | None
    annotator: str
    at: datetime
    seconds: float | None = None
    note: str | None = None

    @property
    def key(self) -> tuple[str, str, str, datetime]:
        """Identifies the vote."""
        return self.clip_id, self.question, self.annotator, self.at

    @property
    def row(self) -> dict[str, Any]:
        """The vote as a row of `preferences`."""
        return {name: getattr(self, name) for name in PREFERENCES.names}

    @property
    def subject(self) -> Subject:
        """What the vote is about."""
        return self.clip_id, self.question, frozenset((self.left, self.right))

    @property
    def outcome(self) -> str:
        """The better text, or what holds of both; the same for votes that agree, whatever the sides."""
        return {"left": self.left, "right": self.right}.get(self.choice, self.choice)


def votes_of(preferences: pa.Table) -> list[Vote]:
    """Read the votes from a table `preferences`."""
    return [Vote(**row) for row in preferences.to_pylist()]


def last_votes(votes: Iterable[Vote]) -> list[Vote]:
    """Keep each annotator's last vote on each comparison."""
    last = {(vote.subject, vote.annotator): vote for vote in sorted(votes, key=lambda vote: vote.at)}
    return list(last.values())


def comparisons_of(annotations: pa.Table, limit: int | None = None) -> list[Comparison]:
    """Collect the questions that are worth a person's time, the most uncertain ones first.

    Args:
        annotations: clip_id, qa, error. Clips and questions that failed are left out, and so are questions
            whose two answers are the same but for white space, or where one is empty.
        limit: How many to return, at most; None for all.

    Returns:
        In rising order of |margin|, where none counts as 0; ties by id.
    """
    found: dict[str, Comparison] = {}
    for row in annotations.select(["clip_id", "qa", "error"]).to_pylist():
        for qa in () if row["error"] else row["qa"] or ():
            texts = [(qa[name] or "").split() for name in ("answer", "baseline")]
            if qa["error"] or not qa["question"] or not all(texts) or texts[0] == texts[1]:
                continue
            one = Comparison(row["clip_id"], qa["question"], qa["answer"], qa["baseline"], _margin(qa))
            found[one.id] = one
    return sorted(found.values(), key=lambda one: (abs(one.margin or 0.0), one.id))[:limit]


def _margin(qa: Mapping[str, Any]) -> float | None:
    answer, baseline = qa["motion_check"], qa["baseline_check"]
    known = answer is not None and baseline is not None and not math.isnan(answer - baseline)
    return answer - baseline if known else None


class Voted:
    """Who has voted on what, in the forms that each request needs, whatever the number of votes.

    Attributes:
        by: Ids of comparisons, by annotator.
        full: Ids of comparisons that have all of their votes.
        votes: Their number; those beyond `overlap` on one comparison do not count.
    """

    def __init__(self, overlap: int, voters: Mapping[str, Iterable[str]]) -> None:
        """Count votes.

        Args:
            overlap: How many votes each comparison is to have.
            voters: Annotators, by id of the comparison.
        """
        self.by: dict[str, set[str]] = defaultdict(set)
        self.full: set[str] = set()
        self.votes = 0
        self._overlap, self._names = overlap, defaultdict[str, set[str]](set)
        for comparison_id, names in voters.items():
            for name in names:
                self.add(comparison_id, name)

    def add(self, comparison_id: str, annotator: str) -> None:
        """Count a vote; that of an annotator who has voted on this comparison replaces the earlier one."""
        names = self._names[comparison_id]
        if annotator in names:
            return
        names.add(annotator)
        self.by[annotator].add(comparison_id)
        self.votes += len(names) <= self._overlap
        if len(names) == self._overlap:
            self.full.add(comparison_id)

    def names(self, comparison_id: str) -> set[str]:
        """Who has voted on a comparison."""
        return self._names.get(comparison_id, set())


@dataclass
class Queue:
    """Hands out comparisons: each to `overlap` annotators, and never to more at a time.

    A comparison that was handed out is reserved for its annotator for LEASE_S seconds; an annotator who comes
    back gets it again. One that an annotator skips goes to the others, and to the same one after `unskip`.

    Attributes:
        comparisons: In the order in which they are handed out.
        overlap: How many people are asked each of them.
    """

    comparisons: Sequence[Comparison]
    overlap: int = 1
    _leases: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    _skipped: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _begin: int = 0  # before it, all comparisons have all of their votes

    def left(self, annotator: str, voted: Voted, now: float | None = None) -> int:
        """Count the comparisons that this annotator may be given.

        Args:
            annotator: Who asks.
            voted: Who has voted.
            now: Seconds on a monotonic clock; None for that of this machine.
        """
        return len(self.comparisons) - len(voted.full) - len(self._closed(annotator, voted, now) - voted.full)

    def next(self, annotator: str, voted: Voted, now: float | None = None) -> Comparison | None:
        """Hand out the next comparison and reserve it.

        Args:
            annotator: Who asks.
            voted: Who has voted.
            now: Seconds on a monotonic clock; None for that of this machine.

        Returns:
            The comparison, or None when there is none for this annotator at the moment.
        """
        now = time.monotonic() if now is None else now
        closed = self._closed(annotator, voted, now)
        while self._begin < len(self.comparisons) and self.comparisons[self._begin].id in voted.full:
            self._begin += 1
        reserved = {at for at, leases in self._leases.items() if leases.get(annotator, 0.0) > now}
        reserved -= closed | voted.full
        for one in islice(self.comparisons, self._begin, None):
            if one.id in reserved if reserved else one.id not in closed and one.id not in voted.full:
                self._leases[one.id][annotator] = now + LEASE_S
                return one
        return None

    def _closed(self, annotator: str, voted: Voted, now: float | None) -> set[str]:
        """The ids of what this annotator may not be given, apart from what has all of its votes."""
        now = time.monotonic() if now is None else now
        closed = voted.by.get(annotator, set()) | self._skipped[annotator]
        for at, leases in list(self._leases.items()):
            holders = {name for name, end in leases.items() if end > now}
            if not holders:
                del self._leases[at]
            elif len((holders | voted.names(at)) - {annotator}) >= self.overlap:
                closed.add(at)
        return closed

    def rewind(self) -> None:
        """Look at all comparisons again, as some have fewer votes than before."""
        self._begin = 0

    def skip(self, comparison_id: str, annotator: str) -> None:
        """Leave a comparison to the others."""
        self._leases[comparison_id].pop(annotator, None)
        self._skipped[annotator].add(comparison_id)

    def unskip(self, annotator: str) -> None:
        """Offer this annotator again what they skipped."""
        self._skipped[annotator].clear()

    def skipped(self, annotator: str) -> int:
        """Count what this annotator has skipped."""
        return len(self._skipped[annotator])
