"""Masks in COCO's uncompressed run-length encoding: column by column, alternating runs, outside first."""

from collections.abc import Sequence

import numpy as np

Rle = dict[str, list[int]]  # {"size": [height, width], "counts": [lengths of the runs]}


def encode(mask: np.ndarray) -> Rle:
    """Encode a mask (H, W) bool as run lengths."""
    flat = np.concatenate([[False], mask.T.ravel()])
    edges = np.flatnonzero(np.diff(flat))
    runs = np.diff(np.concatenate([[0], edges, [mask.size]]))
    return {"size": list(mask.shape), "counts": runs.tolist()}


def decode(rle: Rle) -> np.ndarray:
    """Decode run lengths into a mask (H, W) bool."""
    height, width = rle["size"]
    inside = np.arange(len(rle["counts"])) % 2 == 1
    return np.repeat(inside, rle["counts"]).reshape(width, height).T


def union(masks: Sequence[Sequence[Rle | None]], shape: tuple[int, int, int]) -> np.ndarray:
    """Join the masks of several objects.

    Args:
        masks: For each object T masks, None where it was not seen.
        shape: T, H, W.

    Returns:
        (T, H, W) bool: where any of the objects is.
    """
    joined = np.zeros(shape, bool)
    for track in masks:
        for frame, rle in zip(joined, track, strict=True):
            if rle is not None:
                frame |= decode(rle)
    return joined
