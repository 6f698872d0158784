"""Where a video's bytes are, in a form that FFmpeg reads, and when its frames are shown."""

import hashlib
import io
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import av.error
import numpy as np

from pipeline import scratch
from pipeline.errors import ClipError, reason
from stages.video.clock import FrameTimes, frame_times
from stages.video.container import open_video
from stages.video.media import MEMBER, PIECE, fetch, is_local, read_bytes, resolve, version

LARGE = 1 << 25  # bytes; of a larger video, one process reads the times of the frames for all of its node
KEPT = 8  # videos whose frames' times a process remembers; an hour at 30 fps takes 0.9 MB


class Source:
    """A video's bytes: a local file, a part of one, or in memory.

    Attributes:
        uri: The video file.
        size: In bytes.
        path: Path of the local file that holds it, and nothing else; None if there is none.
    """

    def __init__(self, uri: str, file: str | bytes, key: str, size: int, start: int | None = None) -> None:
        """Refer to bytes that can be read without a network.

        Args:
            uri: The video file.
            file: A local file; or the bytes themselves.
            key: Identifies the content: another version of the video has another; "" if that is unknown.
            size: The number of bytes.
            start: Where they start in the file; None: they are the whole file.
        """
        self.uri, self.size = uri, size
        self.path = file if isinstance(file, str) and start is None else None
        self._file, self._key, self._start = file, key, start
        self._times: FrameTimes | None = None
        self._digest: str | None = None

    def open(self) -> Any:
        """Open it with PyAV.

        Raises:
            av.error.FFmpegError: It is not a video.
            ValueError: It is not a video.
        """
        if isinstance(self._file, bytes):
            return open_video(io.BytesIO(self._file))
        place = f"file:{self._file}"
        if self._start is None:
            return open_video(place)
        return open_video(f"subfile,,start,{self._start},end,{self._start + self.size},,:{place}")

    def sha256(self) -> str:
        """Compute the checksum of the bytes, once, as hex digits. Raises OSError."""
        if self._digest is None:
            self._digest = self._hash()
        return self._digest

    def _hash(self) -> str:
        if isinstance(self._file, bytes):
            return hashlib.sha256(self._file).hexdigest()
        found, left = hashlib.sha256(), self.size
        with open(self._file, "rb") as file:
            file.seek(self._start or 0)
            while piece := file.read(min(left, PIECE)):
                found.update(piece)
                left -= len(piece)
        return found.hexdigest()

    def frame_times(self) -> FrameTimes:
        """Return when its frames are shown; all packets are read for that, but once only.

        Raises:
            ClipError: not_a_video, no_video_stream; decode_error for a file that is damaged or cut off.
        """
        if self._times is None:
            try:
                shared = self._shared() if self._key and self.size > LARGE else None
                self._times = shared or frame_times(self.open)
            except (av.error.FFmpegError, ValueError) as error:
                raise ClipError("decode_error", f"the file is damaged ({reason(error)})") from error
        return self._times

    def _shared(self) -> FrameTimes | None:
        """The times that a process of this node has measured; None if they cannot be shared."""

        def write(path: Path) -> None:
            found = frame_times(self.open)
            zero_s = np.nan if found.zero_s is None else found.zero_s
            with path.open("wb") as file:
                np.savez(file, times=found.times, ends=[found.end_s, zero_s], repair=found.repair)

        path = scratch.shared(f"frame times of {self._key}", 0, write)
        if path is None:
            return None
        try:
            with np.load(path) as file:
                times, (end_s, zero_s), repair = file["times"], file["ends"].tolist(), str(file["repair"])
        except (OSError, ValueError):  # removed in the meantime, to make room
            return None
        return FrameTimes(times, end_s, None if np.isnan(zero_s) else zero_s, repair)


def locate(uri: str, part: bool = False) -> Source:
    """Find a video, and fetch it if it is remote.

    Of a remote video whose parts are wanted, all processes of this node share one copy on disk, as long as it
    stays the same version. Any other is fetched into memory.

    Args:
        uri: A path, a URL, or the member of a tar (`a.tar::b.mp4`).
        part: Whether other parts of the same video will probably be wanted, too.

    Raises:
        OSError: As by `read_bytes`.
        RunError: An object store cannot be reached.
    """
    if is_local(uri):
        found = Path(resolve(uri)[1]).stat()
        return _known(uri, uri, _mark(found), found.st_size)
    member = MEMBER.fullmatch(uri)
    if member and is_local(member["tar"]):
        _, tar, span = resolve(uri)
        start, end = span or (0, 0)
        return _known(uri, tar, _mark(Path(tar).stat()), end - start, start)
    mark, size = version(uri) if part else (None, 0)
    if mark:
        with suppress(_ChangedError):
            if path := scratch.shared(f"{uri}\n{mark}", size, lambda target: _fetch(uri, mark, target)):
                return _known(uri, str(path), mark, path.stat().st_size)
    data = read_bytes(uri)
    return Source(uri, data, "", len(data))


def modified(uri: str) -> str | None:
    """Return what changes whenever a local file is written, or the tar that it is in: its size, and when.

    Returns:
        Bytes, and nanoseconds since 1970; None for a remote file, and for one that cannot be read.
    """
    member = MEMBER.fullmatch(uri)
    path = member["tar"] if member else uri
    if not is_local(path):
        return None
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return f"{stat.st_size} {stat.st_mtime_ns}"


@lru_cache(KEPT)
def _known(uri: str, file: str, mark: str, size: int, start: int | None = None) -> Source:
    """The same object for the same content, so that the times of its frames are read once."""
    return Source(uri, file, f"{uri}\n{mark}", size, start)


class _ChangedError(Exception):
    """A video was replaced while it was being fetched."""


def _fetch(uri: str, mark: str, target: Path) -> None:
    fetch(uri, target)
    if version(uri)[0] != mark:
        raise _ChangedError


def _mark(stat: os.stat_result) -> str:
    """What tells this version of a local file from others."""
    return f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"
