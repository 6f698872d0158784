"""Motion check: the share of an answer's checkable claims that the measurements support.

A claim is supported if two measurements say so, and contradicted if both deny it: the one that answers are
written
from, and one that had no part in them. Otherwise it cannot be judged. (Where there is only one, it decides.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from filters.claims import Claim, claims
from filters.evidence import CameraMotion, Evidence, Track


@dataclass(frozen=True)
class Thresholds:
    """When a measurement supports a claim.

    Attributes:
        growth: E-folds of apparent size per second above which an object grows or shrinks.
        angle: Degrees by which a direction may differ from the one claimed.
        faster: Ratio of two speeds from which one is faster.
        alike: Ratio of two speeds up to which they are the same.
        shake: RMS jitter, share of the frame width, above which a camera that also moves shakes.
        still_area: Share of the frame, and of the points, below which a claim that nothing moves is
            supported.
        quiet_area: The same, below which a claim that something moves is refuted.
    """

    growth: float = 0.05
    angle: float = 67.5
    faster: float = 1.25
    alike: float = 1.1
    shake: float = 0.004
    still_area: float = 0.01
    quiet_area: float = 0.002


DEFAULT = Thresholds()


def check(
    text: str | Sequence[Claim], evidence: Evidence, thresholds: Thresholds = DEFAULT
) -> tuple[float | None, list[tuple[Claim, bool | None]]]:
    """Check the claims of a text.

    Args:
        text: The text, or its claims.
        evidence: What was measured of the clip.
        thresholds: When a measurement supports a claim.

    Returns:
        The share of the claims that the evidence supports, 0 to 1, among those that it decides; None when it
        decides none. Then each claim with its verdict, None where the evidence does not decide.
    """
    said = claims(text) if isinstance(text, str) else text
    judged = [(claim, judge(claim, evidence, thresholds)) for claim in said]
    known = [verdict for _, verdict in judged if verdict is not None]
    return (sum(known) / len(known) if known else None), judged


def judge(claim: Claim, evidence: Evidence, thresholds: Thresholds = DEFAULT) -> bool | None:
    """Decide whether the evidence supports a claim; None where it does not decide."""
    if claim.subject == "camera":
        verdict = _camera(claim.predicate, evidence.camera, thresholds)
        if evidence.second:  # it does not tell travelling from turning
            verdict = _both(verdict, _camera(opened(claim.predicate), evidence.second, thresholds))
    else:
        verdict = _objects(claim.predicate, evidence, evidence.tracks, thresholds)
        others = [track.second for track in evidence.tracks if track.second]
        if len(others) == len(evidence.tracks):
            verdict = _both(verdict, _objects(claim.predicate, evidence, others, thresholds))
    return None if verdict is None else verdict != claim.negated


def _both(one: bool | None, other: bool | None) -> bool | None:
    return one if one == other else None


# The directions of the camera by the words for them: those for turning, for travelling, and open ones.
WAYS: dict[str, tuple[str, str, str]] = {
    "left": ("pan_left", "truck_left", "view_left"),
    "right": ("pan_right", "truck_right", "view_right"),
    "up": ("tilt_up", "pedestal_up", "view_up"),
    "down": ("tilt_down", "pedestal_down", "view_down"),
    "in": ("zoom_in", "dolly_in", "view_in"),
    "out": ("zoom_out", "dolly_out", "view_out"),
}
WAY_OF = {name: way for way, names in WAYS.items() for name in names}


def opened(predicate: str) -> str:
    """Return a predicate of the camera without saying whether it turns or travels."""
    return WAYS[WAY_OF[predicate]][2] if predicate in WAY_OF else predicate


def _camera(predicate: str, camera: CameraMotion, thresholds: Thresholds) -> bool | None:
    """The verdict of one measurement on a predicate of the camera."""
    labels = camera.labels
    if not labels:
        return None
    if predicate == "static":
        return labels == ("static",)
    if predicate == "moves":  # a camera that only shakes may be said to move, or not to
        return None if labels == ("shake",) else labels != ("static",)
    if predicate == "shake":  # a moving camera may shake as well; only the amount tells
        moves = labels not in (("static",), ("shake",))
        return camera.shake > thresholds.shake if moves else labels == ("shake",)
    if predicate == "arc":
        return any(label.startswith("arc") for label in labels)
    way = WAY_OF.get(predicate)
    if way is None:
        return predicate in labels
    turn, travel, view = WAYS[way]
    if not {turn, travel} & set(labels):
        return False
    if predicate == view or predicate in labels:
        return True
    return None if predicate == travel else False  # what turns in the labels may travel, but not the reverse


def _objects(
    predicate: str, evidence: Evidence, tracks: Sequence[Track], thresholds: Thresholds
) -> bool | None:
    """The verdict on a predicate of objects: any track supports it, as it is unknown which one is meant."""
    sure = bool(evidence.camera.labels)
    moved = max(evidence.object_area, evidence.unexplained)
    paths = [track for track in tracks if track.phases or track.sway]
    if predicate in ("still", "none_moves"):
        if paths:
            return False if predicate == "none_moves" else None
        return True if sure and not tracks and moved < thresholds.still_area else None
    if predicate in ("faster", "same_speed"):
        return _paces(predicate, [track.speed for track in tracks], thresholds)
    if not tracks:
        return False if sure and moved < thresholds.quiet_area else None
    found = [_track(predicate, track, evidence, thresholds) for track in tracks]
    return True if True in found else None if None in found else False


def _paces(predicate: str, speeds: Sequence[float], thresholds: Thresholds) -> bool | None:
    """Whether any two speeds differ, or are the same; None in between, and for fewer than two."""
    ratios = [max(a, b) / max(min(a, b), 1e-9) for a, b in combinations(speeds, 2)]
    differ, same = [r >= thresholds.faster for r in ratios], [r <= thresholds.alike for r in ratios]
    held, denied = (differ, same) if predicate == "faster" else (same, differ)
    return True if any(held) else False if ratios and all(denied) else None


def _track(predicate: str, track: Track, evidence: Evidence, thresholds: Thresholds) -> bool | None:
    """The verdict on a predicate of one track."""
    pixels = [(x * evidence.width, y * evidence.height) for *_, x, y in track.phases]
    if predicate in ("speeds_up", "slows_down"):  # the speed within a phase is not known
        if len(pixels) < 2:
            return None
        change = np.hypot(*pixels[-1]) / np.hypot(*pixels[0])
        return bool((change if predicate == "speeds_up" else 1 / change) >= thresholds.faster)
    if predicate == "to_and_fro":
        if track.sway:
            return True
        turns = [np.dot(a, b) < -0.5 * np.hypot(*a) * np.hypot(*b) for a, b in pairwise(pixels)]
        return True if any(turns) else False if len(pixels) == 1 else None
    if "_then_" in predicate:
        first, second = predicate.split("_then_")
        order = [
            _heads(first, *a, thresholds.angle) and _heads(f"moves_{second}", *b, thresholds.angle)
            for a, b in combinations(pixels, 2)
        ]
        return any(order) if pixels else None
    if predicate in ("grows", "shrinks"):
        if np.isnan(track.growth):
            return None
        return (track.growth if predicate == "grows" else -track.growth) > thresholds.growth
    if not pixels:  # it moves, but no path of it is certain
        return None
    return any(_heads(predicate, x, y, thresholds.angle) for x, y in pixels)


def _heads(predicate: str, x: float, y: float, angle: float) -> bool:
    """Whether a velocity, x right and y down in pixels, is within `angle` degrees of the one claimed."""
    length = float(np.hypot(x, y))
    along = {"moves_right": x, "moves_left": -x, "moves_down": y, "moves_up": -y}[predicate]
    return length > 0 and along / length > np.cos(np.radians(angle))
