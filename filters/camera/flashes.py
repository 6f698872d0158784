"""Flashes: they light one sample, and would look like motion and like cuts."""

import cv2
import numpy as np

from filters.camera.alignment import dissimilarity, pixels
from filters.flow.estimator import FlowEstimator

FLASH = 40.0  # gray levels of mean brightness: flicker, clouds and lamps switched on swing less, or last
SAME_SCENE = 0.5  # of `dissimilarity`: less lies between two pictures of one scene


def without_flashes(samples: np.ndarray, estimate: FlowEstimator) -> np.ndarray:
    """Replace every sample lit by a flash with one interpolated half way between its neighbours.

    A flash is over by the next sample: the frame is far brighter than both its neighbours, which are about as
    bright as each other. If these are not the same scene, a cut lies between them, and the sample before the
    flash is repeated.

    Args:
        samples: (N, H, W) uint8.
        estimate: Optical flow.

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
        flow *= 0.5 if dissimilarity(samples[k - 1], samples[k + 1], flow).mean < SAME_SCENE else 0
        at = x - flow[..., 0], y - flow[..., 1]
        samples[k] = cv2.remap(samples[k - 1], *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return samples
