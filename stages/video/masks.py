"""Masks as COCO keeps them: runs of pixels outside and inside in turn, column by column, outside first."""

from collections.abc import Sequence

import numpy as np

Rle = dict[str, list[int]]  # {"size": [height, width], "counts": [lengths of the runs]}


def encode(mask: np.ndarray) -> Rle:
    """Run lengths of a mask (H, W) bool."""
    flat = np.concatenate([[False], mask.T.ravel()])
    edges = np.flatnonzero(np.diff(flat))
    runs = np.diff(np.concatenate([[0], edges, [mask.size]]))
    return {"size": list(mask.shape), "counts": runs.tolist()}


def decode(rle: Rle) -> np.ndarray:
    """The mask (H, W) bool that was encoded."""
    height, width = rle["size"]
    inside = np.arange(len(rle["counts"])) % 2 == 1
    return np.repeat(inside, rle["counts"]).reshape(width, height).T


def union(masks: Sequence[Sequence[Rle | None]], shape: tuple[int, int, int]) -> np.ndarray:
    """Where any of the objects is: (T, H, W) bool of that shape, from T masks of each, None where unseen."""
    joined = np.zeros(shape, bool)
    for track in masks:
        for frame, rle in zip(joined, track, strict=True):
            if rle is not None:
                frame |= decode(rle)
    return joined
