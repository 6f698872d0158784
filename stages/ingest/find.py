"""Find the clips in an input, and give each its identity."""

import glob
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from pipeline.errors import CallError
from pipeline.schema import CLIPS
from pipeline.workspace import one_each
from stages.ingest.identity import clip_id
from stages.ingest.settings import IngestConfig
from stages.video.media import filesystem, is_local, read_bytes

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "gif", "mpg", "mpeg"),
        *("ts", "m2ts", "mts", "flv", "wmv", "ogv", "3gp", "y4m", "vob"),
    )
)
MANIFESTS = (".parquet", ".jsonl", ".ndjson", ".csv")
BATCH = 1 << 14  # rows that are Python objects at a time; a million of them would take gigabytes

# A possible clip, before any of its bytes have been read.
FOUND = pa.schema(
    [CLIPS.field(name) for name in ("clip_id", "video_id", "uri", "start_s", "end_s", "source", "caption")]
)


def find(where: str, config: IngestConfig, tell: Callable[[int], None] = lambda count: None) -> pa.Table:
    """List the clips of an input.

    Args:
        where: Path or URL of a folder, file, manifest or WebDataset tar, or a glob.
        config: How clips are named.
        tell: Called from time to time with the number of clips found so far.

    Returns:
        One row of FOUND for each clip, in order of clip_id.

    Raises:
        CallError: The input does not exist, cannot be read, or has no clips.
    """
    rows = _find(where, config)
    batches, count = [], 0
    while batch := list(islice(rows, BATCH)):
        batches.append(pa.RecordBatch.from_pylist(batch, FOUND))
        count += len(batch)
        tell(count)
    if not batches:
        kinds = " ".join(sorted(VIDEO_SUFFIXES))
        raise CallError(
            f"no clips in {where!r}: looked for {kinds}, .tar, and manifests {' '.join(MANIFESTS)}"
        )
    return one_each(pa.Table.from_batches(batches))


def _find(where: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    if "://" in where:
        yield from _remote(where, config)
        return
    path = Path(where).expanduser()
    try:
        if path.is_dir():
            for file in _files(str(path.absolute())):
                suffix = Path(file).suffix.lower()
                if suffix in VIDEO_SUFFIXES or suffix == ".tar":
                    yield from _one(file, config)
        elif path.is_file():
            yield from _one(str(path.absolute()), config)
        elif any(sign in where for sign in "*?["):
            for name in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - the pattern may be absolute
                if Path(name).is_file():
                    yield from _one(str(Path(name).absolute()), config)
        else:
            raise CallError(f"input {where!r} does not exist")
    except PermissionError as error:
        raise CallError(f"cannot read {error.filename!r}: permission denied") from error


def _files(folder: str) -> Iterator[str]:
    """List the files below a folder in any order, without those in folders that are links or not readable."""
    with suppress(PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif entry.is_symlink() or entry.is_file():
                yield entry.path


def _remote(where: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    try:
        fs, base = filesystem(where)
        scheme = where.partition("://")[0]
        if any(sign in base for sign in "*?["):
            names = fs.glob(base)
        else:
            names = [base] if fs.isfile(base) else fs.find(base)
    except (OSError, ImportError, ValueError) as error:
        raise CallError(f"cannot list {where!r}: {error}") from error
    for name in sorted(names):
        suffix = Path(name).suffix.lower()
        if suffix in VIDEO_SUFFIXES or suffix in MANIFESTS or suffix == ".tar":
            yield from _one(name if "://" in name else f"{scheme}://{name}", config)


def _one(uri: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    suffix = Path(uri).suffix.lower()
    if suffix in MANIFESTS:
        yield from _manifest(uri, suffix, config)
    elif suffix == ".tar":
        yield from _tar(uri, config)
    else:
        yield _row(uri, config)


def _row(uri: str, config: IngestConfig, **given: Any) -> dict[str, Any]:
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise CallError(f"the file name {os.fsencode(uri)!r} is not valid UTF-8; rename the file") from None
    parts = uri.replace("::", "/").split("/")
    stem = Path(parts[-1]).stem
    source = given.get("source") or config.source or (parts[-2] if len(parts) > 1 else "")
    match = re.match(config.video_id_pattern, stem, re.DOTALL)
    video = given.get("video_id") or f"{source}/{match['video'] if match else stem}"
    return {
        "clip_id": clip_id(uri, given.get("start_s"), given.get("end_s")),
        "uri": uri,
        "video_id": str(video),
        "start_s": given.get("start_s"),
        "end_s": given.get("end_s"),
        "source": str(source),
        "caption": given.get("caption"),
    }


def _manifest(uri: str, suffix: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    try:
        data = io.BytesIO(read_bytes(uri))
        if suffix == ".parquet":
            table = pq.read_table(data)
        elif suffix == ".csv":
            table = pyarrow.csv.read_csv(data) if data.getbuffer().nbytes else pa.table({})
        else:
            table = pyarrow.json.read_json(data) if data.getbuffer().nbytes else pa.table({})
    except (pa.ArrowInvalid, OSError) as error:
        raise CallError(f"manifest {uri!r} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if "uri" not in table.column_names:
        have = ", ".join(table.column_names) or "none"
        raise CallError(f"manifest {uri!r} has no column 'uri' (columns: {have})")
    known = [
        name
        for name in ("uri", "video_id", "start_s", "end_s", "source", "caption")
        if name in table.column_names
    ]
    for number, record in enumerate(table.select(known).to_pylist(), 1):
        if not record["uri"]:
            raise CallError(f"manifest {uri!r}, row {number}: the uri is empty")
        for key in ("start_s", "end_s"):
            if record.get(key) is not None:
                try:
                    record[key] = float(record[key])
                except (TypeError, ValueError):
                    raise CallError(
                        f"manifest {uri!r}, row {number}: {key} is not a number: {record[key]!r}"
                    ) from None
        if record.get("end_s") is not None and record["end_s"] <= (record.get("start_s") or 0.0):
            raise CallError(f"manifest {uri!r}, row {number}: end_s is not after start_s")
        place = str(record.pop("uri"))
        if is_local(place) and not place.startswith("/"):  # relative to the manifest
            beside = f"{uri.rpartition('/')[0]}/{place}"
            place = str(Path(beside).absolute()) if is_local(uri) else beside
        yield _row(place, config, **record)


def _tar(uri: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    """List the videos in a WebDataset tar, each with the caption of the same key (.txt or .json)."""
    try:
        fs, path = filesystem(uri)
        with (
            fs.open(path, "rb") as raw,
            tarfile.open(fileobj=raw, mode="r|") as tar,
        ):
            videos: list[str] = []
            captions: dict[str, str] = {}
            for member in tar:
                key, _, suffix = member.name.rpartition(".")
                if not member.isfile():
                    continue
                if f".{suffix.lower()}" in VIDEO_SUFFIXES:
                    videos.append(member.name)
                elif suffix in ("txt", "json") and member.size < 1 << 20:
                    text = (tar.extractfile(member) or io.BytesIO()).read().decode("utf-8", "replace")
                    captions[key] = _caption(text) if suffix == "json" else text.strip()
    except (tarfile.TarError, OSError) as error:
        raise CallError(f"tar {uri!r} cannot be read: {' '.join(str(error).split())}") from error
    for name in videos:
        yield _row(f"{uri}::{name}", config, caption=captions.get(name.rpartition(".")[0]) or None)


def _caption(text: str) -> str:
    try:
        data = json.loads(text)
    except json.JSONDecodeError:
        return ""
    return str(data.get("caption") or data.get("text") or "") if isinstance(data, dict) else ""
