"""The motion grid: the working frame in cells of 4 x 4 pixels, and how much each cell counts.

Positions and flow are complex numbers x + iy in pixels of the working frame; positions are measured from the
frame's centre, y points down. A single complex factor then holds both rotation and scale.
"""

from functools import cache

import cv2
import numpy as np

CELL = 4  # pixels of the working frame per cell, along each side
MIN_EIGEN_SCALE = 6.15e-5  # cv2.cornerMinEigenVal(uint8, 5) of a slope of one gray level per pixel


@cache
def positions(size: tuple[int, int]) -> np.ndarray:
    """Compute the cell centres.

    Args:
        size: Width and height of the working frame, pixels.

    Returns:
        (h, w) complex64, pixels from the frame's centre.
    """
    width, height = size
    columns, rows = width // CELL, height // CELL
    x = (np.arange(columns) + 0.5) * width / columns - width / 2
    y = (np.arange(rows) + 0.5) * height / rows - height / 2
    return (x[None, :] + 1j * y[:, None]).astype(np.complex64)


def on_grid(flow: np.ndarray) -> np.ndarray:
    """Average dense flow over each cell.

    Args:
        flow: (H, W, 2) float32, pixels to the right and down.

    Returns:
        (h, w) complex64, pixels.
    """
    height, width = flow.shape[:2]
    small = cv2.resize(flow, (width // CELL, height // CELL), interpolation=cv2.INTER_AREA)
    return small[..., 0] + 1j * small[..., 1]


def texture(eigen: np.ndarray) -> np.ndarray:
    """Rate how reliable flow is in each cell: low on flat areas and along straight edges (aperture problem).

    Args:
        eigen: (H, W) float32, `cv2.cornerMinEigenVal` of a uint8 image with blocks of 5.

    Returns:
        (h, w) float32, 0 to 1.
    """
    height, width = eigen.shape
    eigen = np.maximum(eigen, 0) / MIN_EIGEN_SCALE
    weight = eigen / (eigen + 4.0)  # one half at a slope of two gray levels per pixel
    return cv2.resize(weight, (width // CELL, height // CELL), interpolation=cv2.INTER_AREA)


def toward_edge(z: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Weigh positions by how likely they are background: the scene reaches the edges, most objects do not.

    The weight rises to 8, so that a band of a tenth of the frame along each edge, a third of its area, still
    outweighs everything inside when half of the band is hidden.

    Args:
        z: Complex positions of any shape, pixels from the frame's centre.
        size: Width and height of the working frame, pixels.

    Returns:
        Float of the shape of z, 1 in the middle to 8 at the edges.
    """
    edge = np.maximum(np.abs(z.real) / (size[0] / 2), np.abs(z.imag) / (size[1] / 2))
    return 1 + 7 * np.clip((edge - 0.6) / 0.3, 0, 1)


@cache
def border_prior(size: tuple[int, int]) -> np.ndarray:
    """Weigh the cells as `toward_edge` does: (h, w) float32."""
    return toward_edge(positions(size), size).astype(np.float32)


def scene_weight(weight: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Weigh cells as parts of the scene, by their texture and their place.

    Texture is divided by its local mean, so that a caption or one richly detailed object does not outvote the
    plainer rest. Where the local mean is below 0.1 the weight stays low: flow is noise there.

    Args:
        weight: (h, w) float32, 0 to 1, from `texture`.
        prior: (h, w) float32, from `border_prior`.

    Returns:
        (h, w) float32, at least 0.
    """
    side = (max(1, weight.shape[1] // 4), max(1, weight.shape[0] // 4))
    return prior * weight / (0.1 + cv2.blur(weight, side))


def clear_of_edge(z: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Find the positions inside the frame and not at its edge: flow can only guess where the others went.

    Args:
        z: Complex positions of any shape, pixels from the frame's centre.
        size: Width and height of the working frame, pixels.

    Returns:
        bool, of the shape of z.
    """
    return (np.abs(z.real) < 0.48 * size[0]) & (np.abs(z.imag) < 0.48 * size[1])


def squared_abs(values: np.ndarray) -> np.ndarray:
    """Compute |values|^2 of complex numbers, several times faster than through their absolute values."""
    return values.real**2 + values.imag**2


def upper_median(values: np.ndarray) -> float:
    """Compute the upper median of (K,) numbers, K >= 1; much faster than np.median on small arrays."""
    return float(np.partition(values, len(values) // 2)[len(values) // 2])
