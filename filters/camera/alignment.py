"""Comparing two frames once the motion between them has been undone."""

from functools import cache

import cv2
import numpy as np

from filters.camera.grid import CELL
from filters.camera.motion import Similarity

CODING_NOISE = 16.0  # variance, gray levels squared
FLAT = 1e-3  # product of standard deviations, gray levels squared: nothing to correlate below


@cache
def pixels(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the column and the row of every pixel of a frame (H, W), as two (H, W) float32 arrays."""
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    return x, y


def correlation(a: np.ndarray, b: np.ndarray, flow: np.ndarray) -> float:
    """Correlate frame a with frame b warped back along the flow; independent of brightness.

    Args:
        a: (H, W) uint8.
        b: (H, W) uint8.
        flow: (H, W, 2) float32 from a to b, pixels.

    Returns:
        -1 to 1; 1 when neither frame has any contrast.
    """
    # Every second pixel of every second row is enough.
    x, y = (index[::2, ::2] for index in pixels(a.shape))
    x, y = x + flow[::2, ::2, 0], y + flow[::2, ::2, 1]
    back = cv2.remap(b, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    p, q = (cv2.subtract(image, cv2.mean(image)[0], dtype=cv2.CV_32F) for image in (a[::2, ::2], back))
    scale = (np.vdot(p, p) * np.vdot(q, q)) ** 0.5
    return float(np.vdot(p, q) / scale) if scale > FLAT * p.size else 1.0


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
