"""Comparisons, and votes on them, that tests make up."""

from datetime import UTC, datetime, timedelta
from typing import Any

from stages.review.queue import Comparison, Vote

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def about_one_clip(count: int, clip_id: str = "f" * 16) -> list[Comparison]:
    """As many comparisons about one clip."""
    return [Comparison(clip_id, f"Where to, {n}?", "It goes left.", "It goes right.") for n in range(count)]


def comparisons(count: int) -> list[Comparison]:
    """Comparisons about as many clips."""
    return [
        Comparison(f"{n:016x}", "Where to?", f"It goes left, {n}.", f"It goes right, {n}.")
        for n in range(count)
    ]


def vote(comparison: Comparison, annotator: str, what: str, minute: int = 0, **more: Any) -> Vote:
    """A vote for "answer" or "baseline", on whichever side it is, or for any other choice."""
    left, right = comparison.sides(annotator)
    text = {"answer": comparison.answer, "baseline": comparison.baseline}.get(what)
    choice = what if text is None else "left" if text == left else "right"
    values = {
        "clip_id": comparison.clip_id,
        "question": comparison.question,
        "left": left,
        "right": right,
        "choice": choice,
        "edited": None,
        "annotator": annotator,
        "at": NOON + timedelta(minutes=minute),
        "seconds": 5.0,
    }
    return Vote(**values | more)
