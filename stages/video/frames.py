"""Frames of a clip: opened safely, decoded once, in the sizes that the stages need."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import av
import av.error
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ClipError, reason
from pipeline.identity import OPERATIONAL
from stages.video.decord_reader import DecordReader
from stages.video.pixels import Orientation, luma, rgb
from stages.video.pyav_reader import PyavReader
from stages.video.source import Source, locate

EXACT_MIN = 0.9  # of the wanted frames: a clip that loses more of them is damaged


class DecodeConfig(BaseModel):
    """How clips are decoded for scoring."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["pyav", "decord"] = Field(
        "pyav", description="decord is slower, cannot read AV1, and crashes on some damaged files"
    )
    fps: float = Field(8.0, gt=0, le=60, description="samples per second for the motion statistics")
    size: int = Field(256, ge=64, le=1024, description="longer side of the samples, pixels")
    frames: Literal["all", "reference"] = Field(
        "all",
        description="'reference' decodes only frames that others refer to: faster, but coarser in time; with"
        " quality.metric=null it also skips deblocking",
    )
    max_samples: int = Field(
        1200, ge=16, description="most samples per clip; longer clips are sampled at a lower rate than fps"
    )
    threads: Annotated[int, OPERATIONAL] = Field(
        1, ge=0, description="decoder threads per worker; 0: as many as cores"
    )


@dataclass(frozen=True)
class Wanted:
    """Pictures to take from a decode pass.

    Attributes:
        indices: The frames, ascending indices into `Probe.times`.
        size: Width and height, pixels.
        colour: RGB if true, else brightness.
    """

    indices: Sequence[int] | np.ndarray
    size: tuple[int, int]
    colour: bool


@dataclass(frozen=True)
class Taken:
    """Pictures from a decode pass.

    Attributes:
        pictures: (N, H, W) or (N, H, W, 3) uint8, one for each index wanted.
        indices: (N,) int, the frame that each picture shows, ascending.
    """

    pictures: np.ndarray
    indices: np.ndarray


class Reader(Protocol):
    """Decodes the frames of one clip.

    Attributes:
        orientation: How the frames must be turned.
    """

    orientation: Orientation

    def frames(self, needed: Set[int], threads: int, reference: bool) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield frames with their ascending indices in the clip, the needed ones among them.

        Args:
            needed: Indices of the frames that must come, as far as they can be decoded; others may.
            threads: Decoder threads; 0: as many as cores.
            reference: Needed frames that no other frame refers to may be left out.
        """
        ...


class _Collector:
    """Collects the pictures of one `Wanted`."""

    def __init__(self, wanted: Wanted, orientation: Orientation) -> None:
        width, height = wanted.size
        shape = (len(wanted.indices), height, width, *((3,) if wanted.colour else ()))
        self._wanted, self._orientation = wanted, orientation
        self._pictures = np.empty(shape, np.uint8)
        self._indices: list[int] = []

    def take(self, index: int, frame: av.VideoFrame) -> None:
        """Add a frame; one that stands for two wanted frames is converted once."""
        count = len(self._indices)
        if count and self._indices[-1] == index:
            self._pictures[count] = self._pictures[count - 1]
        else:
            convert = rgb if self._wanted.colour else luma
            self._pictures[count] = convert(frame, self._wanted.size, self._orientation)
        self._indices.append(index)

    def taken(self) -> Taken:
        return Taken(self._pictures, np.array(self._indices))


class Clip:
    """A clip, opened and probed; everything wanted of it is taken from a single decode pass.

    Attributes:
        source: The video file.
        probe: The clip's properties.
        timeline: When its frames are shown, by the clock of its file.
    """

    def __init__(
        self,
        video: str | Source,
        start_s: float | None = None,
        end_s: float | None = None,
        rough: bool = False,
    ) -> None:
        """Open and probe a clip.

        Args:
            video: The video file: its URI, or the `source` of another clip of it.
            start_s: Where the clip starts, seconds from the first frame of the file; None: there.
            end_s: Where the clip ends (exclusive); None: at the end of the file.
            rough: Skip deblocking, a fifth of the decoding time; PyAV only.

        Raises:
            ClipError: missing_file, not_a_video, no_video_stream, decode_error or too_few_frames.
        """
        try:
            part = start_s is not None or end_s is not None
            self.source = locate(video, part) if isinstance(video, str) else video
        except (OSError, KeyError) as error:
            raise ClipError("missing_file", f"cannot read {video!r}: {reason(error)}") from error
        self._opened = PyavReader(self.source, start_s, end_s, rough)
        self.probe, self.timeline = self._opened.probe, self._opened.timeline

    def read(self, wanted: Sequence[Wanted], config: DecodeConfig) -> list[Taken]:
        """Decode up to the last frame wanted; a clip can be read once.

        A frame that is missing, be it lost to damage or skipped as no reference frame, is replaced by the
        nearest one in time.

        Args:
            wanted: What to take.
            config: `backend`, `frames` and `threads` apply.

        Returns:
            What was taken, one for each of `wanted`.

        Raises:
            ClipError: decode_error when more than a tenth of the wanted frames are lost.
            CallError: The backend is not installed.
        """
        times: list[float] = self.probe.times.tolist()
        queue = sorted((int(index), which) for which, want in enumerate(wanted) for index in want.indices)
        reader = self._reader(config)
        collectors = [_Collector(want, reader.orientation) for want in wanted]
        needed = {index for index, _ in queue}
        done, exact, fault = 0, 0, ""
        held: tuple[int, av.VideoFrame] | None = None
        try:
            for index, frame in reader.frames(needed, config.threads, config.frames == "reference"):
                while done < len(queue) and queue[done][0] <= index:
                    asked, which = queue[done]
                    late = times[index] - times[asked]
                    near = held and times[asked] - times[held[0]] <= late
                    collectors[which].take(*(held if held and near else (index, frame)))
                    exact += index == asked
                    done += 1
                held = index, frame
                if done == len(queue):
                    break
        except (av.error.FFmpegError, ValueError) as error:  # of decoding, and of converting a frame
            fault = f" ({reason(error)})"
        finally:
            self._opened.close()
        if not held or (config.frames == "all" and exact < EXACT_MIN * len(queue)):
            why = fault or self._opened.fault
            raise ClipError("decode_error", f"only {exact} of {len(queue)} frames could be decoded{why}")
        for _, which in queue[done:]:
            collectors[which].take(*held)
        return [collector.taken() for collector in collectors]

    def frames(self, size: tuple[int, int]) -> Iterator[tuple[np.ndarray, float]]:
        """Decode all frames, one after another, instead of `read`.

        Args:
            size: Width and height of the pictures, pixels.

        Yields:
            (H, W, 3) uint8 RGB, and the time at which it is shown, seconds from the clip's start.

        Raises:
            av.error.FFmpegError: The file is damaged.
            ValueError: Its frames cannot be converted.
        """
        times = self.probe.times
        try:
            for index, frame in self._opened.frames(range(len(times)), 1, False):
                yield rgb(frame, size, self._opened.orientation), float(times[index])
        finally:
            self._opened.close()

    def _reader(self, config: DecodeConfig) -> Reader:
        if config.backend == "decord" and self._opened.plain:
            return DecordReader(self.source, self._opened.timeline)
        return self._opened
