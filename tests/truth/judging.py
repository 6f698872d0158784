"""Verdicts on what was told of a clip whose motion is known."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from filters.evidence import Track
from stages.demo.depth.truth import MoverTruth
from stages.demo.depth.verdict import OPEN
from stages.demo.recipe import DIRECTIONS, direction_of


def faults(told: Collection[str], known: Mapping[str, Any]) -> list[str]:
    """Compare labels with those that a person gave.

    Args:
        told: Labels of the camera.
        known: `must` have, and `never`; labels for turning stand for travelling as well.

    Returns:
        What is missing and what is wrong, in words; nothing if all is right.
    """
    opened = {OPEN.get(label, label) for label in told}
    missing = [f"without {label}" for label in known["must"] if label not in opened]
    return missing + [f"with {label}" for label in known["never"] if label in opened]


def path_is_true(track: Track, movers: Sequence[MoverTruth], size: tuple[int, int]) -> bool:
    """Whether each stretch of a path is that of an object that moves: then, and to within 45 degrees.

    Args:
        track: What was told of.
        movers: What moves.
        size: Width and height of the frame, pixels.
    """
    ways = [way for mover in movers for way in mover.stretches if way.direction]
    return bool(ways) and all(
        any(
            min(end, way.end_s) > max(start, way.start_s)
            and _turns(way.direction, direction_of(x * size[0], y * size[1])) <= 1
            for way in ways
        )
        for start, end, x, y in track.phases
    )


def _turns(one: str | None, other: str) -> int:
    """By how many eighths of a turn two directions differ, 0 to 4."""
    if one is None:
        return 4
    apart = abs(DIRECTIONS.index(one) - DIRECTIONS.index(other))
    return min(apart, 8 - apart)
