"""Clips that browsers can play: the file itself where that works, else H.264 in MP4."""

import math
import threading
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av

from pipeline.errors import ClipError, reason
from pipeline.isolation import Isolated, Limits
from stages.video.media import is_local, read_bytes
from stages.video.pixels import fitted, rgb

# What browsers play: codecs by FFmpeg's name of the container, in 8 bits and 4:2:0.
PLAYED = {"mp4": ("h264", "vp9", "av1"), "webm": ("vp8", "vp9", "av1")}
PIXELS = ("yuv420p", "yuvj420p")
LONGER_SIDE = 1280  # pixels, at most, of a video that is re-encoded: enough to judge motion by
LIMITS = Limits(clip_timeout_s=120.0)


class Playable:
    """Finds or makes a file that browsers can play; in a child process, as it decodes."""

    def __init__(self, folder: str) -> None:
        """Remember where to put files.

        Args:
            folder: For what has to be fetched or re-encoded.
        """
        self._folder = folder

    def __call__(self, clip: Mapping[str, Any]) -> tuple[str, str]:
        """Make the clip playable.

        Args:
            clip: clip_id, uri, start_s, end_s.

        Returns:
            The path of the file, and its media type.

        Raises:
            ClipError: missing_file, not_a_video, no_video_stream or decode_error.
        """
        file, target = clip["uri"], f"{self._folder}/{clip['clip_id']}.mp4"
        try:
            if not is_local(file):
                data = read_bytes(file)
                file = f"{self._folder}/{clip['clip_id']}"
                Path(file).write_bytes(data)
            part = clip["start_s"], clip["end_s"]
            kind = _played(file) if part == (None, None) else None
            if not kind:
                _encode(file, target, *part)
        except FileNotFoundError as error:
            raise ClipError("missing_file", reason(error)) from error
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise ClipError("not_a_video", f"cannot be read or decoded: {reason(error)}") from error
        if not kind and file != clip["uri"]:
            Path(file).unlink()
        return (file, f"video/{kind}") if kind else (target, "video/mp4")


def _stream(container: Any) -> Any:
    for stream in container.streams.video:
        if not stream.disposition & stream.disposition.attached_pic:
            return stream
    raise ClipError("no_video_stream")


def _played(file: str) -> str | None:
    """The container, mp4 or webm, if browsers play the file as it is; else None."""
    with av.open(f"file:{file}") as container:
        stream = _stream(container)
        codec, pixels = stream.codec.canonical_name, stream.codec_context.pix_fmt
        kinds = [kind for kind in PLAYED if kind in container.format.name]
    return next((kind for kind in kinds if codec in PLAYED[kind] and pixels in PIXELS), None)


def _encode(file: str, target: str, start_s: float | None, end_s: float | None) -> None:
    """Write the frames in [start_s, end_s) as H.264 in MP4: upright, without sound, timed as they were.

    start_s and end_s are seconds from the first frame; None stands for the start or the end of the video.
    Raises ClipError decode_error when no frame can be decoded.
    """
    with av.open(f"file:{file}") as source, av.open(target, "w", options={"movflags": "faststart"}) as out:
        stream = _stream(source)
        stream.thread_type = "AUTO"
        rate = stream.average_rate or Fraction(25)
        first = stream.start_time or 0
        start = first + round((start_s or 0) / stream.time_base)
        end = math.inf if end_s is None else first + round(end_s / stream.time_base)
        if start_s:
            source.seek(start, stream=stream)
        coded: Any = None
        for count, frame in enumerate(source.decode(stream)):
            at = first + round(count / rate / stream.time_base) if frame.pts is None else frame.pts
            if at >= end:
                break
            if at < start:
                continue
            if coded is None:
                rotation = round(frame.rotation) % 360
                shown = (frame.width, frame.height) if rotation % 180 == 0 else (frame.height, frame.width)
                size = fitted(*shown, min(LONGER_SIDE, max(shown)))
                coded = out.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
                coded.width, coded.height = (side // 2 * 2 for side in size)
                coded.pix_fmt = "yuv420p"
                coded.codec_context.time_base = stream.time_base
            picture = av.VideoFrame.from_ndarray(rgb(frame, (coded.width, coded.height), rotation))
            picture.pts, picture.time_base = at - start, stream.time_base
            out.mux(coded.encode(picture))
        if coded is None:
            raise ClipError("decode_error", "none of its frames can be decoded")
        out.mux(coded.encode(None))


class Videos:
    """The playable files of a workspace's clips; each is made once, and nothing else is given out."""

    def __init__(self, clips: Mapping[str, Mapping[str, Any]], folder: str) -> None:
        """Start the child process.

        Args:
            clips: By clip_id, rows with clip_id, uri, start_s, end_s.
            folder: For what has to be fetched or re-encoded.
        """
        self._clips = clips
        self._made: dict[str, tuple[str, str]] = {}
        self._busy = threading.Lock()
        self._playable = Isolated(partial(Playable, folder), LIMITS, ["stages.review.videos"])

    def close(self) -> None:
        """End the child process."""
        self._playable.close()

    def get(self, clip_id: str) -> tuple[str, str]:
        """Get the playable file of a clip.

        Args:
            clip_id: The clip.

        Returns:
            The path of the file, and its media type.

        Raises:
            KeyError: There is no such clip.
            ClipError: The clip cannot be read or decoded.
            RunError: The store of the clips cannot be reached.
        """
        clip = self._clips[clip_id]
        with self._busy:
            if clip_id not in self._made:
                self._made[clip_id] = self._playable(clip)
            return self._made[clip_id]
