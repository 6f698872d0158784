"""Where shots begin (cuts, dissolves), and flashes, which only look like cuts."""

from collections.abc import Sequence

import cv2
import numpy as np

from filters.camera.alignment import correlation, pixels
from filters.camera.motion import Step
from filters.flow.estimator import FlowEstimator

FLASH = 40.0  # gray levels of mean brightness: flicker, clouds and lamps switched on swing less, or last
DISSOLVED = 0.6  # median of `Step.change` over the frame: closer to two unrelated pictures than to one
CONTRAST_LOST = 0.75  # of the mean variance of the two pictures: below it they lie over each other
ABRUPT = 0.6  # of the median correlation around: a cut is a single outlier


def without_flashes(samples: np.ndarray, estimate: FlowEstimator, threshold: float) -> np.ndarray:
    """Replace every sample lit by a flash with one interpolated half way between its neighbours.

    A flash is over by the next sample: the frame is far brighter than both its neighbours, which are about as
    bright as each other. If these are not the same scene, a cut lies between them, and the sample before the
    flash is repeated.

    Args:
        samples: (N, H, W) uint8.
        estimate: Optical flow.
        threshold: Correlation below which the neighbours are not the same scene.

    Returns:
        (N, H, W) uint8; `samples` itself when there is no flash.
    """
    light = samples[:, ::4, ::4].mean((1, 2))  # every sixteenth pixel is enough
    over = np.minimum(light[1:-1] - light[:-2], light[1:-1] - light[2:])
    flashes = 1 + np.flatnonzero((over > FLASH) & (over > 4 * np.abs(light[2:] - light[:-2])))
    if not len(flashes):
        return samples
    samples = samples.copy()
    x, y = pixels(samples.shape[1:])
    for k in flashes:
        # A pixel half way shows what was half the motion earlier; motion is smooth enough to read it there.
        flow = estimate(samples[k - 1], samples[k + 1])
        flow *= 0.5 if correlation(samples[k - 1], samples[k + 1], flow) > threshold else 0
        at = x - flow[..., 0], y - flow[..., 1]
        samples[k] = cv2.remap(samples[k - 1], *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return samples


def find_cuts(alike: np.ndarray, threshold: float) -> list[int]:
    """Find the samples that start a new shot: unlike the one before, while the steps around are alike.

    A fast pan also spoils the alignment, but over many steps.

    Args:
        alike: (N,) correlation of each sample with the aligned one before it, -1 to 1; the first is ignored.
        threshold: Correlation below which there may be a cut.

    Returns:
        Indices, ascending.
    """
    cuts = []
    for k in range(1, len(alike)):
        around = [alike[n] for n in (k - 2, k - 1, k + 1, k + 2) if 1 <= n < len(alike)]
        if alike[k] < threshold and (not around or alike[k] < ABRUPT * float(np.median(around))):
            cuts.append(k)
    return cuts


def find_dissolves(samples: np.ndarray, long: Sequence[Step]) -> list[int]:
    """Find dissolves: the picture changes altogether, and loses contrast on the way.

    Two unrelated pictures blended half and half have half of their mean variance.

    Args:
        samples: (N, H, W) uint8.
        long: Steps over the long baseline, with `change`.

    Returns:
        Indices of the samples in the middle of a dissolve, ascending.
    """
    found: list[int] = []
    for s in long:
        if found and s.i < found[-1]:
            continue  # the same dissolve, seen again in the next, overlapping step
        seen = np.empty(0) if s.change is None else s.change[~np.isnan(s.change)]
        if not seen.size or np.median(seen) < DISSOLVED:
            continue
        variance = samples[s.i : s.j + 1].var((1, 2))
        k = int(np.argmin(variance))
        if 0 < k < s.j - s.i and variance[k] < CONTRAST_LOST * (variance[0] + variance[-1]) / 2:
            found.append(s.i + k)
    return found
