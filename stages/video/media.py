"""The bytes of a video: a local path, an fsspec URL, or a member of a tar (`a.tar::b.mp4`)."""

import functools
import json
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.arrow import ArrowFSWrapper
from fsspec.implementations.local import LocalFileSystem

from pipeline.errors import RunError
from pipeline.workspace import split_options, store
from stages.video.tars import DamagedTarError, members

# The first ".tar::" counts: the name of a member, which anybody may have chosen, cannot name another tar.
MEMBER = re.compile(r"(?P<tar>.+?\.tar)::(?P<member>.+)", re.DOTALL)
URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
STORE = re.compile(r"(s3|gs)://", re.IGNORECASE)
# How pyarrow says that the store, and not the object, is at fault; its errors carry no codes.
STORE_DOWN = re.compile(
    r"AWS Error (NETWORK_CONNECTION|SERVICE_UNAVAILABLE|SLOW_DOWN|INTERNAL_FAILURE|REQUEST_TIMEOUT)"
    r"|Status\(UNAVAILABLE|token has expired"
)
SUFFIX = re.compile(r"\.([A-Za-z0-9]{1,5})$")
# What file systems call the marks of a version.
MARK = re.compile(r"^(e-?tag|.*mtime|.*modified|created|updated|generation|.*md5.*|digest|.*_id|ino)$", re.I)
PIECE = 1 << 23  # bytes in memory at once while a file is copied


def is_local(uri: str) -> bool:
    """Check whether a URI is the path of a plain local file, which can be opened in place."""
    return not (URL.match(uri) or MEMBER.fullmatch(uri))


def suffix(uri: str) -> str:
    """Return the file name extension in lower case without its dot; "mp4" when there is none."""
    # The name of an object may have a question mark, as in `watch?v=1.webm`; in other URLs, a query follows.
    path = uri.split("?")[0] if URL.match(uri) and not STORE.match(uri) else split_options(uri)[0]
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
    with _told(uri):
        fs, path, span = _resolve(uri)
        if span is None:
            return fs.cat_file(path)
        # Not cat_file: in fsspec's wrapper of Arrow it ignores the range as late as 2026.2.
        with fs.open(path, "rb", cache_type="none") as file:
            file.seek(span[0])
            return file.read(span[1] - span[0])


def fetch(uri: str, target: Path) -> None:
    """Copy a whole file or tar member to a local file, piece by piece. Raises as `read_bytes` does."""
    with _told(uri):
        fs, path, span = _resolve(uri)
        if span is None:
            fs.get_file(path, str(target))
            return
        left = span[1] - span[0]
        with fs.open(path, "rb", cache_type="none") as file, target.open("wb") as out:
            file.seek(span[0])
            while left and (piece := file.read(min(left, PIECE))):
                left -= out.write(piece)


def version(uri: str) -> tuple[str | None, int]:
    """Ask for what tells this version of a file, or of a member's tar, from every other.

    Returns:
        Such as its ETag, its size and when it was changed; None if the file system says nothing of the kind.
        And the size in bytes, 0 if unknown.

    Raises:
        Exception: As by `read_bytes`.
    """
    with _told(uri):
        member = MEMBER.fullmatch(uri)
        fs, path = _file(member["tar"] if member else uri)
        found, size = _version(fs, path)
        if member:
            start, end = _span(member, found or fs.ukey(path))
            size = end - start
        return found, size


def _version(fs: Any, path: str) -> tuple[str | None, int]:
    info: dict[str, Any] = {}
    if isinstance(fs, ArrowFSWrapper):  # its `info` lacks the ETag
        with fs.fs.open_input_file(path) as file:
            metadata = file.metadata() or {}
            info = {name: value.decode() for name, value in metadata.items()} | {"size": file.size()}
    if not any(map(MARK.search, info)):
        info = fs.info(path)
    marks = {name: str(value) for name, value in info.items() if value and MARK.search(name)}
    return json.dumps([marks, info.get("size")], sort_keys=True) if marks else None, info.get("size") or 0


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Turn the exceptions of all file systems into those of `read_bytes`."""
    try:
        yield
    except _NoMemberError:
        raise
    except FileNotFoundError as error:
        member = MEMBER.fullmatch(uri)
        raise FileNotFoundError(f"no such file: {member['tar'] if member else uri}") from error
    except OSError as error:
        if STORE.match(uri) and STORE_DOWN.search(str(error)):
            raise RunError(f"cannot reach the store of {uri}: {' '.join(str(error).split())}") from error
        raise
    except Exception as error:  # every remote file system has its own exceptions
        raise OSError(f"cannot read {uri}: {error}") from error


class _NoMemberError(FileNotFoundError):
    """A tar has no such member."""


def resolve(uri: str) -> tuple[Any, str, tuple[int, int] | None]:
    """Find where the bytes of a video are. Raises as `read_bytes` does.

    Returns:
        The file system, the path in it, and the bytes (start, end) of a tar's member; None: the whole file.
    """
    with _told(uri):
        return _resolve(uri)


def _resolve(uri: str) -> tuple[Any, str, tuple[int, int] | None]:
    member = MEMBER.fullmatch(uri)
    if not member:
        return *_file(uri), None
    fs, path = _file(member["tar"])
    return fs, path, _span(member, _version(fs, path)[0] or fs.ukey(path))


def _file(location: str) -> tuple[Any, str]:
    """Resolve the location of a file; a device or a pipe, which may have no end, is none."""
    fs, path = filesystem(location)
    if isinstance(fs, LocalFileSystem) and not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError(f"{path} is a directory, a device or a pipe, not a file")
    return fs, path


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
        place, options = split_options(location)
        scheme, _, path = place.partition("://")
        return _bucket(f"{scheme}://{path.partition('/')[0]}{options}"), path
    # A local path may contain "::" or "*", which fsspec's own parsing would interpret.
    return (LocalFileSystem(), location) if is_local(location) else url_to_fs(location)


@functools.cache
def _bucket(uri: str) -> ArrowFSWrapper:
    """Access to an object store through the same client and credentials as the workspace's."""
    return ArrowFSWrapper(store(uri)[0])


def _span(member: re.Match[str], mark: str) -> tuple[int, int]:
    spans, damage = _members(member["tar"], mark)
    span = spans.get(member["member"])
    if span is None and damage:
        raise OSError(f"cannot read {member[0]}: {damage}")
    if span is None:
        raise _NoMemberError(f"{member['tar']} has no member {member['member']!r}")
    return span


@functools.lru_cache(maxsize=64)
def _members(tar: str, version: str) -> tuple[dict[str, tuple[int, int]], str]:
    """Byte range (start, end) of every file in a tar, and why there may be more that cannot be read.

    A new `version` invalidates the cached ranges.
    """
    fs, path = filesystem(tar)
    spans: dict[str, tuple[int, int]] = {}
    with fs.open(path, "rb") as file:
        try:
            for member in members(file):
                spans[member.name] = member.start, member.start + member.size
        except DamagedTarError as error:
            return spans, str(error)
    return spans, ""
