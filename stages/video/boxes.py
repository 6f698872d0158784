"""Boxes, xyxy pixels: how much two overlap, and which of two sets belong together."""

import numpy as np


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union, 0 to 1, of two boxes (4,)."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared, 1e-9)


def matches(overlap: np.ndarray, least: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of overlaps (P, B), the largest first; none twice, none under `least`."""
    rows, columns = np.nonzero(overlap >= least)
    pairs = sorted(
        zip(rows.tolist(), columns.tolist(), strict=True), key=lambda pair: (-overlap[pair], *pair)
    )
    taken: list[tuple[int, int]] = []
    for row, column in pairs:
        if all(row != r and column != c for r, c in taken):
            taken.append((row, column))
    return taken
