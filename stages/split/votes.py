"""People's votes on answers, and what they decide together."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

BAD_QUESTION, BAD_CLIP = "bad_question", "bad_clip"
SPOILED = (BAD_QUESTION, BAD_CLIP)


@dataclass(frozen=True)
class Choice:
    """What people decided on a question: that one text is better, what is bad, or nothing (a tie).

    Attributes:
        chosen: The better text; None for a tie or for both bad.
        rejected: The worse text; None also when a correction replaces both texts.
        both_bad: Whether both texts are bad.
        spoiled: "bad_question" or "bad_clip" where the texts are beside the point; None otherwise.
        shown: The two texts that a tie or both bad is about.
    """

    chosen: str | None = None
    rejected: str | None = None
    both_bad: bool = False
    spoiled: str | None = None
    shown: frozenset[str] = frozenset()


def choices(preferences: pa.Table) -> dict[tuple[str, str], Choice]:
    """Count the votes: the majority of the annotators' last votes decides, and no majority is a tie.

    Args:
        preferences: The table `preferences`. `choice` is left or right, which counts for the text that was
            shown on that side, or tie, both_bad, bad_question or bad_clip; `edited` is a correction of the
            chosen text, or of both with a tie or both_bad.

    Returns:
        What people decided, by clip_id and question.
    """
    ballots: dict[tuple[str, str], dict[str | None, dict[str, Any]]] = defaultdict(dict)
    for vote in preferences.sort_by([("at", "ascending"), ("annotator", "ascending")]).to_pylist():
        last = ballots[vote["clip_id"], vote["question"]]
        last.pop(vote["annotator"], None)
        last[vote["annotator"]] = vote
    return {key: _majority([_decision(vote) for vote in last.values()]) for key, last in ballots.items()}


def bad_clips(preferences: pa.Table) -> set[str]:
    """Return the clip_ids that more people call bad than not, by each person's last vote on each question.

    Who calls a clip bad on any of its questions calls it bad.
    """
    last: dict[tuple[str, str, str], str] = {}
    for vote in preferences.sort_by([("at", "ascending"), ("annotator", "ascending")]).to_pylist():
        last[vote["clip_id"], vote["annotator"], vote["question"]] = vote["choice"]
    people: dict[str, dict[str, bool]] = defaultdict(lambda: defaultdict(bool))
    for (clip_id, annotator, _), choice in last.items():
        people[clip_id][annotator] |= choice == BAD_CLIP
    return {clip_id for clip_id, said in people.items() if 2 * sum(said.values()) > len(said)}


def _decision(vote: Mapping[str, Any]) -> tuple[str | None, Choice]:
    """Return what a vote counts for, and the choice that it makes if it wins."""
    edited = (vote["edited"] or "").strip() or None
    if vote["choice"] in SPOILED:
        return vote["choice"], Choice(spoiled=vote["choice"])
    if vote["choice"] in ("left", "right"):
        better, worse = (
            (vote["left"], vote["right"]) if vote["choice"] == "left" else (vote["right"], vote["left"])
        )
        return better, Choice(edited or better, worse)
    if edited:
        return edited, Choice(edited)
    shown = frozenset(text for text in (vote["left"], vote["right"]) if text)
    return vote["choice"], Choice(both_bad=vote["choice"] == "both_bad", shown=shown)


def _majority(decisions: Sequence[tuple[str | None, Choice]]) -> Choice:
    tally = Counter(what for what, _ in decisions).most_common(2)
    if len(tally) == 2 and tally[0][1] == tally[1][1]:
        return Choice()
    # The last of the winning votes, as it may carry a correction.
    return [choice for what, choice in decisions if what == tally[0][0]][-1]
