"""Points of the picture, followed from sample to sample: the long tracks that tell scene from subject.

Positions are complex, x + iy, in pixels of the working frame from its centre, y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import starmap

import cv2
import numpy as np

from filters.camera.grid import MIN_EIGEN_SCALE

SPACING = 14  # pixels of the working frame: the best corner of each square of this side is followed
MARGIN = 6  # pixels: a corner nearer to the edge of the frame is not begun
BLACK = 24  # gray levels: what is never brighter is a bar, not picture
SLOPE_MIN = 0.6  # gray levels per pixel in every direction: below it there is no corner but noise
WINDOW = (13, 13)  # pixels, the patch that is compared
LEVELS = 0  # of the image pyramid above the frame itself: dense flow gives a guess to a pixel
LIT_ALIKE = 0.02  # relative contrast, and gray levels in hundreds: up to it two samples are lit alike
STOP = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 5, 0.03)
RETURN_MAX = 0.5  # pixels between a point and where it comes back to when followed there and back


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
        track, first, last = np.intersect1d(
            self.tracks[i], self.tracks[j], assume_unique=True, return_indices=True
        )
        return track, self.at[i][first], self.at[j][last]


class Follower:
    """Follows points from sample to sample: pyramidal Lucas-Kanade (Bouguet 2001) from the flow's guess."""

    def __init__(self, picture: tuple[slice, slice]) -> None:
        """Begin without points.

        Args:
            picture: Rows and columns of the frame that hold a picture, as found by `picture`.
        """
        self._picture = picture
        self._points = np.empty((0, 2), np.float32)
        self._tracks = np.empty(0, np.int64)
        self._made = 0
        self._seen: list[tuple[np.ndarray, np.ndarray]] = []

    def begin(self, image: np.ndarray, eigen: np.ndarray) -> None:
        """Begin new points where none is left, and note where all are.

        Args:
            image: (H, W) uint8, the current sample.
            eigen: (H, W) float32, `cv2.cornerMinEigenVal(image, 5)`.
        """
        new = corners(eigen, self._points, self._picture)
        self._points = np.concatenate([self._points, new])
        self._tracks = np.concatenate([self._tracks, np.arange(self._made, self._made + len(new))])
        self._made += len(new)
        height, width = image.shape
        x, y = self._points.T - np.array([[(width - 1) / 2], [(height - 1) / 2]], np.float32)
        self._seen.append((self._tracks, (x + 1j * y).astype(np.complex64)))

    def follow(self, a: np.ndarray, b: np.ndarray, flow: np.ndarray) -> None:
        """Follow the points from sample a to sample b; those that do not come back are lost.

        Args:
            a: (H, W) uint8.
            b: (H, W) uint8.
            flow: (H, W, 2) float32 from a to b, pixels.
        """
        points = self._points
        if not len(points):
            return
        b = _lit_alike(a, b)
        column, row = np.rint(points).astype(np.intp).T
        guess = points + flow[row, column]
        there, found = _lucas_kanade(a, b, points, guess)
        back, returned = _lucas_kanade(b, a, there, points + (there - guess))
        size = np.array(a.shape[::-1], np.float32)
        inside = (there > 3).all(1) & (there < size - 4).all(1)
        kept = (found & returned)[:, 0].astype(bool) & inside
        kept &= np.abs(back - points).max(1) < RETURN_MAX
        self._points, self._tracks = there[kept], self._tracks[kept]

    def points(self) -> Points:
        """Return what has been followed so far."""
        return Points(*zip(*self._seen, strict=True)) if self._seen else Points((), ())


def _lit_alike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sample b with the brightness and contrast of a: patches are compared by their gray levels."""
    (mean_a, spread_a), (mean_b, spread_b) = (cv2.meanStdDev(image) for image in (a, b))
    gain = float(spread_a[0, 0] / max(spread_b[0, 0], 1e-3))
    shift = float(mean_a[0, 0] - gain * mean_b[0, 0])
    if abs(gain - 1) < LIT_ALIKE and abs(mean_a[0, 0] - mean_b[0, 0]) < LIT_ALIKE * 100:
        return b
    return cv2.addWeighted(b, gain, b, 0, shift)


def _lucas_kanade(
    a: np.ndarray, b: np.ndarray, points: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        a,
        b,
        points[:, None].copy("C"),
        guess[:, None].copy("C"),
        winSize=WINDOW,
        maxLevel=LEVELS,
        criteria=STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return there[:, 0], found


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
    height, width = eigen.shape
    rows, columns = height // SPACING, width // SPACING
    inner = np.zeros((rows * SPACING, columns * SPACING), np.float32)
    y, x = (slice(*side.indices(many)[:2]) for side, many in zip(picture, eigen.shape, strict=True))
    within = (
        slice(y.start + MARGIN, min(y.stop - MARGIN, len(inner))),
        slice(x.start + MARGIN, min(x.stop - MARGIN, inner.shape[1])),
    )
    inner[within] = eigen[within]
    squares = inner.reshape(rows, SPACING, columns, SPACING).swapaxes(1, 2).reshape(rows, columns, -1)
    best = squares.argmax(2)
    free = squares.max(2) > MIN_EIGEN_SCALE * SLOPE_MIN**2
    column, row = (taken // SPACING).astype(np.intp).T
    held = (column < columns) & (row < rows)
    free[row[held], column[held]] = False
    row, column = np.nonzero(free)
    place = best[row, column]
    return np.stack([column * SPACING + place % SPACING, row * SPACING + place // SPACING], 1).astype(
        np.float32
    )
