"""Following points by a network that sees many samples at once: chunk by chunk, which bounds its memory."""

from itertools import pairwise
from typing import Protocol

import numpy as np

from filters.camera.points import Points, corners, from_centre

EVERY = 8  # samples, a second: in one of so many, points begin where there are none


class Predict(Protocol):
    """Tells where points go, such as a network."""

    def __call__(self, samples: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Follow points from the first of some samples to the last.

        Args:
            samples: (T, H, W) uint8, T >= 2.
            points: (K, 2) float32, K >= 1, positions x, y in the first sample, pixels.

        Returns:
            (T, K, 2) float32, their positions in every sample, pixels, and (T, K) bool, where they are seen.
        """
        ...


class ChunkFollower:
    """A `Follower` that collects the samples of a clip, and follows points through them at the end.

    Neighbouring chunks share a sample: points that are seen in the last one of a chunk go on in the next.
    """

    def __init__(self, predict: Predict, chunk: int, picture: tuple[slice, slice]) -> None:
        """Begin without samples.

        Args:
            predict: Tells where points go.
            chunk: Samples from the first of a chunk to the first of the next, at most; `EVERY` or more.
            picture: Rows and columns of the frame that hold a picture, as found by `picture`.
        """
        self._predict, self._chunk, self._picture = predict, chunk, picture
        self._samples: list[np.ndarray] = []
        self._eigen: list[np.ndarray] = []

    def begin(self, image: np.ndarray, eigen: np.ndarray) -> None:
        """Collect a sample; see `Follower`."""
        if len(self._samples) % EVERY == 0:
            self._eigen.append(eigen)
        self._samples.append(image)

    def follow(self, a: np.ndarray, b: np.ndarray, flow: np.ndarray) -> None:
        """Do nothing: points are followed at the end, and without flow. See `Follower`."""

    def points(self) -> Points:
        """Follow points through the samples collected so far. A point that is not seen once is lost."""
        if not self._samples:
            return Points((), ())
        shape = self._samples[0].shape
        tracks, at, made = np.empty(0, np.int64), np.empty((0, 2), np.float32), 0
        seen: list[tuple[np.ndarray, np.ndarray]] = []
        for first, last in pairwise(bounds(len(self._samples), self._chunk)):
            paths, alive = self._followed(first, last, at)
            begun = paths.shape[1] - len(tracks)
            tracks = np.concatenate([tracks, np.arange(made, made + begun)])
            made += begun
            for positions, there in zip(paths[:-1], alive[:-1], strict=True):
                seen.append((tracks[there], from_centre(positions[there], shape)))
            tracks, at = tracks[alive[-1]], paths[-1, alive[-1]]
        seen.append((tracks, from_centre(at, shape)))
        return Points(*zip(*seen, strict=True))

    def _followed(self, first: int, last: int, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Follow points through a chunk.

        Args:
            first: Its first sample.
            last: Its last sample.
            at: (K, 2) float32, positions of the points that go on in the first sample, pixels.

        Returns:
            (T, K + L, 2) float32, the positions of these and of new points in every sample, pixels, and
            (T, K + L) bool, where they are still followed.
        """
        samples = np.stack(self._samples[first : last + 1])
        paths = np.empty((len(samples), 0, 2), np.float32)
        alive = np.empty((len(samples), 0), bool)
        for k in range(0, last - first, EVERY):
            taken = paths[k, alive[k]] if k else at
            new = corners(self._eigen[(first + k) // EVERY], taken, self._picture)
            begun = new if k else np.concatenate([at, new])
            if not len(begun):
                continue
            path, visible = self._predict(samples[k:], begun)
            kept = np.logical_and.accumulate(visible & self._inside(path, samples.shape[1:]))
            paths = np.concatenate([paths, np.pad(path, ((k, 0), (0, 0), (0, 0)))], axis=1)
            alive = np.concatenate([alive, np.pad(kept, ((k, 0), (0, 0)))], axis=1)
        return paths, alive

    def _inside(self, path: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Where positions (T, K, 2) are in the picture, (T, K) bool."""
        y, x = (range(many)[side] for side, many in zip(self._picture, shape, strict=True))
        first, last = np.array([x.start, y.start]), np.array([x.stop - 1, y.stop - 1])
        return np.all((path >= first) & (path <= last), axis=2)


def bounds(count: int, chunk: int) -> list[int]:
    """Return the first sample of each chunk, at which points may begin, and the last sample of the clip.

    Chunks are about equally long: in a short rest, a network would see too little.

    Args:
        count: Number of samples, 1 or more.
        chunk: Samples from the first of a chunk to the first of the next, at most; `EVERY` or more.
    """
    steps = -(-(count - 1) // EVERY)
    chunks = -(-steps // (chunk // EVERY))
    return [steps * k // chunks * EVERY for k in range(chunks)] + [count - 1]
