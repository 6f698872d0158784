"""Measuring a clip: flow and points between samples, shot boundaries, and the motion of the scene."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from filters.camera.alignment import change, dissimilarity, undone
from filters.camera.config import CameraConfig
from filters.camera.flashes import without_flashes
from filters.camera.grid import clear_of_edge, on_grid, positions, texture
from filters.camera.motion import Motion, Step, compose
from filters.camera.points import Pairs, picture
from filters.camera.scene import Fits, fit_scene
from filters.camera.windows import Windows, shaped, windows
from filters.flow.estimator import FlowEstimator, flows
from filters.points.follower import PointTracker
from filters.points.lucas_kanade import LucasKanade
from filters.shots.continuity import find_shots
from filters.shots.detector import Footage, Look, ShotDetector

FOLLOWED = 0.7  # of the points: where more of them go on to the next sample, it shows the same scene
REACH = 0.35  # of the frame width: a median displacement beyond it leaves too little to compare
SLOW = 3  # times the long baseline: where slow moves are seen
DOUBTED = 0.4  # of the picture: where less follows one motion, it may be another that is found next time
REDRAWN = (1, 2)  # seeds of the random draws that have to find the same
WINDOW_STRIDE = 2  # samples from one window to the next: a quarter of a second at 8 samples per second


@dataclass(frozen=True)
class Methods:
    """What a clip is measured with.

    Attributes:
        estimate: Optical flow.
        detect: Finds where shots begin.
        track: Follows points.
    """

    estimate: FlowEstimator
    detect: ShotDetector = find_shots
    track: PointTracker = LucasKanade


def measure(
    samples: np.ndarray,
    times: np.ndarray,
    methods: Methods,
    config: CameraConfig,
    look: Look | None = None,
) -> Motion:
    """Measure the flow and the camera's motion of a clip.

    Args:
        samples: (N, H, W) uint8, N >= 2.
        times: (N,) float64, seconds, ascending.
        methods: What to measure it with.
        config: `baseline_s` applies.
        look: Shows all frames, where shots may begin; None if there are only the samples.

    Returns:
        The motion of the clip. The scene's motion is that of its longest shot; elsewhere it is 0.
    """
    height, width = samples.shape[1:]
    estimate = methods.estimate
    samples = without_flashes(samples, estimate)
    steps: list[Step] = []
    unlike = np.zeros(len(samples))
    follower = methods.track(picture(samples))
    weight = np.empty(0)
    dense_flows = flows(estimate, samples[:-1], samples[1:])
    for i, image in enumerate(samples):
        eigen = cv2.cornerMinEigenVal(image, 5)
        if i:
            dense = next(dense_flows)
            if (follower.follow(samples[i - 1], image, dense) or 0.0) < FOLLOWED:
                unlike[i] = dissimilarity(samples[i - 1], image, dense).mean
            steps.append(Step(i - 1, i, on_grid(dense), weight, 0j, 0j, 0.0))
        follower.begin(image, eigen)
        weight = texture(eigen)
    cuts = methods.detect(Footage(samples, times, unlike, estimate, look))
    motion = Motion(times, (width, height), steps, cuts, [], points=follower.points())
    return _with_scene(motion, samples, estimate, config)


def _with_scene(motion: Motion, samples: np.ndarray, estimate: FlowEstimator, config: CameraConfig) -> Motion:
    """The motion with that of the scene in its longest shot."""
    first, last = motion.shot()
    near = [(k, k + 1) for k in range(first, last)]
    if not near:
        return motion
    spans = list(_spans(motion.times, (first, last), config.baseline_s, WINDOW_STRIDE)) or near
    slow = list(_spans(motion.times, (first, last), SLOW * config.baseline_s)) or spans
    pairs = [(each, motion.points.pairs(each)) for each in (near, spans, slow)]
    fits, *shown = _scene(motion, pairs)
    shares = fits.share(fits.followed() > 0.5)
    steps = list(motion.steps)
    for k, a, b, share in zip(range(first, last), fits.a, fits.b, shares, strict=True):
        steps[k] = replace(steps[k], a=complex(a), b=complex(b), fit=float(share))
    motion = replace(motion, steps=steps, windows=shown[0], slow=shown[1])
    if np.median(shown[0].follows + shown[0].rests) < DOUBTED:
        again = (_scene(motion, pairs, seed) for seed in REDRAWN)
        motion = replace(motion, redrawn=[(seen, slower, other.b) for other, seen, slower in again])
    return replace(motion, long=list(_long(motion, samples, estimate, config)))


def _scene(
    motion: Motion, pairs: Sequence[tuple[Sequence[tuple[int, int]], Pairs]], seed: int = 0
) -> tuple[Fits, Windows, Windows]:
    """The scene's motion between neighbours, and what the windows show. pairs: near, of a second, slow."""
    near, *longer = fit_scene(pairs, motion.size, seed)
    seen, slow = (windows(fits, near, motion.times, motion.size) for fits in longer)
    return near, shaped(seen, longer[0], motion.size), slow


def _spans(
    times: np.ndarray, shot: tuple[int, int], baseline_s: float, stride: int | None = None
) -> Iterator[tuple[int, int]]:
    """Spans (i, j) of about `baseline_s`; without a stride, half overlapping."""
    i, last = shot
    while i < last:
        j = min(int(np.searchsorted(times, times[i] + baseline_s - 1e-6)), last)
        if j - i < 2:
            break
        yield i, j
        if j == last:
            break
        i += stride or max(1, (j - i) // 2)


def _long(
    motion: Motion, samples: np.ndarray, estimate: FlowEstimator, config: CameraConfig
) -> Iterator[Step]:
    """Steps over the long baseline: there a slow move is many times its noise."""
    z = positions(motion.size)
    spans, backs = [], []
    for i, j in _spans(motion.times, motion.shot(), config.baseline_s):
        a, b = compose(motion.steps[i:j])
        if np.median(np.abs(a * z + b)) >= REACH * motion.size[0]:
            continue
        spans.append((i, j, a, b))
        backs.append(undone(samples[j], (a, b)))
    found = flows(estimate, [samples[i] for i, *_ in spans], backs)
    for (i, j, a, b), back, dense in zip(spans, backs, found, strict=True):
        landed = z + on_grid(dense)
        landed = landed + a * landed + b
        inside = clear_of_edge(landed, motion.size)
        unlike = np.where(inside, change(samples[i], back), np.nan)
        weight = motion.steps[i].weight * inside
        fit = float(np.mean([step.fit for step in motion.steps[i:j]]))
        yield Step(i, j, (landed - z).astype(np.complex64), weight, a, b, fit, unlike)
