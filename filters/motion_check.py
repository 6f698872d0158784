"""Motion check: the share of an answer's checkable claims that the measurements support."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from filters.claims import Claim, claims
from filters.evidence import Evidence, Track


@dataclass(frozen=True)
class Thresholds:
    """From where on a measurement supports what is claimed.

    growth: e-folds of apparent size per second. angle: degrees off that a direction in words may be.
    faster, alike: from which ratio of two speeds on one is faster, and up to which they are the same.
    shake: rms jitter as a share of the frame width, of a camera that also moves. still_area, quiet_area:
    shares of the frame that move, under which nothing is said to move, and under which that is certain.
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
    """The share, 0 to 1, of a text's claims that the evidence supports; None when none can be judged.

    With it, each claim and its verdict: True, False, or None where the measurements decide neither.
    """
    said = claims(text) if isinstance(text, str) else text
    judged = [(claim, judge(claim, evidence, thresholds)) for claim in said]
    known = [verdict for _, verdict in judged if verdict is not None]
    return (sum(known) / len(known) if known else None), judged


def judge(claim: Claim, evidence: Evidence, thresholds: Thresholds = DEFAULT) -> bool | None:
    """Whether the measurements support a claim; None where they decide nothing."""
    of = _camera if claim.subject == "camera" else _objects
    verdict = of(claim.predicate, evidence, thresholds)
    return None if verdict is None else verdict != claim.negated


def _camera(predicate: str, evidence: Evidence, thresholds: Thresholds) -> bool | None:
    labels = evidence.camera.labels
    if predicate == "static":
        return labels == ("static",)
    if predicate == "moves":  # of a camera that only shakes, either may be said
        return None if labels == ("shake",) else labels != ("static",)
    if predicate == "shake":  # a moving camera may shake as well; only the amount tells
        moves = labels not in (("static",), ("shake",))
        return evidence.camera.shake > thresholds.shake if moves else labels == ("shake",)
    return predicate in labels if labels else None


def _objects(predicate: str, evidence: Evidence, thresholds: Thresholds) -> bool | None:
    """Any track that does it supports a claim; which track a text means is not known."""
    sure = bool(evidence.camera.labels)
    if predicate in ("still", "none_moves"):
        if evidence.tracks:
            return False if predicate == "none_moves" else None
        return True if sure and evidence.object_area < thresholds.still_area else None
    if predicate in ("faster", "same_speed"):
        return _paces(predicate, [track.speed for track in evidence.tracks], thresholds)
    if not evidence.tracks:
        return False if sure and evidence.object_area < thresholds.quiet_area else None
    found = [_track(predicate, track, evidence, thresholds) for track in evidence.tracks]
    return True if True in found else None if None in found else False


def _paces(predicate: str, speeds: Sequence[float], thresholds: Thresholds) -> bool | None:
    """Whether any two of these speeds differ, or are the same; None between, and of fewer than two."""
    ratios = [max(a, b) / max(min(a, b), 1e-9) for a, b in combinations(speeds, 2)]
    differ, same = [r >= thresholds.faster for r in ratios], [r <= thresholds.alike for r in ratios]
    held, denied = (differ, same) if predicate == "faster" else (same, differ)
    return True if any(held) else False if ratios and all(denied) else None


def _track(predicate: str, track: Track, evidence: Evidence, thresholds: Thresholds) -> bool | None:
    pixels = [(x * evidence.width, y * evidence.height) for *_, x, y in track.phases]
    if predicate in ("speeds_up", "slows_down"):  # how fast it is within a phase is not known
        if len(pixels) < 2:
            return None
        change = np.hypot(*pixels[-1]) / np.hypot(*pixels[0])
        return bool((change if predicate == "speeds_up" else 1 / change) >= thresholds.faster)
    if predicate == "to_and_fro":
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
        return (track.growth if predicate == "grows" else -track.growth) > thresholds.growth
    mean = (track.velocity[0] * evidence.width, track.velocity[1] * evidence.height)
    return any(_heads(predicate, x, y, thresholds.angle) for x, y in pixels or [mean])


def _heads(predicate: str, x: float, y: float, angle: float) -> bool:
    """Whether a velocity of x to the right and y down, in pixels, goes the way that is claimed."""
    length = float(np.hypot(x, y))
    along = {"moves_right": x, "moves_left": -x, "moves_down": y, "moves_up": -y}[predicate]
    return length > 0 and along / length > np.cos(np.radians(angle))
