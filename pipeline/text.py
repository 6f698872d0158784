"""Text that others have written: its encoding, its lines, and JSON of any depth."""

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, TextIO

GZIP = b"\x1f\x8b"
LARGEST = 1 << 32  # bytes that a compressed file may unpack to
DEEPEST = 100  # levels of nested lists and objects in JSON; what is nested deeper is read as null
HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a surrogate pair, or a whole one
TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
USER = re.compile(r"(?<=://)[^/\s@?#]+@")
KEY = re.compile(r"([?&#][\w.-]*(?:key|token|secret|passw|sig|auth|credential)[\w.-]*=)[^&#\s'\"]+", re.I)
GUESSES = ("utf-8", "cp1252", "latin-1")  # the last one can decode any bytes


def unpacked(data: bytes) -> bytes:
    """Decompress the bytes of a file if they are gzip's.

    Raises:
        ValueError: They are damaged, or unpack to more than LARGEST.
    """
    if not data.startswith(GZIP):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            out = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"damaged gzip data: {error}") from error
    if len(out) > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST >> 30} GiB")
    return out


def encoding(data: bytes) -> str:
    """Find the encoding of a text.

    UTF-16 and UTF-32 are known by their byte-order mark or their zeros. What is not UTF-8 is Windows-1252, or
    else Latin-1.

    Raises:
        ValueError: The bytes are damaged.
    """
    found = json.detect_encoding(data)
    for candidate in GUESSES if found == "utf-8" else (found,):
        try:
            data.decode(candidate)
        except UnicodeDecodeError as error:
            damage = error
        else:
            return candidate
    raise ValueError(f"damaged text: {damage}")


def decode(data: bytes) -> str:
    """Decode a text of any encoding that `encoding` finds, without its mark. Raises ValueError."""
    return data.decode(encoding(data))


def open_text(data: bytes, newline: str) -> TextIO:
    """Open the bytes of a text, as `open` opens a file. Raises ValueError."""
    return io.TextIOWrapper(io.BytesIO(data), encoding(data), newline=newline)


def lines(data: bytes) -> Iterator[tuple[int, str]]:
    r"""Iterate over the lines of JSON Lines, which end at "\n" alone, without blank ones.

    `str.splitlines` also splits at U+2028 and other characters that JSON allows inside strings.

    Yields:
        The number of a line, counted from 1, and the line.

    Raises:
        ValueError: The bytes are damaged.
    """
    for number, line in enumerate(open_text(data, newline="\n"), 1):
        if line.strip():
            yield number, line


def from_json(text: str, as_written: bool = False) -> Any:
    """Parse JSON, also where it is nested so deeply that `json.loads` gives up.

    Halves of surrogate pairs, which JSON allows and UTF-8 does not, become question marks.

    Args:
        text: The JSON.
        as_written: Keep numbers as text, however long, and no more than DEEPEST levels.

    Raises:
        ValueError: It is not JSON.
    """
    if as_written and text.count("[") + text.count("{") > DEEPEST:
        text = _shallow(text)
    try:
        return _parsed(text, as_written)
    except RecursionError:
        return _parsed(_shallow(text), as_written)


def _parsed(text: str, as_written: bool) -> Any:
    number = str if as_written else None
    value = json.loads(text, parse_int=number, parse_float=number)
    if HALF.search(text):
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


def _shallow(text: str) -> str:
    """Replace what is nested deeper than DEEPEST by null."""
    depth, at = 0, 0
    kept: list[str] = []
    for token in TOKEN.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth == DEEPEST + 1:
                kept += text[at : token.start()], "null"
        elif token[0] in ("]", "}"):
            if depth == DEEPEST + 1:
                at = token.end()
            depth -= 1
    return "".join(kept) + text[at:]


def plain(value: Any) -> str | None:
    """Return a value of any type as text that can be stored: lists line by line, a missing value as None."""
    if value is None or value != value:  # NaN, by which pandas marks what is missing
        return None
    if isinstance(value, bytes):
        return decode(value)
    if isinstance(value, list | tuple):
        return "\n".join(filter(None, map(plain, value)))
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value)
    return text.encode("utf-8", "replace").decode()


def without_secrets(url: str) -> str:
    """Return a URL without user, password, query and fragment, where keys may be."""
    return re.sub(r"(?<=://)[^/@]*@|[?#].*", "", url)


def without_keys(text: str) -> str:
    """Replace user names, passwords and keys inside the URLs of a text by `***`; the rest of it stays."""
    return KEY.sub(r"\1***", USER.sub("***@", text))
