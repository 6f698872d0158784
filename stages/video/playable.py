"""Clips that browsers can play: the file itself where that works, else H.264 in MP4."""

from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import av

from pipeline.errors import ClipError, reason
from pipeline.isolation import Isolated, Limits
from stages.video.container import open_stream
from stages.video.encode import encode
from stages.video.frames import Clip
from stages.video.media import is_local, read_bytes

# What browsers play: codecs by FFmpeg's name of the container, in 8 bits and 4:2:0.
PLAYED = {"mp4": ("h264", "vp9", "av1"), "webm": ("vp8", "vp9", "av1")}
PIXELS = ("yuv420p", "yuvj420p")
LONGER_SIDE = 1280  # pixels, at most, of a video that is re-encoded: enough to judge motion by
AT_ONCE = 2  # clips that are re-encoded: while one is, others can be looked at
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
            opened = Clip(file, clip["start_s"], clip["end_s"])
            kind = None if _is_part(clip) or opened.probe.clock_repair else _played(opened)
            if not kind:
                encode(opened, target, LONGER_SIDE)
        except FileNotFoundError as error:
            raise ClipError("missing_file", reason(error)) from error
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise ClipError("not_a_video", f"cannot be read or decoded: {reason(error)}") from error
        if not kind and file != clip["uri"]:
            Path(file).unlink()
        return (file, f"video/{kind}") if kind else (target, "video/mp4")


def _is_part(clip: Mapping[str, Any]) -> bool:
    return clip["start_s"] is not None or clip["end_s"] is not None


def _played(clip: Clip) -> str | None:
    """The container, mp4 or webm, if browsers play the file as it is; else None."""
    with clip.source.open() as container:
        stream = open_stream(container)
        codec, pixels = stream.codec.canonical_name, stream.codec_context.pix_fmt
        kinds = [kind for kind in PLAYED if kind in container.format.name]
    return next((kind for kind in kinds if codec in PLAYED[kind] and pixels in PIXELS), None)


class Videos:
    """The playable files of a workspace's clips; each is made once, and nothing else is given out."""

    def __init__(self, clips: Mapping[str, Mapping[str, Any]], folder: str, most: int | None = None) -> None:
        """Start the child processes.

        Args:
            clips: By clip_id, rows with clip_id, uri, start_s, end_s.
            folder: For what has to be fetched or re-encoded.
            most: How many files are kept in it, those watched last; None: all.
        """
        self._clips, self._folder, self._most = clips, folder, most
        self._made = OrderedDict[str, Future[tuple[str, str]]]()  # also those that are being made
        self._children = [Isolated(partial(Playable, folder), LIMITS, [__name__]) for _ in range(AT_ONCE)]
        self._free = SimpleQueue[Isolated]()
        for child in self._children:
            self._free.put(child)
        self._threads = ThreadPoolExecutor(AT_ONCE)

    def close(self) -> None:
        """End the child processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self._children:
            child.interrupt()
        self._threads.shutdown()
        for child in self._children:
            child.close()

    def get(self, clip_id: str) -> Future[tuple[str, str]]:
        """Begin to make the playable file of a clip, unless that has been done. For use by one thread.

        Args:
            clip_id: The clip.

        Returns:
            The path of the file, and its media type; a ClipError if the clip cannot be read or decoded, a
            RunError if the store of the clips cannot be reached.

        Raises:
            KeyError: There is no such clip.
        """
        clip, made = self._clips[clip_id], self._made.get(clip_id)
        if made is None or (made.done() and made.exception()):  # what failed may pass
            made = self._made[clip_id] = self._threads.submit(self._make, clip)
            self._forget()
        self._made.move_to_end(clip_id)
        return made

    def _forget(self) -> None:
        """Delete the files that were not watched for the longest time, if there are too many."""
        if self._most is None:
            return
        ended = [clip_id for clip_id, made in self._made.items() if made.done()]
        for clip_id in ended[: max(0, len(self._made) - self._most)]:
            made = self._made.pop(clip_id)
            if not made.exception() and Path(made.result()[0]).parent == Path(self._folder):
                Path(made.result()[0]).unlink(missing_ok=True)

    def _make(self, clip: Mapping[str, Any]) -> tuple[str, str]:
        child = self._free.get()
        try:
            found: tuple[str, str] = child(clip)
            return found
        finally:
            self._free.put(child)
