"""Verdicts on what was told of a clip whose motion is known."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from filters.evidence import Track
from stages.demo.depth.truth import MoverTruth
from stages.demo.recipe import DIRECTIONS, direction_of

Verdict = Literal["named", "left open", "nothing said", "wrong"]

# What a label for travelling is called where the picture leaves open whether the camera travels or turns.
OPEN = {
    "truck_left": "pan_left",
    "truck_right": "pan_right",
    "pedestal_up": "tilt_up",
    "pedestal_down": "tilt_down",
    "dolly_in": "zoom_in",
    "dolly_out": "zoom_out",
}
# An arc is a truck, and by which way the view drifts depends on what is nearer than the point circled.
ARCS = {
    "arc_clockwise": {"truck_left", "pan_left", "pan_right"},
    "arc_counterclockwise": {"truck_right", "pan_left", "pan_right"},
}


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


def verdict(told: Collection[str], true: Collection[str]) -> Verdict:
    """Judge labels of the camera by all that it does.

    Args:
        told: Labels of the camera.
        true: Every label of its path.
    """
    allowed = {*true, *(OPEN[label] for label in true if label in OPEN)}
    allowed |= {other for label in true for other in ARCS.get(label, ())}
    if set(told) - allowed:
        return "wrong"
    if not told:
        return "nothing said"
    return "named" if set(true) <= set(told) else "left open"


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
