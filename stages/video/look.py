"""A closer look at parts of a clip: all of their frames, decoded again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ClipError
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.pixels import fitted
from stages.video.source import Source


@dataclass(frozen=True)
class CloserLook:
    """A `Look` into a video file.

    Attributes:
        video: The video file: its URI, or the `source` of a clip of it.
        start_s: Where the clip starts, seconds from the first frame of the file; None: there.
        end_s: Where the clip ends (exclusive); None: at the end of the file.
        threads: Decoder threads.
    """

    video: str | Source
    start_s: float | None
    end_s: float | None
    threads: int

    def __call__(
        self, parts: Sequence[tuple[float, float]], longer: int, colour: bool
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the frames of some parts, from a single decoding pass; see `Look`."""
        zero = self.start_s or 0.0
        start = parts[0][0]
        until = min(zero + parts[-1][1], np.inf if self.end_s is None else self.end_s)
        try:
            clip = Clip(self.video, zero + start, until)
            times = start + clip.probe.times
            size = fitted(clip.probe.width, clip.probe.height, longer)
            inside = [np.flatnonzero((times >= a - 1e-6) & (times < b - 1e-6)) for a, b in parts]
            wanted = [Wanted(indices, size, colour) for indices in inside]
            pictures = clip.read(wanted, DecodeConfig(threads=self.threads))
        except ClipError:  # of a part: the clip as a whole can be decoded
            nothing = np.empty((0, 0, 0, 3) if colour else (0, 0, 0), np.uint8), np.empty(0)
            return [nothing] * len(parts)
        return [(taken.pictures, times[taken.indices]) for taken in pictures]
