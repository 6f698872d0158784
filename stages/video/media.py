"""The bytes of a clip: a local path, an fsspec URL, or a member of a tar (`a.tar::b.mp4`)."""

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
# How pyarrow words it that the store, and not the object, is the trouble; its errors have no numbers.
STORE_DOWN = re.compile(
    r"AWS Error (NETWORK_CONNECTION|SERVICE_UNAVAILABLE|SLOW_DOWN|INTERNAL_FAILURE|REQUEST_TIMEOUT)"
    r"|Status\(UNAVAILABLE|token has expired"
)
SUFFIX = re.compile(r"\.([A-Za-z0-9]{1,5})$")


def is_local(uri: str) -> bool:
    """Whether the uri is the path of a file of its own on this machine, which can be opened in place."""
    return not (URL.match(uri) or MEMBER.fullmatch(uri))


def suffix(uri: str) -> str:
    """The lower-case file name extension without its dot; "mp4" when there is none to go by."""
    path = uri.split("?")[0] if URL.match(uri) else uri
    found = SUFFIX.search(path)
    return found[1].lower() if found else "mp4"


def read_bytes(uri: str) -> bytes:
    """The whole file or tar member.

    Raises FileNotFoundError that names what is not there, or another OSError: a folder, no permission, a
    damaged tar, a server that refuses, no package for the URL's protocol. Raises RunError when an object
    store cannot be reached: that is no fault of the clip's.
    """
    try:
        return _read(uri)
    except OSError as error:
        if STORE.match(uri) and STORE_DOWN.search(str(error)):
            raise RunError(f"cannot reach the store of {uri}: {' '.join(str(error).split())}") from error
        raise
    except Exception as error:  # every remote file system brings errors of its own
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
    return fs.cat_file(path, start=span[0], end=span[1]) if span[1] > span[0] else b""


def filesystem(location: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and the path in it.

    Raises OSError, ValueError, or ImportError when a package for it is missing.
    """
    if STORE.match(location):
        bucket, slash, key = location.partition("://")[2].partition("/")
        return _bucket(f"{location.partition('://')[0]}://{bucket}"), bucket + slash + key
    # A local path may hold "::" or "*", which fsspec's own parsing would act on.
    return (LocalFileSystem(), location) if is_local(location) else url_to_fs(location)


@functools.cache
def _bucket(uri: str) -> ArrowFSWrapper:
    """The same way into object stores, with the same credentials, as that of the workspace."""
    return ArrowFSWrapper(store(uri)[0])


@functools.lru_cache(maxsize=64)
def _members(tar: str, version: str) -> dict[str, tuple[int, int]]:
    """Byte range (start, end) of every file in a tar; `version` makes a rewritten tar be read again."""
    fs, path = filesystem(tar)
    with fs.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
        return {m.name: (m.offset_data, m.offset_data + m.size) for m in archive if m.isfile()}


def cut(uri: str, start_s: float | None, end_s: float | None) -> bytes:
    """The shot [start_s, end_s) of a video as an MP4, its coded pictures copied, without sound.

    Copying can begin at a keyframe only: the frames from there to start_s are in the file, and an edit list
    tells players to leave them out. The end is at most the codec's reordering (a few frames) early, never
    late, so that no frame of the next shot is seen. Times in seconds from the first frame; None: its start
    or end. Raises OSError as `read_bytes` does, av.error.FFmpegError when it is no video or MP4 cannot hold
    its codec, ValueError for an empty shot or pictures without times.
    """
    out = io.BytesIO()
    source: Any
    # "file:" keeps FFmpeg from reading a name such as "a:b.mp4" as a protocol.
    file = f"file:{uri}" if is_local(uri) else io.BytesIO(read_bytes(uri))
    with av.open(file) as source, av.open(out, "w", format="mp4") as target:
        stream = next(
            (s for s in source.streams.video if not s.disposition & s.disposition.attached_pic), None
        )
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
            raise ValueError("its pictures carry no times")
        if not any(packet.pts >= start for packet in shot):
            raise ValueError(f"no frame between {start_s} s and {end_s} s")
        # Matroska stores no decoding times: they are the shown ones in order, early enough for every picture.
        shown = sorted(packet.pts for packet in shot)
        early = max(at - packet.pts for at, packet in zip(shown, shot, strict=True))
        for at, packet in zip(shown, shot, strict=True):
            packet.pts -= start
            packet.dts = at - early - start
            packet.stream = copy
            target.mux(packet)
    return out.getvalue()
