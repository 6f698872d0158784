"""Boxes, xyxy in pixels: their overlap, and the matching of two sets."""

import numpy as np


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the intersection over union, 0 to 1, of two boxes (4,)."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared, 1e-9)


def matches(overlap: np.ndarray, least: float) -> list[tuple[int, int]]:
    """Match rows with columns greedily, by descending overlap; each is matched at most once.

    Args:
        overlap: (P, B) float, 0 to 1.
        least: Smallest overlap of a match.

    Returns:
        Pairs (row, column), the largest overlap first.
    """
    rows, columns = np.nonzero(overlap >= least)
    pairs = sorted(
        zip(rows.tolist(), columns.tolist(), strict=True), key=lambda pair: (-overlap[pair], *pair)
    )
    taken: list[tuple[int, int]] = []
    for row, column in pairs:
        if all(row != r and column != c for r, c in taken):
            taken.append((row, column))
    return taken
