"""Frames by PyAV (FFmpeg), in one pass."""

import bisect
from collections.abc import Container, Iterator
from itertools import chain
from typing import Any

import av
import av.error

from pipeline.errors import ClipError, reason
from stages.video.probe import Probe, open_stream
from stages.video.source import Source

BACK_S = (0.0, 2.0, 8.0, 32.0)  # before a clip's start: where a keyframe is looked for


class PyavReader:
    """Reads a clip with PyAV. Opening it probes the clip; the frame decoded for that is not decoded again.

    Attributes:
        probe: The clip's properties.
        timeline: When its frames are shown.
        rotation: Degrees counterclockwise by which frames must be turned.
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
        self._decoded = self._open(threads=1)
        self.timeline = source.frame_times(self._container, self._stream).part(start_s, end_s)
        self._times: list[float] = self.timeline.times.tolist()
        self._tolerance = 0.5 * self.timeline.duration_s / len(self._times)
        context = self._stream.codec_context
        if context is None or not context.width or not context.height:
            raise ClipError("decode_error", "the video stream has no picture size")
        self._container.seek(0)
        try:
            first = next(self._decoded, None)
        except av.error.FFmpegError as error:
            why = f"the first frame cannot be decoded ({reason(error)})"
            raise ClipError("decode_error", why) from error
        if first is None:
            raise ClipError("decode_error", "no frame can be decoded")
        self._decoded = chain([first], self._decoded)
        self.rotation = round(first.rotation) % 360
        width, height = first.width, first.height
        if self.rotation % 180:
            width, height = height, width
        times, duration_s = self.timeline.times, self.timeline.duration_s
        fps = len(times) / duration_s
        self.probe = Probe(width, height, fps, duration_s, context.name, self.rotation, times)

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
        if line.start_s and line.zero_s is not None and not self._found(line.start_s + line.zero_s):
            self.close()
            self._decoded = self._open(threads)
        for count, frame in enumerate(self._decoded):
            index = count - line.before if line.zero_s is None else self._index(frame.pts)
            if index is not None and 0 <= index < len(self._times):
                yield index, frame

    def _found(self, start_s: float) -> bool:
        """Go to a keyframe at or before the clip's first frame; False if none can be found by seeking.

        A container without an index, such as MPEG-TS, is searched for a time, and leads to just any packet.
        """
        tick = self._stream.time_base
        first = round((start_s + self._times[0]) / tick)
        for back_s in BACK_S:
            at = first - round(back_s / tick)
            try:
                self._container.seek(at, stream=self._stream)
                ahead = (packet for packet in self._container.demux(self._stream) if packet.size)
                seen = next(p for p in ahead if p.is_keyframe or (p.dts is not None and p.dts > first))
                if seen.is_keyframe and seen.pts is not None and seen.pts <= first:
                    self._container.seek(at, stream=self._stream)
                    return True
            except (StopIteration, av.error.FFmpegError):
                continue
        return False

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
        if self._rough and self._stream.codec_context is not None:
            self._stream.codec_context.options = {"skip_loop_filter": "all"}
        if threads != 1:
            self._stream.thread_type = "AUTO"
        return self._decode()

    def _decode(self) -> Iterator[Any]:
        """Frames in order, without decoding those that are neither needed nor referred to."""
        context, skips = self._stream.codec_context, "DEFAULT"
        for packet in self._container.demux(self._stream):
            index = None if self._needed is None else self._index(packet.pts)
            whole = self._needed is None or index is None or index in self._needed
            if skips != (skip := "DEFAULT" if whole else "NONREF"):
                context.skip_frame = skips = skip
            yield from packet.decode()

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
