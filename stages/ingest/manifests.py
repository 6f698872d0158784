"""The rows of manifests: Parquet, CSV and JSON Lines, the latter two also compressed with gzip."""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import CallError, reason
from pipeline.text import from_json, lines, open_text, plain, unpacked
from stages.video.media import is_local, read_bytes

COLUMNS = ("uri", "video_id", "start_s", "end_s", "source", "caption")
BATCH = 1 << 14  # rows of Parquet that are Python objects at a time
LONGEST_FIELD = 1 << 27  # characters of a field of CSV

Records = Iterator[tuple[str, Mapping[str, Any]]]  # the place of a row in the file, and its columns


def rows(uri: str) -> Iterator[dict[str, Any]]:
    """Read the rows of a manifest.

    Args:
        uri: Path or URL of a file with a suffix in MANIFESTS.

    Yields:
        For each row, those of COLUMNS that it gives: an absolute uri, times in seconds, and all others as the
        text that stands there.

    Raises:
        CallError: The manifest or a row of it cannot be used; the message names the line.
    """
    try:
        for where, record in _reader(uri)(unpacked(read_bytes(uri))):
            yield _row(uri, where, record)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CallError(f"manifest {uri!r} cannot be read: {reason(error)[:300]}") from error


def _parquet(data: bytes) -> Records:
    file = pq.ParquetFile(io.BytesIO(data))
    names = [name for name in COLUMNS if name in file.schema_arrow.names]
    _check(file.schema_arrow.names)
    number = 0
    for batch in file.iter_batches(BATCH, columns=names):
        for values in zip(*(_values(batch[name]) for name in names), strict=True):
            number += 1
            yield f"row {number}", dict(zip(names, values, strict=True))


def _values(column: pa.Array) -> list[Any]:
    # Python has no times of nanoseconds.
    return (column.cast(pa.string()) if pa.types.is_temporal(column.type) else column).to_pylist()


def _csv(data: bytes) -> Records:
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(open_text(data, newline=""), strict=True)
    names: Sequence[str] = ()
    while True:
        where = f"line {reader.line_num + 1}"
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise ValueError(f"{where}: {error}") from error
        if fields is None:
            break
        if not names:
            names = [name.strip() for name in fields]
            _check(names)
        elif fields:
            if len(fields) != len(names):
                raise ValueError(f"{where}: it has {len(fields)} fields, the first line has {len(names)}")
            yield where, {name: value or None for name, value in zip(names, fields, strict=True)}
    _check(names)


def _jsonl(data: bytes) -> Records:
    known: Sequence[str] = ()
    for number, line in lines(data):
        where = f"line {number}"
        try:
            # Numbers stay text: ids and captions as they stand, and no digits too many for an int.
            record = from_json(line, as_written=True)
        except ValueError as error:
            raise ValueError(f"{where} is not valid JSON: {error}") from error
        if not isinstance(record, dict):
            raise ValueError(f"{where} is not a JSON object")
        if not known:
            known = list(record)
            _check(known)
        yield where, record
    _check(known)


READERS: Mapping[str, Callable[[bytes], Records]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".csv.gz": _csv,
    ".jsonl": _jsonl,
    ".jsonl.gz": _jsonl,
    ".ndjson": _jsonl,
    ".ndjson.gz": _jsonl,
}
MANIFESTS = tuple(READERS)


def _reader(uri: str) -> Callable[[bytes], Records]:
    return READERS["".join(Path(uri.lower()).suffixes[-2 if uri.lower().endswith(".gz") else -1 :])]


def _check(names: Sequence[str]) -> None:
    if "uri" not in names:
        raise ValueError(f"it has no column 'uri' (columns: {', '.join(map(repr, names)) or 'none'})")


def _row(manifest: str, where: str, record: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: plain(record.get(name)) or None for name in ("uri", "video_id", "source", "caption")}
    times = {name: _seconds(record.get(name), f"{where}: {name}") for name in ("start_s", "end_s")}
    if times["end_s"] is not None and times["end_s"] <= (times["start_s"] or 0.0):
        raise ValueError(f"{where}: end_s is not after start_s")
    place = given["uri"]
    if not place or "\0" in place:
        raise ValueError(f"{where}: the uri is {'not a name' if place else 'empty'}")
    if is_local(place) and not place.startswith("/"):  # relative to the manifest
        beside = f"{manifest.rpartition('/')[0]}/{place}"
        place = str(Path(beside).absolute()) if is_local(manifest) else beside
    return given | times | {"uri": place}


def _seconds(value: Any, where: str) -> float | None:
    if value is None:
        return None
    try:
        at = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{where} is not a number: {value!r:.80}") from None
    if not math.isfinite(at) or at < 0 or isinstance(value, bool):
        raise ValueError(f"{where} is not a time in seconds from the start: {value!r:.80}")
    return at + 0.0  # -0.0 is 0.0
