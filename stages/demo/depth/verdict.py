"""A verdict on the camera labels that were told of a clip whose camera is known."""

from collections.abc import Collection
from typing import Literal

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
