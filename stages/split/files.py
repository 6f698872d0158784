"""How the dataset's files are written, so that the same content always gives the same bytes."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from pipeline.workspace import opened
from stages.split.schema import Row

STAGING = ".new"  # folder of a dataset in an object store, for files that do not have their own name yet


def to_json(value: Any) -> bytes:
    """Encode as indented UTF-8 JSON with a final newline."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def to_parquet(rows: Sequence[Row], schema: pa.Schema) -> bytes:
    """Encode rows as a Parquet file with these columns; what else a row has is left out."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def entry(folder: Path, path: str, rows: int) -> Row:
    """Describe a file for the manifest: `path`, `rows`, `bytes` and `sha256`."""
    with (folder / path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": path, "rows": rows, "bytes": (folder / path).stat().st_size, "sha256": digest}


def own_path(path: str) -> str:
    """Return the path that a file has once its dataset is settled, given one out of a manifest."""
    return path.removeprefix(f"{STAGING}/")


def link(old: str | Path, new: str | Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links. Raises OSError."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)


def upload(folder: Path, paths: Iterable[str], store: str) -> None:
    """Copy files to the same relative paths in an object store.

    Args:
        folder: The local folder that the paths are relative to.
        paths: Relative paths.
        store: URI of the folder in the store.

    Raises:
        OSError: A file cannot be read or written.
    """
    files, base = opened(store)
    for path in paths:
        fs.copy_files(
            str(folder / path),
            f"{base}/{path}",
            source_filesystem=fs.LocalFileSystem(),
            destination_filesystem=files,
        )
