"""Comparing two frames once the motion between them has been undone."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from filters.camera.grid import CELL
from filters.camera.motion import Similarity

CODING_NOISE = 16.0  # variance, gray levels squared
CONTRAST = 8.0  # deviation in gray levels, half full weight: captions count hardly more than faces
FLAT_WEIGHT = 0.05  # of areas without any texture
COMPARED = 128  # longer side, pixels
AREA = 8  # side of the blocks correlated with each other, pixels


@cache
def pixels(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the column and the row of every pixel of a frame (H, W), as two (H, W) float32 arrays."""
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    return x, y


@dataclass(frozen=True)
class Dissimilarity:
    """How unlike two aligned frames are: 0 the same scene, 0.6 and more two unrelated ones.

    Attributes:
        mean: Over the frame.
        quarter: In all but the most similar quarter of the frame, at least.
    """

    mean: float
    quarter: float


def dissimilarity(a: np.ndarray, b: np.ndarray, flow: np.ndarray) -> Dissimilarity:
    """Compare frame a with frame b warped back along the flow: 1 minus the local correlation.

    Both are shrunk first: what matters is large. The variance of coding noise is added, so that flat areas
    come out alike. Textured areas count in full, flat ones hardly; brightness and contrast do not matter.

    Args:
        a: (H, W) uint8.
        b: (H, W) uint8.
        flow: (H, W, 2) float32 from a to b, pixels.
    """
    if (scale := COMPARED / max(a.shape)) < 1:
        size = max(AREA, round(a.shape[1] * scale)), max(AREA, round(a.shape[0] * scale))
        a, b = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (a, b))
        flow = cv2.resize(flow, size, interpolation=cv2.INTER_NEAREST) * np.float32(scale)
    x, y = pixels(a.shape)
    back = cv2.remap(b, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    p, q = a.astype(np.float32), back.astype(np.float32)
    blocks = max(1, a.shape[1] // AREA), max(1, a.shape[0] // AREA)
    mean_p, mean_q, pp, qq, pq = (
        cv2.resize(each, blocks, interpolation=cv2.INTER_AREA).ravel() for each in (p, q, p * p, q * q, p * q)
    )
    var_p, var_q = np.maximum(pp - mean_p**2, 0), np.maximum(qq - mean_q**2, 0)
    like = (pq - mean_p * mean_q + CODING_NOISE) / np.sqrt((var_p + CODING_NOISE) * (var_q + CODING_NOISE))
    deviation = np.sqrt(np.maximum(var_p, var_q))
    weight = np.maximum(deviation / (deviation + CONTRAST), FLAT_WEIGHT)
    quarter = len(like) * 3 // 4  # of (K,) blocks; `np.quantile` takes as long as all of the rest
    best = float(np.partition(like, quarter)[quarter])
    return Dissimilarity(1 - float(like @ weight / weight.sum()), 1 - best)


def undone(image: np.ndarray, motion: Similarity) -> np.ndarray:
    """Warp an image back to before a motion.

    Args:
        image: (H, W) uint8, after the motion.
        motion: The similarity (a, b) to undo, b in pixels.

    Returns:
        (H, W) uint8; what was outside the frame repeats its edge.
    """
    a, b = motion
    height, width = image.shape
    centre = complex((width - 1) / 2, (height - 1) / 2)
    turn, shift = 1 + a, b + centre - (1 + a) * centre
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def change(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Measure how unlike two aligned frames are around each cell: 1 minus the local correlation.

    Both are smoothed first, since aligning has smoothed one of them. The variance of coding noise is added to
    both contrasts, so that flat areas come out alike.

    Args:
        a: (H, W) uint8.
        b: (H, W) uint8.

    Returns:
        (h, w) float32: 0 for the same picture, 1 for two unrelated ones.
    """
    # After smoothing, every second pixel of every second row is enough.
    x, y = (cv2.GaussianBlur(image, (0, 0), 1.2)[::2, ::2].astype(np.float32) for image in (a, b))
    side = (5, 5)
    mean_x, mean_y = cv2.blur(x, side), cv2.blur(y, side)
    var_x, var_y = cv2.blur(x * x, side) - mean_x**2, cv2.blur(y * y, side) - mean_y**2
    covariance = cv2.blur(x * y, side) - mean_x * mean_y
    unlike = (var_x + var_y - 2 * covariance) / (var_x + var_y + 2 * CODING_NOISE)
    return cv2.resize(unlike, (a.shape[1] // CELL, a.shape[0] // CELL), interpolation=cv2.INTER_AREA)
