"""What moves by itself: groups of points that keep moving together, apart from the scene."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from filters.camera.motion import Motion
from filters.camera.points import SPACING
from filters.objects import Shifts, shifts

NEAR = 2.6 * SPACING  # pixels: points of one thing are neighbours
ALIKE = 0.4  # of their speed: by more, neighbours move apart
ALIKE_PX = 1.0  # pixels per span: or by this
TOGETHER = 2  # spans for which neighbours must move together to be of one thing,
MOSTLY = (
    0.6  # and of those in which they are neighbours and move at all: a texture that boils does so at times
)
POINTS_MIN = 4  # a thing has so many points in all
AT_ONCE = 3  # and so many at a time, or it is not seen then
LIFE_S = 0.4  # seconds: what moves for less is noise


@dataclass(frozen=True)
class Mover:
    """A thing that moves by itself.

    Attributes:
        times: (K,) seconds, ascending.
        boxes: (K, 4) float64, xyxy pixels of the working frame, around its moving points.
        points: (K,) int, how many there are.
    """

    times: np.ndarray
    boxes: np.ndarray
    points: np.ndarray


def movers(motion: Motion, speed_min: float) -> list[Mover]:
    """Find what moves by itself in the longest shot, in the order in which it begins to.

    Args:
        motion: The clip's motion.
        speed_min: Slowest movement that counts, frame diagonals per second.
    """
    seen = shifts(motion, speed_min)
    moves = seen.moves
    if not moves.any():
        return []
    span, track = seen.pairs.span[moves], seen.pairs.track[moves]
    z, shift = seen.pairs.z[moves], seen.own[moves]
    known, member = np.unique(track, return_inverse=True)
    near, alike = (np.concatenate(each) for each in zip(*_neighbours(span, member, z, shift), strict=True))
    pair, which = np.unique(near, axis=0, return_inverse=True)
    met, together = np.bincount(which), np.bincount(which, alike)
    one, other = pair[(together >= TOGETHER) & (together >= MOSTLY * met)].T
    links = coo_matrix((np.ones(len(one)), (one, other)), shape=(len(known),) * 2)
    count, group = connected_components(links, directed=False)
    sizes = np.bincount(group, minlength=count)
    chosen = (group[member] == g for g in np.flatnonzero(sizes >= POINTS_MIN))
    found = [_mover(span[mine], z[mine], seen, motion.size) for mine in chosen]
    return sorted((it for it in found if len(it.times)), key=lambda it: float(it.times[0]))


def _neighbours(
    span: np.ndarray, member: np.ndarray, z: np.ndarray, shift: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Neighbours in each span: pairs (L, 2) of members, the lower first, and (L,) whether they move alike."""
    edges = np.flatnonzero(np.diff(span, prepend=-1, append=-1))
    for low, high in pairwise(edges):
        at, by, who = z[low:high], shift[low:high], member[low:high]
        one, other = cKDTree(np.stack([at.real, at.imag], 1)).query_pairs(NEAR, output_type="ndarray").T
        least = np.minimum(np.abs(by[one]), np.abs(by[other]))
        alike = np.abs(by[one] - by[other]) < np.maximum(ALIKE * least, ALIKE_PX)
        yield np.sort(np.stack([who[one], who[other]], 1), axis=1), alike


def _mover(span: np.ndarray, z: np.ndarray, seen: Shifts, size: tuple[int, int]) -> Mover:
    """The thing whose points move at z in these spans; without times where it is seen too briefly."""
    corner = complex(size[0] / 2, size[1] / 2)
    points = np.bincount(span, minlength=len(seen.times))
    kept = np.flatnonzero(points >= AT_ONCE)
    if len(kept) < 2 or seen.times[kept[-1]] - seen.times[kept[0]] < LIFE_S:
        kept = kept[:0]
    boxes = []
    for k in kept:
        at = z[span == k] + corner
        low = [at.real.min() - SPACING / 2, at.imag.min() - SPACING / 2]
        boxes.append([*low, at.real.max() + SPACING / 2, at.imag.max() + SPACING / 2])
    frame = np.array([*size, *size], float)
    return Mover(seen.times[kept], np.clip(np.array(boxes).reshape(-1, 4), 0, frame), points[kept])
