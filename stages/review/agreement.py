"""How far annotators agree with each other, and with motion_check."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np

from stages.review.queue import JUDGMENTS, Comparison, Vote, last_votes
from stages.split.votes import SPOILED

SIDES = ("answer", "baseline")
OUTCOMES = (*SIDES, *(judgment for judgment in JUDGMENTS if judgment not in ("left", "right")))


@dataclass(frozen=True)
class Agreement:
    """How far people agree.

    Attributes:
        votes: How many count: the last of each annotator on each comparison that is asked now.
        questions: Comparisons with at least one vote.
        shared: Comparisons with at least two votes.
        alpha: Krippendorff's alpha, nominal, over OUTCOMES: 1 is full agreement, 0 is what chance would give.
            None where it is not defined, as when everybody always says the same.
        observed: Share of the pairs of votes on the same comparison that agree, 0 to 1; None without a pair.
        supported: Share of the choices of a side that motion_check supports, of those where it prefers one,
            0 to 1; None without such a choice.
    """

    votes: int
    questions: int
    shared: int
    alpha: float | None
    observed: float | None
    supported: float | None


@dataclass(frozen=True)
class Annotator:
    """One person's work.

    Attributes:
        name: Who.
        votes: How many count.
        seconds: Median time of a vote; None when none was measured.
        left: Share of "left" among the votes for a side, 0 to 1; far from 0.5, this person favours a side.
        observed: Share of the other people's votes on the same comparisons that agree, 0 to 1.
    """

    name: str
    votes: int
    seconds: float | None
    left: float | None
    observed: float | None


def agreement(votes: Iterable[Vote], comparisons: Iterable[Comparison]) -> tuple[Agreement, list[Annotator]]:
    """Measure how far the votes agree, and what each annotator did.

    Args:
        votes: Of each annotator only the last on a comparison counts.
        comparisons: What is asked now; votes on anything else do not count.

    Returns:
        The agreement of all, and the annotators by name.

    Raises:
        ImportError: The package krippendorff is missing.
    """
    asked = {one.subject: one for one in comparisons}
    counted: list[tuple[Comparison, Vote, str]] = []
    for vote in last_votes(votes):
        if one := asked.get(vote.subject):
            outcome = {one.answer: "answer", one.baseline: "baseline"}.get(vote.outcome, vote.choice)
            counted.append((one, vote, outcome))
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    people: dict[str, list[Vote]] = defaultdict(list)
    for one, vote, outcome in counted:
        groups[one.id].append((vote.annotator, outcome))
        people[vote.annotator].append(vote)
    shared = [group for group in groups.values() if len(group) > 1]
    pairs = [({a, b}, x == y) for group in shared for (a, x), (b, y) in combinations(group, 2)]
    supported = [
        (outcome == "answer") == (one.margin > 0)
        for one, _, outcome in counted
        if one.margin and outcome in SIDES
    ]
    whole = Agreement(
        votes=len(counted),
        questions=len(groups),
        shared=len(shared),
        alpha=_alpha([[outcome for _, outcome in group] for group in shared]),
        observed=_share([agree for _, agree in pairs]),
        supported=_share(supported),
    )
    return whole, [
        Annotator(
            name=name,
            votes=len(own),
            seconds=_median([vote.seconds for vote in own if vote.seconds is not None]),
            left=_share([vote.choice == "left" for vote in own if vote.choice in ("left", "right")]),
            observed=_share([agree for names, agree in pairs if name in names]),
        )
        for name, own in sorted(people.items())
    ]


def reported(votes: Iterable[Vote]) -> list[Vote]:
    """Return the votes that call a clip or a question bad, or that carry a note, by clip and time."""
    told = [vote for vote in last_votes(votes) if vote.note or vote.choice in SPOILED]
    return sorted(told, key=lambda vote: (vote.clip_id, vote.at, vote.annotator))


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _median(numbers: Sequence[float]) -> float | None:
    return median(numbers) if numbers else None


def _alpha(groups: Sequence[Sequence[str]]) -> float | None:
    """Krippendorff's alpha. groups: for each comparison the outcomes of its votes, two or more."""
    import krippendorff

    tallies = [Counter(group) for group in groups]
    counts = np.array([[tally[name] for name in OUTCOMES] for tally in tallies]).reshape(-1, len(OUTCOMES))
    if np.count_nonzero(counts.sum(0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
