"""The bytes of a video: a local path, an fsspec URL, or a member of a tar (`a.tar::b.mp4`)."""

import functools
import io
import itertools
import math
import re
import tarfile
from typing import Any

import av
from fsspec.core import url_to_fs
from fsspec.implementations.arrow import ArrowFSWrapper
from fsspec.implementations.local import LocalFileSystem

from pipeline.errors import RunError
from pipeline.workspace import store

MEMBER = re.compile(r"(?P<tar>.+\.tar)::(?P<member>.+)", re.DOTALL)
URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
STORE = re.compile(r"(s3|gs)://", re.IGNORECASE)
# How pyarrow says that the store, and not the object, is at fault; its errors carry no codes.
STORE_DOWN = re.compile(
    r"AWS Error (NETWORK_CONNECTION|SERVICE_UNAVAILABLE|SLOW_DOWN|INTERNAL_FAILURE|REQUEST_TIMEOUT)"
    r"|Status\(UNAVAILABLE|token has expired"
)
SUFFIX = re.compile(r"\.([A-Za-z0-9]{1,5})$")


def is_local(uri: str) -> bool:
    """Check whether a URI is the path of a plain local file, which can be opened in place."""
    return not (URL.match(uri) or MEMBER.fullmatch(uri))


def suffix(uri: str) -> str:
    """Return the file name extension in lower case without its dot; "mp4" when there is none."""
    path = uri.split("?")[0] if URL.match(uri) else uri
    found = SUFFIX.search(path)
    return found[1].lower() if found else "mp4"


def read_bytes(uri: str) -> bytes:
    """Read a whole file or tar member.

    Raises:
        FileNotFoundError: The file or the member does not exist; the message names it.
        OSError: Any other failure of this file: a folder, missing permission, a damaged tar, a refusing
            server, or no package for the URL's protocol.
        RunError: An object store cannot be reached, which is not the clip's fault.
    """
    try:
        return _read(uri)
    except OSError as error:
        if STORE.match(uri) and STORE_DOWN.search(str(error)):
            raise RunError(f"cannot reach the store of {uri}: {' '.join(str(error).split())}") from error
        raise
    except Exception as error:  # every remote file system has its own exceptions
        raise OSError(f"cannot read {uri}: {error}") from error


def _read(uri: str) -> bytes:
    member = MEMBER.fullmatch(uri)
    whole = member["tar"] if member else uri
    fs, path = filesystem(whole)
    try:
        if not member:
            return fs.cat_file(path)
        span = _members(whole, fs.ukey(path)).get(member["member"])
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no such file: {whole}") from error
    if span is None:
        raise FileNotFoundError(f"{whole} has no member {member['member']!r}")
    # Not cat_file: in fsspec's wrapper of Arrow it ignores the range as late as 2026.2.
    with fs.open(path, "rb", cache_type="none") as file:
        file.seek(span[0])
        return file.read(span[1] - span[0])


def filesystem(location: str) -> tuple[Any, str]:
    """Resolve a path or URL.

    Returns:
        The fsspec file system, and the path in it.

    Raises:
        OSError: The file system cannot be reached.
        ValueError: The protocol is unknown.
        ImportError: A package for the protocol is missing.
    """
    if STORE.match(location):
        bucket, slash, key = location.partition("://")[2].partition("/")
        return _bucket(f"{location.partition('://')[0]}://{bucket}"), bucket + slash + key
    # A local path may contain "::" or "*", which fsspec's own parsing would interpret.
    return (LocalFileSystem(), location) if is_local(location) else url_to_fs(location)


@functools.cache
def _bucket(uri: str) -> ArrowFSWrapper:
    """Access to an object store through the same client and credentials as the workspace's."""
    return ArrowFSWrapper(store(uri)[0])


@functools.lru_cache(maxsize=64)
def _members(tar: str, version: str) -> dict[str, tuple[int, int]]:
    """Byte range (start, end) of every file in a tar; a new `version` invalidates the cached ranges."""
    fs, path = filesystem(tar)
    with fs.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
        return {m.name: (m.offset_data, m.offset_data + m.size) for m in archive if m.isfile()}


def video_stream(container: Any) -> Any | None:
    """Return the first video stream of an open PyAV container, cover pictures aside; None without one."""
    streams = (s for s in container.streams.video if not s.disposition & s.disposition.attached_pic)
    return next(streams, None)


def cut(uri: str, start_s: float | None, end_s: float | None) -> bytes:
    """Cut the shot [start_s, end_s) from a video without re-encoding it, and without sound.

    Copying can only begin at a keyframe: the frames from there to start_s are in the file, and an edit list
    makes players skip them. The end is at most the codec's reordering (a few frames) early, never late, so
    that no frame of the next shot is shown.

    Args:
        uri: The video file.
        start_s: Seconds from its first frame; None: there.
        end_s: Seconds from its first frame; None: at its end.

    Returns:
        An MP4 file.

    Raises:
        OSError: As by `read_bytes`.
        av.error.FFmpegError: The file is not a video, or MP4 cannot hold its codec.
        ValueError: The shot is empty, or its frames have no timestamps.
    """
    out = io.BytesIO()
    source: Any
    # "file:" keeps FFmpeg from reading a name such as "a:b.mp4" as a protocol.
    file = f"file:{uri}" if is_local(uri) else io.BytesIO(read_bytes(uri))
    with av.open(file) as source, av.open(out, "w", format="mp4") as target:
        stream = video_stream(source)
        if stream is None:
            raise ValueError("no video stream")
        copy = target.add_stream_from_template(stream)
        first = stream.start_time or 0
        start = first + round((start_s or 0) / stream.time_base)
        end = math.inf if end_s is None else first + round(end_s / stream.time_base)
        source.seek(start, stream=stream, backward=True)
        pictures = (packet for packet in source.demux(stream) if packet.size)
        shot = list(itertools.takewhile(lambda packet: packet.pts is None or packet.pts < end, pictures))
        if any(packet.pts is None for packet in shot):
            raise ValueError("its frames have no timestamps")
        if not any(packet.pts >= start for packet in shot):
            raise ValueError(f"no frame between {start_s} s and {end_s} s")
        # Matroska stores no decoding times: take the presentation times in order, shifted early enough for
        # every picture.
        shown = sorted(packet.pts for packet in shot)
        early = max(at - packet.pts for at, packet in zip(shown, shot, strict=True))
        for at, packet in zip(shown, shot, strict=True):
            packet.pts -= start
            packet.dts = at - early - start
            packet.stream = copy
            target.mux(packet)
    return out.getvalue()
