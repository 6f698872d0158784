"""Pyramidal Lucas-Kanade in OpenCV (Bouguet 2001), from the dense flow's guess: fast on a CPU, no weights."""

from typing import Literal

import cv2
import numpy as np

from filters.camera.points import Points, corners, from_centre
from filters.points.follower import PointBackend, PointTracker

WINDOW = (16, 14)  # pixels, the patch that is compared; OpenCV is fast at widths of 8 and 16
LEVELS = 0  # of the image pyramid above the frame itself: dense flow gives a guess to a pixel
LIT_ALIKE = 0.02  # relative contrast, and gray levels in hundreds: up to it two samples are lit alike
STOP = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 5, 0.03)
RETURN_MAX = 0.5  # pixels between a point and where it comes back to when followed there and back
FEW = 30  # points: the share of fewer that is followed tells nothing
AGREED = 0.2  # pixels from where dense flow ends: a point that lands so near to it need not come back


class LucasKanadeConfig(PointBackend):
    """Pyramidal Lucas-Kanade in OpenCV."""

    backend: Literal["lucas_kanade"] = "lucas_kanade"

    def build(self) -> PointTracker:
        """Return the tracker."""
        return LucasKanade


class LucasKanade:
    """A `Follower`, which goes from sample to sample."""

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
        """Begin new points where none is left, and note where all are; see `Follower`."""
        new = corners(eigen, self._points, self._picture)
        self._points = np.concatenate([self._points, new])
        self._tracks = np.concatenate([self._tracks, np.arange(self._made, self._made + len(new))])
        self._made += len(new)
        self._seen.append((self._tracks, from_centre(self._points, image.shape)))

    def follow(self, a: np.ndarray, b: np.ndarray, flow: np.ndarray) -> float | None:
        """Follow the points; those that do not come back are lost. See `Follower`."""
        points = self._points
        if not len(points):
            return None
        b = _lit_alike(a, b)
        column, row = np.rint(points).astype(np.intp).T
        guess = points + flow[row, column]
        there, kept = _lucas_kanade(a, b, points, guess)
        size = np.array(a.shape[::-1], np.float32)
        kept &= (there > 3).all(1) & (there < size - 4).all(1)
        doubted = np.flatnonzero(kept & (np.abs(there - guess).max(1) > AGREED))
        if len(doubted):
            begun, ended = points[doubted], there[doubted]
            back, returned = _lucas_kanade(b, a, ended, begun + (ended - guess[doubted]))
            kept[doubted] = returned & (np.abs(back - begun).max(1) < RETURN_MAX)
        self._points, self._tracks = there[kept], self._tracks[kept]
        return float(kept.mean()) if len(kept) >= FEW else None

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
        # With this, no error is computed: the eigenvalues take no time.
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW | cv2.OPTFLOW_LK_GET_MIN_EIGENVALS,
    )
    return there[:, 0], found[:, 0].astype(bool)
