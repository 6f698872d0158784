"""Frames by PyAV (FFmpeg), in one pass."""

import bisect
from collections.abc import Container, Iterator
from itertools import chain
from typing import Any

import av
import av.error

from pipeline.errors import ClipError, reason
from stages.video.container import DAMAGED, open_stream, orientation, pictures, pixel_shape, seek_before
from stages.video.probe import Probe
from stages.video.source import Source


class PyavReader:
    """Reads a clip with PyAV. Opening it probes the clip; the frame decoded for that is not decoded again.

    Attributes:
        probe: The clip's properties.
        timeline: When its frames are shown.
        orientation: How frames must be turned.
        plain: Whether any reader would take the same frames for it: those of the only video stream, counted
            by their timestamps, not mirrored.
    """

    def __init__(self, source: Source, start_s: float | None, end_s: float | None, rough: bool) -> None:
        """Open and probe a clip.

        Args:
            source: The video file.
            start_s: Where the clip starts, seconds from the first frame of the file; None: there.
            end_s: Where the clip ends (exclusive); None: at the end of the file.
            rough: Skip deblocking, a fifth of the decoding time.

        Raises:
            ClipError: not_a_video, no_video_stream, decode_error or too_few_frames.
        """
        self._source, self._rough = source, rough
        self._needed: Container[int] | None = None
        self._fault = ""
        self._decoded = self._open(threads=1)
        self.timeline = line = source.frame_times().part(start_s, end_s)
        self._times: list[float] = line.times.tolist()
        self._tolerance = 0.5 * line.duration_s / len(self._times)
        context = self._stream.codec_context
        if not context.width or not context.height:
            raise ClipError("decode_error", "the video stream has no picture size")
        try:
            first = next(self._decoded, None)
        except av.error.FFmpegError as error:
            why = f"the first frame cannot be decoded ({reason(error)})"
            raise ClipError("decode_error", why) from error
        if first is None:
            raise ClipError("decode_error", f"no frame can be decoded{self.fault}")
        self._decoded = chain([first], self._decoded)
        self.orientation = turn = orientation(first)
        only = len(self._container.streams.video) == 1
        self.plain = only and line.zero_s is not None and turn.transposed == (turn.mirrored != turn.flipped)
        size = turn.turned(round(first.width * pixel_shape(self._stream)), first.height)
        fps = len(line.times) / line.duration_s
        self.probe = Probe(*size, fps, line.duration_s, context.name, line.times, line.repair)

    def frames(
        self, needed: Container[int], threads: int, reference: bool
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decode from the clip's start; a reader goes through its clip once.

        Args:
            needed: Indices of the frames that must come; others come where other frames refer to them.
            threads: Decoder threads; 0: as many as cores.
            reference: Decode only frames that other frames refer to, needed or not.

        Yields:
            The index in `timeline.times`, ascending, and the frame.
        """
        self._needed = () if reference else needed
        if threads != 1:
            self.close()
            self._decoded = self._open(threads)
        line = self.timeline
        if line.start_s and line.zero_s is not None:
            first = round((line.zero_s + line.start_s + self._times[0]) / self._stream.time_base)
            if not seek_before(self._container, self._stream, first):
                self.close()
                self._decoded = self._open(threads)
        for count, frame in enumerate(self._decoded):
            index = count - line.before if line.zero_s is None else self._index(frame.pts)
            if index is not None and 0 <= index < len(self._times):
                yield index, frame

    @property
    def fault(self) -> str:
        """What the decoder last complained of, in parentheses; empty if of nothing."""
        return f" ({self._fault})" if self._fault else ""

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _open(self, threads: int) -> Iterator[Any]:
        """Open the file for a decoder with so many threads; returns the frames that it will give."""
        if not self._source.size:
            raise ClipError("not_a_video", "the file is empty")
        try:
            self._container = self._source.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise ClipError("not_a_video", f"not a readable video file ({reason(error)})") from error
        self._stream = open_stream(self._container)
        self._tick = self._stream.time_base
        self._stream.thread_count = threads
        if self._rough:
            self._stream.codec_context.options = {"skip_loop_filter": "all"}
        if threads != 1:
            self._stream.thread_type = "AUTO"
        return self._decode()

    def _decode(self) -> Iterator[Any]:
        """Frames in order, without decoding those that are neither needed nor referred to."""
        context, skips = self._stream.codec_context, "DEFAULT"
        for packet in pictures(self._container, self._stream):
            index = None if self._needed is None else self._index(packet.pts)
            whole = self._needed is None or index is None or index in self._needed
            if skips != (skip := "DEFAULT" if whole else "NONREF"):
                context.skip_frame = skips = skip
            try:
                yield from packet.decode()
            except DAMAGED as error:  # a damaged packet costs its own frames alone
                self._fault = reason(error)

    def _index(self, pts: int | None) -> int | None:
        """The clip's frame that is shown at a timestamp of the stream; None: none, or unknown."""
        zero_s = self.timeline.zero_s
        if pts is None or zero_s is None:
            return None
        # The quotient of integers is rounded as the fraction would be, at a tenth of its price.
        at = pts * self._tick.numerator / self._tick.denominator - zero_s - self.timeline.start_s
        times = self._times
        right = min(max(bisect.bisect_left(times, at), 1), len(times) - 1)
        index = right if abs(times[right] - at) < abs(times[right - 1] - at) else right - 1
        return index if abs(times[index] - at) < self._tolerance else None
