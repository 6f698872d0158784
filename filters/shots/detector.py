"""The interface of a detector of shot boundaries, and of the settings that build it."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from filters.flow.estimator import FlowEstimator
from pipeline.requirements import Requirement

STRETCH_S = 30.0  # of frames held in memory at a time
LAST_S = 1e-3  # after the last sample: its frame belongs to what is seen


class Look(Protocol):
    """Shows every frame of some parts of a clip; for each look, the clip is decoded again."""

    def __call__(
        self, parts: Sequence[tuple[float, float]], longer: int, colour: bool
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the frames from one time to another.

        Args:
            parts: Start and end of each, seconds from the clip's start, ascending; they do not overlap.
            longer: Longer side of the frames, pixels.
            colour: RGB if true, else brightness.

        Returns:
            For each part, frames (M, H, W, 3) or (M, H, W) uint8, and times (M,) float64, seconds from the
            clip's start. M is 0 where nothing can be decoded.
        """
        ...


@dataclass(frozen=True)
class Footage:
    """A clip, as shot detectors see it.

    Attributes:
        samples: (N, H, W) uint8, N >= 2.
        times: (N,) float64, seconds, ascending.
        unlike: (N,) how unlike each sample is to the one before, once aligned: `dissimilarity`; 0 for the
            first, and where most points go on, so that both show the same scene.
        estimate: Optical flow.
        look: Shows all frames; None if there are only the samples.
    """

    samples: np.ndarray
    times: np.ndarray
    unlike: np.ndarray
    estimate: FlowEstimator
    look: Look | None = None

    def frames(self, longer: int) -> Iterator[tuple[np.ndarray, float]]:
        """Yield all frames (H, W, 3) uint8 RGB and their times, seconds; without a look, the samples.

        Args:
            longer: Longer side of the frames, pixels.
        """
        if self.look is None:
            for sample, time in zip(self.samples, self.times, strict=True):
                yield np.repeat(sample[..., None], 3, axis=2), float(time)
            return
        ends = np.append(np.arange(self.times[0], self.times[-1], STRETCH_S), self.times[-1] + LAST_S)
        for start, end in pairwise(ends.tolist()):
            for frames, times in self.look([(start, end)], longer, True):
                yield from zip(frames, times.tolist(), strict=True)

    def starting(self, starts_s: Iterable[float]) -> list[int]:
        """Return the first sample of each shot, other than the clip's first.

        Args:
            starts_s: When shots start, seconds.
        """
        first = {int(np.searchsorted(self.times, start - 1e-6)) for start in starts_s}
        return sorted(first - {0, len(self.times)})


class ShotDetector(Protocol):
    """Finds where shots begin."""

    def __call__(self, footage: Footage) -> list[int]:
        """Return the indices of the samples that start a new shot, ascending; the first sample is none."""
        ...


class ShotBackend(BaseModel):
    """The settings of a detector: subclass it in a file of this folder, with the name in `backend`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: str = ""

    @abstractmethod
    def build(self) -> ShotDetector:
        """Build the detector; heavy packages are imported here."""

    def requirements(self) -> Iterable[Requirement]:
        """Return what `build` requires, for `motionsight doctor` to check."""
        return ()
