"""Brushes for the pictures of scenes with depth."""

import cv2
import numpy as np


def clouds(
    rng: np.random.Generator, shape: tuple[int, int], finest: int = 2, coarsest: int = 256
) -> np.ndarray:
    """Noise with structure of all sizes from `finest` to `coarsest` pixels.

    Returns:
        (h, w) float32, mean 0 and standard deviation 1.
    """
    total = np.zeros(shape, np.float32)
    size = finest
    while size <= min(coarsest, min(shape) // 2):
        cells = rng.normal(size=(shape[0] // size, shape[1] // size)).astype(np.float32)
        total += size**0.35 * cv2.resize(cells, shape[::-1], interpolation=cv2.INTER_CUBIC)
        size *= 2
    return (total - total.mean()) / total.std()


def tinted(noise: np.ndarray, colour: np.ndarray | tuple[int, int, int], contrast: float) -> np.ndarray:
    """Colour noise (h, w): (h, w, 3) uint8, whose standard deviation is this share of the colour."""
    return np.clip(np.array(colour) * (1 + contrast * noise[..., None]), 0, 255).astype(np.uint8)


def opaque(rgb: np.ndarray) -> np.ndarray:
    """Picture (h, w, 3) uint8 as one (h, w, 4) that covers all of its card."""
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


def cut_out(rgb: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """Picture (h, w, 3) uint8, colours multiplied by coverage (h, w) uint8: (h, w, 4) uint8."""
    colour = rgb.astype(np.uint16) * coverage[..., None] // 255
    return np.dstack([colour.astype(np.uint8), coverage])


def outlined(shape: tuple[int, int], outline: list[tuple[float, float]]) -> np.ndarray:
    """Coverage (h, w) uint8 of a polygon whose corners (x, y) are shares of the width and the height."""
    points = np.array(outline) * (shape[1], shape[0]) * 16
    coverage = np.zeros(shape, np.uint8)
    return cv2.fillPoly(coverage, [points.round().astype(np.int32)], 255, cv2.LINE_AA, shift=4)
