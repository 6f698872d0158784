"""The members of a tar: their names, and where their bytes are.

Python's own reader ends without a word at a damaged header, calls itself for each header of a long name, and
reads such names whatever their length. A tar may come from anywhere, so it is read here: within limits, and
with a word about what cannot be read.
"""

import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

LONGEST_HEADER = 1 << 20  # bytes of a long name, or of the records before a member
RECORD = re.compile(rb"(\d{1,9}) ([^=]+)=")
WITHOUT_DATA = (
    *(tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE),
    *(tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE),
)
PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
ABOUT_NEXT = (*PAX, *LONG, tarfile.XGLTYPE)


class DamagedTarError(OSError):
    """The rest of a tar cannot be read. The message says from where on, and why."""


@dataclass(frozen=True)
class Member:
    """A plain file in a tar.

    Attributes:
        name: With undecodable bytes as lone surrogates.
        start: Where its bytes start in the tar.
        size: In bytes.
    """

    name: str
    start: int
    size: int


def members(file: BinaryIO) -> Iterator[Member]:
    """List the plain files of a tar, without links, devices and sparse files.

    Args:
        file: The tar, which can be sought in.

    Raises:
        DamagedTarError: After the members that come before the damage.
    """
    length = file.seek(0, os.SEEK_END)
    at, last = 0, ""
    name: bytes | None = None
    records: dict[bytes, bytes] = {}
    while at < length:
        try:
            info, start = _header(file, at)
            if info is None:
                return
            size = 0 if info.type in WITHOUT_DATA else int(records.get(b"size", info.size))
            if not 0 <= size <= length - start:
                raise tarfile.HeaderError(f"{info.name!r} ends beyond the end of the file")
            at = start + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            if info.type in ABOUT_NEXT:
                data = _read(file, start, size)
                if info.type in PAX:
                    records = _records(data)
                elif info.type == tarfile.GNUTYPE_LONGNAME:
                    name = data.partition(b"\0")[0]
                continue
        except (tarfile.HeaderError, ValueError) as error:
            after = f"after {last!r}" if last else "from the start"
            raise DamagedTarError(f"the tar is damaged {after}: {error}") from error
        known = records.get(b"path", name)
        last = info.name if known is None else known.decode("utf-8", "surrogateescape")
        sparse = any(key.startswith(b"GNU.sparse") for key in records)
        name, records = None, {}
        if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE) and not sparse:
            yield Member(last, start, size)
    if not length:
        raise DamagedTarError("the tar is empty")


def _header(file: BinaryIO, at: int) -> tuple[tarfile.TarInfo | None, int]:
    """Parse the header at this place; None at the end of the tar. And where the bytes after it start."""
    block = _read(file, at, tarfile.BLOCKSIZE)
    if not any(block):
        return None, at
    info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    at += tarfile.BLOCKSIZE
    more = info.type == tarfile.GNUTYPE_SPARSE and block[482]
    while more:
        more = _read(file, at, tarfile.BLOCKSIZE)[504]
        at += tarfile.BLOCKSIZE
    return info, at


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    if size > LONGEST_HEADER:
        raise tarfile.HeaderError(f"a header of {size} bytes")
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise tarfile.HeaderError("the file ends in a header")
    return data


def _records(data: bytes) -> dict[bytes, bytes]:
    """The records of a POSIX header by their keywords: `LENGTH KEYWORD=VALUE` and a newline each."""
    found, at = {}, 0
    while match := RECORD.match(data, at):
        end = at + int(match[1])
        if not match.end() < end <= len(data):
            raise tarfile.HeaderError("a record of a wrong length")
        found[match[2]] = data[match.end() : end - 1]
        at = end
    return found
