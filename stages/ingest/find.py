"""Find the clips in an input, and give each its identity."""

import glob
import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import CallError, reason
from pipeline.schema import CLIPS
from pipeline.workspace import normal, one_each, split_options
from stages.ingest import manifests, tars
from stages.ingest.folders import DATASET, PUBLISHED, TAR, UNNAMED, LeftOut, is_utf8, shown, walk
from stages.ingest.identity import clip_id
from stages.ingest.manifests import MANIFESTS
from stages.ingest.settings import IngestConfig
from stages.ingest.video_ids import apart, without_root
from stages.video.media import filesystem

BATCH = 1 << 14  # rows that are Python objects at a time; a million of them would take gigabytes
REST = "(what cannot be read)"  # stands for the members of a damaged tar that cannot be listed
DAMAGED = "damaged tar, whose unreadable rest becomes one clip that fails"

# A possible clip, before any of its bytes have been read. named: its video_id comes from the file's name.
FOUND = pa.schema(
    [CLIPS.field(name) for name in ("clip_id", "video_id", "uri", "start_s", "end_s", "source", "caption")]
)
NAMED = FOUND.append(pa.field("named", pa.bool_()))

Rows = Iterator[dict[str, Any]]


def find(
    where: str,
    config: IngestConfig,
    tell: Callable[[int], None] = lambda count: None,
    note: Callable[[str], None] = lambda sentence: None,
    known: pa.Table | None = None,
) -> pa.Table:
    """List the clips of an input.

    Args:
        where: Path or URL of a folder, file, manifest or WebDataset tar, or a glob.
        config: How clips are named.
        tell: Called from time to time with the number of clips found so far.
        note: Called with sentences about what was left out.
        known: The columns uri and video_id of the table `clips` so far.

    Returns:
        One row of FOUND for each clip, in order of clip_id.

    Raises:
        CallError: The input does not exist, cannot be read, or has no clips.
    """
    left = LeftOut()
    rows = _find(where, config, left)
    batches, count = [], 0
    while batch := list(islice(rows, BATCH)):
        batches.append(pa.RecordBatch.from_pylist(batch, NAMED))
        count += len(batch)
        tell(count)
    if not batches:
        kinds = f"looked for videos by their suffixes, .tar, and manifests {' '.join(MANIFESTS)}"
        raise CallError("; ".join([f"no clips in {where!r}: {kinds}", *left.sentences()]))
    for sentence in left.sentences():
        note(sentence)
    found = one_each(pa.Table.from_batches(batches))
    if config.source is None:
        found = without_root(found, _root(where))
    return apart(found, known).select(FOUND.names)


def _root(where: str) -> str:
    """The folder of an input: itself, or that of the file, or that in which a glob begins."""
    place, options = split_options(where)
    if fixed := re.match(r"[^*?\[]*", place)[0] if not Path(place).exists() else "":  # type: ignore[index]
        place = fixed if fixed == place else fixed.rpartition("/")[0] or "."
    if "://" in place:
        at = normal(f"{place}{options}").rstrip("/")
    else:
        at = str(Path(place).expanduser().absolute())
    return at.rpartition("/")[0] if at.lower().endswith((*MANIFESTS, TAR)) or Path(at).is_file() else at


def _find(where: str, config: IngestConfig, left: LeftOut) -> Rows:
    if "://" in where:
        yield from _remote(where, config, left)
        return
    path = Path(where).expanduser()
    try:
        if path.is_dir():
            for file in walk(str(path.absolute()), left):
                yield from _one(file, config, left)
        elif path.is_file():
            yield from _one(str(path.absolute()), config, left, alone=True)
        elif any(sign in where for sign in "*?["):
            for name in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - the pattern may be absolute
                if not is_utf8(name):
                    left.add(UNNAMED, shown(name))
                elif Path(name).is_file():
                    yield from _one(str(Path(name).absolute()), config, left)
        elif path.exists():
            raise CallError(f"input {where!r} is neither a file nor a folder")
        else:
            raise CallError(f"input {where!r} does not exist")
    except PermissionError as error:
        raise CallError(f"cannot read {error.filename!r}: permission denied") from error


def _remote(where: str, config: IngestConfig, left: LeftOut) -> Rows:
    try:
        fs, base = filesystem(where)
        scheme, options = where.partition("://")[0], split_options(where)[1]
        pattern = any(sign in base for sign in "*?[")
        alone = not pattern and fs.isfile(base)
        names = fs.glob(base) if pattern else [base] if alone else fs.find(base)
    except (OSError, ImportError, ValueError) as error:
        raise CallError(f"cannot list {where!r}: {error}") from error
    runs = [name.removesuffix("/run.json") for name in names if name.endswith("/run.json")]
    datasets = tuple(f"{run}/{DATASET}/" for run in runs)
    for name in sorted(names):
        if name.startswith(datasets):
            left.add(PUBLISHED, shown(name.partition(f"/{DATASET}/")[0]))
            continue
        named = alone or (pattern and name.lower().endswith(MANIFESTS))
        if named or left.takes(name if pattern else name.removeprefix(base)):
            uri = name if "://" in name else normal(f"{scheme}://{name}{options}")
            yield from _one(uri, config, left, alone)


def _one(uri: str, config: IngestConfig, left: LeftOut, alone: bool = False) -> Rows:
    if uri.lower().endswith(MANIFESTS):
        for given in manifests.rows(uri):
            yield _row(given.pop("uri"), config, **given)
    elif uri.lower().endswith(TAR):
        yield from _tar(uri, config, left, alone)
    else:
        yield _row(uri, config)


def _tar(uri: str, config: IngestConfig, left: LeftOut, alone: bool) -> Rows:
    """The videos of a tar; damage costs what comes after it, or the run if nothing else was given."""
    count = 0
    try:
        for name, caption in tars.videos(uri, left):
            yield _row(f"{uri}::{name}", config, caption=caption)
            count += 1
    except (OSError, ImportError, ValueError) as error:
        if alone and not count:
            raise CallError(f"tar {uri!r} cannot be read: {reason(error)}") from error
        left.add(DAMAGED, shown(uri))
        yield _row(f"{uri}::{REST}", config)


def _row(uri: str, config: IngestConfig, **given: Any) -> dict[str, Any]:
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise CallError(f"the file name {os.fsencode(uri)!r} is not valid UTF-8; rename the file") from None
    uri = normal(uri)
    parts = uri.replace("::", "/").split("/")
    stem = Path(parts[-1]).stem
    source = given.get("source") or config.source or (parts[-2] if len(parts) > 1 else "")
    match = re.match(config.video_id_pattern, stem, re.DOTALL)
    return {
        "clip_id": clip_id(uri, given.get("start_s"), given.get("end_s")),
        "uri": uri,
        "video_id": given.get("video_id") or f"{source}/{match['video'] if match else stem}",
        "start_s": given.get("start_s"),
        "end_s": given.get("end_s"),
        "source": source,
        "caption": given.get("caption"),
        "named": not given.get("video_id"),
    }
