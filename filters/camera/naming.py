"""Labels for the camera's motion: which measured rates a viewer would name."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from filters.camera.config import CameraConfig
from filters.camera.grid import border_prior, positions, scene_weight
from filters.camera.motion import Motion, Step
from filters.camera.path import jitter, rates, travel
from filters.evidence import CameraMotion
from pipeline.schema import CAMERA_LABELS

# The labels of a negative and a positive rate.
AXES = (
    ("pan_left", "pan_right"),
    ("tilt_up", "tilt_down"),
    ("zoom_out", "zoom_in"),
    ("roll_counterclockwise", "roll_clockwise"),
)
STRICT_AGREEMENT = 0.9  # share of the scene that must agree with a label where the fit explains little of it
RETURN = 0.35  # of the longer way: a move back that is shorter is no move there and back


@dataclass(frozen=True)
class _Shot:
    """What was measured of the camera over one shot of K samples.

    Attributes:
        net: (4,) mean rates.
        path: (K, 4) the rates integrated.
        times: (K,) seconds.
        shake: RMS jitter, share of the frame width.
        share: Share of the scene that the fit explains, 0 to 1.
        disputed: (4,) bool: rates on which the short and the long baseline differ.
        steps: The steps that `net` and `share` come from.
    """

    net: np.ndarray
    path: np.ndarray
    times: np.ndarray
    shake: float
    share: float
    disputed: np.ndarray
    steps: Sequence[Step]


def summarise(motion: Motion, config: CameraConfig) -> CameraMotion:
    """Summarise the camera's motion over the longest shot, so that nothing is averaged over a cut.

    Args:
        motion: The motion of a clip.
        config: When a rate counts as a move.

    Returns:
        Labels and rates; without labels, and with `fit` 0, for a shot of a single sample.
    """
    first, last = motion.shot()
    steps = [s for s in motion.steps if first <= s.i and s.j <= last]
    if not steps:
        return CameraMotion((), fit=0.0)
    long = [s for s in motion.long if first <= s.i and s.j <= last]
    shot = _measured(steps, long, motion, config)
    pan, tilt, zoom, roll = (float(rate) for rate in shot.net)
    return CameraMotion(_labels(shot, motion, config), pan, tilt, zoom, roll, shot.shake, shot.share)


def _measured(steps: Sequence[Step], long: Sequence[Step], motion: Motion, config: CameraConfig) -> _Shot:
    """Rates of a shot, from its steps between neighbours and those over the long baseline."""
    times, size = motion.times, motion.size
    first = steps[0].i
    within = times[first : steps[-1].j + 1]
    spans = np.array([times[s.j] - times[s.i] for s in steps])
    short = np.stack([rates(s, times, size) for s in steps])
    path = np.concatenate([np.zeros((1, 4)), np.cumsum(short * spans[:, None], axis=0)])
    net = np.mean([rates(s, times, size) for s in long], axis=0) if long else path[-1] / spans.sum()
    shake = jitter(path[:, :2] * [1, size[1] / size[0]], within, config.smooth_s)
    disputed = np.zeros(4, bool)
    if long:
        # Both baselines measure the same motion; where they differ, one followed something other than the
        # scene. Short steps that fit better are believed, but only as far as they say that the camera moves.
        walked = [(path[s.j - first] - path[s.i - first]) / (times[s.j] - times[s.i]) for s in long]
        disputed = np.abs(np.mean(walked, axis=0) - net) > _floors(config) + 0.5 * np.abs(net)
        if disputed.any() and np.median([s.fit for s in steps]) > np.median([s.fit for s in long]):
            long, net = [], path[-1] / spans.sum()
            disputed &= np.abs(net) < _floors(config)
    used = long or steps
    share = float(np.median([s.fit for s in used]))
    return _Shot(net, path, within, shake, share, disputed, used)


def _floors(config: CameraConfig) -> np.ndarray:
    """The smallest rates (4,) that count as a move."""
    return np.array([config.pan_min, config.tilt_min, config.zoom_min, config.roll_min])


def _labels(shot: _Shot, motion: Motion, config: CameraConfig) -> tuple[str, ...]:
    """The labels that the rates earn; none when no move can be named with confidence."""
    floor = _floors(config)
    width, height = motion.size
    half = np.hypot(width, height) / 2
    # Each rate as the speed it causes at the frame's corner, pixels per second, so that moves compare.
    visible = np.array([width, height, half / np.sqrt(2), np.radians(half) / np.sqrt(2)])
    duration = shot.times[-1] - shot.times[0]
    back, forth = travel(shot.path, shot.times, config.smooth_s)
    turned = np.minimum(back, forth) / duration  # the part of the path that is covered in both directions
    both = (turned > 2 * floor) & (np.minimum(back, forth) > RETURN * np.maximum(back, forth))
    size = np.where(both, turned, np.abs(shot.net))
    # Sway no wider than the jitter is not a move.
    steady = size * duration > np.array([3 * shot.shake, 3 * shot.shake * width / height, 0, 0])
    moves = (size > floor) & (steady | both)
    seen = size * visible
    moves &= seen >= config.minor_share * seen.max()
    if not moves.any():
        return _unmoved(shot, motion, config)
    agreed = _agreements(shot.steps, motion.size)
    needed = config.agreement_min if shot.share >= config.fit_min else STRICT_AGREEMENT
    sure = both | ((agreed >= needed) & ~shot.disputed)
    names = set()
    for axis in np.flatnonzero(moves & sure):
        negative, positive = AXES[axis]
        if both[axis] or shot.net[axis] < 0:
            names.add(negative)
        if both[axis] or shot.net[axis] > 0:
            names.add(positive)
    return tuple(label for label in CAMERA_LABELS if label in names)


def _unmoved(shot: _Shot, motion: Motion, config: CameraConfig) -> tuple[str, ...]:
    """The label of a shot without moves: static or shake, or none where a move may have been missed."""
    shakes = shot.shake > config.shake_min
    unsure = shot.share < config.fit_min and (shakes or _scene_speed(shot.steps, motion) > config.pan_min)
    still = not shakes and np.mean([s.still for s in shot.steps]) > 0.5
    if (unsure or shot.disputed.any()) and not still:
        return ()
    return ("shake",) if shakes else ("static",)


def _agreements(steps: Sequence[Step], size: tuple[int, int]) -> np.ndarray:
    """The share (4,) of the reliable scene that moves in the direction of each fitted rate."""
    z, prior = positions(size), border_prior(size)
    shares = []
    for s in steps:
        weight = scene_weight(s.weight, prior)
        shift = s.flow - s.a * z
        turn = np.conj(z) * (s.flow - s.b)
        lever = weight * np.abs(z)
        shares.append(
            [
                weight[np.sign(shift.real) == np.sign(s.b.real)].sum() / max(weight.sum(), 1e-9),
                weight[np.sign(shift.imag) == np.sign(s.b.imag)].sum() / max(weight.sum(), 1e-9),
                lever[np.sign(turn.real) == np.sign(s.a.real)].sum() / max(lever.sum(), 1e-9),
                lever[np.sign(turn.imag) == np.sign(s.a.imag)].sum() / max(lever.sum(), 1e-9),
            ]
        )
    return np.mean(shares, axis=0)


def _scene_speed(steps: Sequence[Step], motion: Motion) -> float:
    """Median speed of the reliable scene at the frame's edges, frame widths per second."""
    edge = border_prior(motion.size) > 4
    speeds = []
    for s in steps:
        sure = s.flow[edge & (s.weight > 0.3)]
        if sure.size:
            speeds.append(np.median(np.abs(sure)) / motion.size[0] / (motion.times[s.j] - motion.times[s.i]))
    return float(np.median(speeds)) if speeds else 0.0
