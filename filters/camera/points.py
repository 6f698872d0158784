"""Points of the picture, followed from sample to sample: the long tracks that tell scene from subject.

Positions are complex, x + iy, in pixels of the working frame from its centre, y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import starmap

import numpy as np

from filters.camera.grid import MIN_EIGEN_SCALE

SPACING = 14  # pixels of the working frame: the best corner of each square of this side is followed
MARGIN = 6  # pixels: a corner nearer to the edge of the frame is not begun
BLACK = 24  # gray levels: what is never brighter is a bar, not picture
SLOPE_MIN = 0.6  # gray levels per pixel in every direction: below it there is no corner but noise


@dataclass(frozen=True)
class Pairs:
    """Where points are at both ends of some spans of time, sorted by span.

    Attributes:
        span: (M,) int, index of the span.
        track: (M,) int, the point that is seen.
        z: (M,) complex64, its position at the start, pixels.
        f: (M,) complex64, its displacement, pixels.
        count: Number of spans, S.
    """

    span: np.ndarray
    track: np.ndarray
    z: np.ndarray
    f: np.ndarray
    count: int

    @cached_property
    def starts(self) -> np.ndarray:
        """(S + 1,) int: where the points of each span begin, and where the last ones end."""
        return np.searchsorted(self.span, np.arange(self.count + 1))

    @cached_property
    def sizes(self) -> np.ndarray:
        """(S,) int: how many points each span has."""
        return np.diff(self.starts)

    def each(self, values: np.ndarray) -> np.ndarray:
        """Give every point its span's value: (M,) of (S,). Half the time of indexing by `span`."""
        return values.repeat(self.sizes)

    @cached_property
    def seen(self) -> np.ndarray:
        """The spans in which any point is seen, ascending."""
        return np.flatnonzero(self.sizes)


@dataclass(frozen=True)
class Points:
    """Points followed over the N samples of a clip.

    Attributes:
        tracks: N arrays (K,) int64, the points seen in each sample, ascending; each has one number for life.
        at: N arrays (K,) complex64, their positions, pixels.
    """

    tracks: Sequence[np.ndarray]
    at: Sequence[np.ndarray]

    def pairs(self, spans: Sequence[tuple[int, int]]) -> Pairs:
        """Collect the points seen at both ends of spans (i, j), i < j."""
        found = list(starmap(self._both, spans)) if self.tracks else []
        span = np.repeat(np.arange(len(found)), [len(track) for track, _, _ in found])
        empty = (np.empty(0, np.int64), np.empty(0, np.complex64), np.empty(0, np.complex64))
        track, start, end = (np.concatenate(parts) for parts in zip(empty, *found, strict=True))
        return Pairs(span, track, start, end - start, len(spans))

    def _both(self, i: int, j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # Both are ascending: several times faster than `np.intersect1d`.
        one, other = self.tracks[i], self.tracks[j]
        at = np.searchsorted(other, one)
        both = np.flatnonzero(np.append(other, -1)[at] == one)
        return one[both], self.at[i][both], self.at[j][at[both]]


def picture(samples: np.ndarray) -> tuple[slice, slice]:
    """Find the rows and columns within black bars, whose edges look like corners that slide.

    Args:
        samples: (N, H, W) uint8.

    Returns:
        Rows and columns; all of them when everything is black.
    """
    brightest = samples[:: max(1, len(samples) // 16)].max(0)
    lit = [np.flatnonzero(brightest.max(axis) > BLACK) for axis in (1, 0)]
    rows, columns = (slice(int(at[0]), int(at[-1]) + 1) if len(at) else slice(None) for at in lit)
    return rows, columns


def corners(eigen: np.ndarray, taken: np.ndarray, picture: tuple[slice, slice]) -> np.ndarray:
    """Find the best corner (Shi and Tomasi 1994) of each square of the frame that has no point yet.

    Squares rather than the best of the frame: background is often plainer than the subject, and must be seen.

    Args:
        eigen: (H, W) float32, `cv2.cornerMinEigenVal` with blocks of 5.
        taken: (K, 2) float32, positions x, y of the points there are, pixels.
        picture: Rows and columns of the frame that hold a picture.

    Returns:
        (L, 2) float32, x, y in pixels.
    """
    rows, columns = (side // SPACING for side in eigen.shape)
    inner = np.zeros((rows * SPACING, columns * SPACING), np.float32)
    y, x = (slice(*side.indices(many)[:2]) for side, many in zip(picture, eigen.shape, strict=True))
    within = (
        slice(y.start + MARGIN, min(y.stop - MARGIN, len(inner))),
        slice(x.start + MARGIN, min(x.stop - MARGIN, inner.shape[1])),
    )
    inner[within] = eigen[within]
    free = np.ones((rows, columns), bool)
    column, row = (taken // SPACING).astype(np.intp).T
    held = (column < columns) & (row < rows)
    free[row[held], column[held]] = False
    row, column = np.nonzero(free)
    squares = inner.reshape(rows, SPACING, columns, SPACING)[row, :, column].reshape(-1, SPACING**2)
    place = squares.argmax(1)
    good = squares[np.arange(len(row)), place] > MIN_EIGEN_SCALE * SLOPE_MIN**2
    best = np.stack([column * SPACING + place % SPACING, row * SPACING + place // SPACING], 1)
    return best[good].astype(np.float32)


def from_centre(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return positions as complex numbers, from the centre of the frame.

    Args:
        points: (K, 2) float32, x, y in pixels from the centre of the top left pixel.
        shape: Height and width of the frame, pixels.

    Returns:
        (K,) complex64, pixels.
    """
    height, width = shape
    x, y = points.T - np.array([[(width - 1) / 2], [(height - 1) / 2]], np.float32)
    return (x + 1j * y).astype(np.complex64)
