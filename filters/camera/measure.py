"""Measuring a clip: flow between samples, the camera's motion in each step, and shot boundaries."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from filters.camera.alignment import change, correlation, undone
from filters.camera.config import CameraConfig
from filters.camera.fit import Similarity, fit, stands_still
from filters.camera.grid import border_prior, clear_of_edge, on_grid, positions, scene_weight, texture
from filters.camera.motion import Motion, Step, compose
from filters.camera.shots import find_cuts, find_dissolves, without_flashes
from filters.flow.estimator import FlowEstimator

# The error of flow: about a tenth of a pixel, and a few percent of its length.
TOLERANCE = 0.15  # pixels
TOLERANCE_SHARE = 0.03  # of the length
REACH = 0.35  # of the frame width: a median displacement beyond it leaves too little to compare


def measure(samples: np.ndarray, times: np.ndarray, estimate: FlowEstimator, config: CameraConfig) -> Motion:
    """Measure the flow and the camera's motion of a clip.

    Args:
        samples: (N, H, W) uint8, N >= 2.
        times: (N,) float64, seconds, ascending.
        estimate: Optical flow.
        config: `baseline_s` and `cut_correlation` apply.

    Returns:
        The motion of the clip.
    """
    height, width = samples.shape[1:]
    samples = without_flashes(samples, estimate, config.cut_correlation)
    weights = [texture(image) for image in samples]
    steps: list[Step] = []
    alike = np.ones(len(samples))
    guess: Similarity = (0j, 0j)
    for i in range(len(samples) - 1):
        dense = estimate(samples[i], samples[i + 1])
        alike[i + 1] = correlation(samples[i], samples[i + 1], dense)
        step = _step(i, i + 1, on_grid(dense), weights[i], (width, height), guess)
        guess = (step.a, step.b)
        steps.append(step)
    cuts = find_cuts(alike, config.cut_correlation)
    long = []
    for i, j in _long_spans(times, cuts, config.baseline_s):
        a, b = compose(steps[i:j])
        if np.median(np.abs(a * positions((width, height)) + b)) < REACH * width:
            long.append(_aligned_step(samples, (i, j), (a, b), weights[i], estimate))
    dissolves = find_dissolves(samples, long)
    long = [s for s in long if not any(s.i < cut <= s.j for cut in dissolves)]
    return Motion(times, (width, height), steps, sorted({*cuts, *dissolves}), long)


def _step(
    i: int, j: int, flow: np.ndarray, weight: np.ndarray, size: tuple[int, int], guess: Similarity
) -> Step:
    """Fit the camera's motion to the flow (h, w) from sample i to sample j."""
    speed = np.abs(flow)
    tolerance = TOLERANCE + TOLERANCE_SHARE * speed
    weighed = scene_weight(weight, border_prior(size))
    still = stands_still(speed < tolerance, weighed)
    z = positions(size)
    a, b, share = fit(flow.ravel(), weighed.ravel(), z.ravel(), tolerance.ravel(), guess, still)
    return Step(i, j, flow, weight, a, b, share, still=still)


def _long_spans(times: np.ndarray, cuts: Sequence[int], baseline_s: float) -> Iterator[tuple[int, int]]:
    """Half-overlapping spans (i, j) of about `baseline_s`: there a slow move is many times its noise."""
    for low, high in pairwise([0, *cuts, len(times)]):
        i = low
        while i < high - 1:
            j = min(int(np.searchsorted(times, times[i] + baseline_s - 1e-6)), high - 1)
            if j - i < 2:
                break
            yield i, j
            if j == high - 1:
                break
            i += max(1, (j - i) // 2)


def _aligned_step(
    samples: np.ndarray,
    span: tuple[int, int],
    predicted: Similarity,
    weight: np.ndarray,
    estimate: FlowEstimator,
) -> Step:
    """The step over a span, its predicted motion undone first, so that little flow is left to find."""
    i, j = span
    a, b = predicted
    height, width = samples.shape[1:]
    z = positions((width, height))
    left = on_grid(estimate(samples[i], undone(samples[j], predicted)))
    landed = z + left
    landed = landed + a * landed + b
    inside = clear_of_edge(landed, (width, height))
    flow = (landed - z).astype(np.complex64)
    step = _step(i, j, flow, weight * inside, (width, height), predicted)
    # Undo the motion found, not the predicted one: after a fast roll that is off by pixels, and everything
    # would look changed.
    unlike = change(samples[i], undone(samples[j], (step.a, step.b)))
    return replace(step, change=np.where(inside, unlike, np.nan))
