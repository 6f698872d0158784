"""What the report calls things: codes and settings in words, and which way each number is better."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from filters.gate import bound
from filters.gates.quality import Quality
from filters.verdicts import ANSWER_GATES, ANSWER_LIMITS, CLIP_GATES, LIMITS

# Units that settings and tables abbreviate, in full.
UNITS = {
    "s": "seconds",
    "px": "pixels",
    "diagonals/s": "frame diagonals per second",
    "share of claims": "share of its claims, 0 to 1",
    "probability": "probability, 0 to 1",
}
# Metrics without a reference whose lower scores are better, as pyiqa 0.1.14 has them.
LOWER_IS_BETTER = ("piqe", "niqe", "ilniqe", "brisque", "pi", "afine_nr")

CAMERA = {"static": "is static", "arc": "moves in an arc", "shake": "shakes", "moves": "moves"}
OBJECTS = {
    "to_and_fro": "an object moves to and fro",
    "faster": "one object is faster than another",
    "same_speed": "objects move at the same speed",
    "still": "an object is still",
    "none_moves": "no object moves",
}
DROPPED = {
    "answer_error": "the answer failed",
    "answer_empty": "the question or the answer is empty",
    "motion_check_required": "no checkable claim",
    "near_duplicates": "looks like an earlier clip",
}
SHORT = ("s", "px")  # units that go with a value wherever it is shown
TITLES = {name: (title, unit) for name, title, unit in LIMITS}
TITLES |= {name: (gate.title, gate.unit) for name, gate in ANSWER_LIMITS}


class Reading(NamedTuple):
    """How to read a number.

    Attributes:
        title: Its name.
        unit: In full.
        higher: What a higher value means.
    """

    title: str
    unit: str
    higher: str


READINGS = {
    "duration_s": Reading("duration", "seconds", "higher = longer"),
    "quality": Reading("quality", "score of the metric", "which way is better depends on the metric"),
    "flow_mean": Reading("mean flow", "frame diagonals per second", "higher = more motion"),
    "object_motion": Reading(
        "objects' own motion", "frame diagonals per second", "higher = objects move faster"
    ),
    "object_area": Reading("moving area", "share of the frame, 0 to 1", "higher = more of the frame moves"),
    "pan": Reading("pan", "frame widths per second", "above 0 = to the right"),
    "tilt": Reading("tilt", "frame heights per second", "above 0 = downwards"),
    "zoom": Reading("zoom", "e-folds of scale per second", "above 0 = in"),
    "roll": Reading("roll", "degrees per second", "above 0 = clockwise"),
    "shake": Reading("shake", "frame widths", "higher = less steady"),
    "motion_check": Reading("motion check", "share of claims, 0 to 1", "higher = better supported"),
    "baseline_check": Reading(
        "motion check of the baseline", "share of claims, 0 to 1", "higher = better supported"
    ),
    "vqascore": Reading("VQAScore", "probability, 0 to 1", "higher = fits the clip better"),
}


def plain(code: str) -> str:
    """Turn a code such as `pan_left` into words."""
    return code.replace("_", " ").replace(":", " ")


def gate(name: str, limits: Mapping[str, float]) -> str:
    """Say what a gate asks for, such as "duration, at least 1 s"; without a limit, what it drops.

    Args:
        name: The setting.
        limits: Where the gates stand, by setting.
    """
    if name in limits:
        title, unit = TITLES[name]
        return f"{title}, {bound(name)} {limits[name]:g} {unit if unit in SHORT else ''}".strip()
    return DROPPED.get(name, plain(name))


def claim(code: str) -> str:
    """Turn a claim as `filters.claims.Claim` writes it into words.

    Such as "camera does not roll counterclockwise" for `not camera:roll_counterclockwise`.
    """
    denied = code.startswith("not ")
    subject, _, predicate = code.removeprefix("not ").rpartition(":")
    if subject == "object":
        said = OBJECTS.get(predicate) or f"an object {plain(predicate)}"
        return f"it is not so that {said}" if denied and predicate in OBJECTS else _denied(said, denied)
    if predicate.startswith("view_"):
        return _denied(f"view moves {plain(predicate.removeprefix('view_'))}", denied)
    verb, _, way = plain(predicate).partition(" ")
    verb = "dollies" if verb == "dolly" else f"{verb}s"
    return _denied(f"camera {CAMERA.get(predicate) or f'{verb} {way}'.strip()}", denied)


def _denied(said: str, denied: bool) -> str:
    """Deny a sentence whose verb follows its subject of one noun."""
    if not denied:
        return said
    words = said.split(" ")
    at = 2 if words[0] == "an" else 1
    verb = words[at]
    base = "dolly" if verb == "dollies" else verb.removesuffix("s")
    words[at] = "is not" if verb == "is" else f"does not {base}"
    return " ".join(words)


def limited(title: str, unit: str, metrics: Iterable[str]) -> Reading:
    """Say how to read a number that gates limit.

    Args:
        title: Its name.
        unit: As the gate has it; "" for a count.
        metrics: Those that measured the quality of clips.
    """
    if title == Quality.title:
        return quality(metrics)
    meaning = next((gate.higher for gate in (*CLIP_GATES, *ANSWER_GATES) if gate.title == title), "")
    return Reading(title, UNITS.get(unit, unit) or title, f"higher = {meaning}" if meaning else "")


def quality(metrics: Iterable[str]) -> Reading:
    """Say how to read the quality of clips.

    Args:
        metrics: The metrics that measured it.
    """
    names = sorted(set(metrics))
    lower = {name in LOWER_IS_BETTER or name.removesuffix("_matlab") in LOWER_IS_BETTER for name in names}
    if len(lower) != 1:
        return READINGS["quality"]
    better = "lower = better" if lower.pop() else "higher = better"
    return Reading("quality", f"score of {' and '.join(names)}", better)
