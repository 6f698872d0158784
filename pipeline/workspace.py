"""A workspace: the folder, local or in an object store, that holds the tables of a run.

A table is a folder of Parquet files. A file appears whole or not at all, under a name made from the rows'
ids, so writing it twice is writing it once; the table itself tells what is done.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from pipeline.errors import CallError, RunError, reason
from pipeline.schema import TABLES


class Workspace:
    """The tables under one root: a local path, or a URI that pyarrow knows (s3://, gs://)."""

    def __init__(self, root: str) -> None:
        self.root = root if "://" in root else str(Path(root).expanduser().resolve())
        if "://" in root:
            self._fs, self._base = fs.FileSystem.from_uri(root)
        else:
            self._fs, self._base = fs.LocalFileSystem(), self.root

    @property
    def is_local(self) -> bool:
        return "://" not in self.root

    def path(self, *parts: str) -> str:
        """A path inside the workspace, as its file system names it."""
        return "/".join((self._base, *parts))

    def create(self) -> None:
        """Make the folder, and prove that it can be written to. Raises CallError."""
        try:
            self._fs.create_dir(self._base, recursive=True)
            self.write_bytes(b"", ".writable")
            self._fs.delete_file(self.path(".writable"))
        except OSError as error:
            raise CallError(f"cannot write to {self.root}: {reason(error)}") from error

    def exists(self) -> bool:
        return self._fs.get_file_info(self._base).type == fs.FileType.Directory

    def write_bytes(self, data: bytes, *parts: str) -> None:
        """Write a file so that a reader sees all of it or nothing. Raises OSError."""
        target = self.path(*parts)
        self._fs.create_dir(target.rsplit("/", 1)[0], recursive=True)
        if not self.is_local:  # an object appears when its upload is complete
            with self._fs.open_output_stream(target) as stream:
                stream.write(data)
            return
        draft = f"{target}.{hashlib.sha256(data).hexdigest()[:8]}.tmp"
        try:
            with open(draft, "wb") as stream:
                stream.write(data)
            Path(draft).replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                Path(draft).unlink(missing_ok=True)
            raise

    def read_bytes(self, *parts: str) -> bytes | None:
        """A file's content, or None when it is not there."""
        try:
            with self._fs.open_input_stream(self.path(*parts)) as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def append(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows to a table as one new file. Raises OSError."""
        if not rows:
            return
        data = pa.Table.from_pylist(list(rows), schema=TABLES[table])
        key = "uri" if table == "duplicates" else "clip_id"
        name = hashlib.sha256(
            "\n".join(sorted(str(row[key]) for row in rows)).encode("utf-8", "surrogateescape")
        )
        sink = pa.BufferOutputStream()
        pq.write_table(data, sink, compression="zstd")
        self.write_bytes(sink.getvalue().to_pybytes(), table, f"{name.hexdigest()[:16]}.parquet")

    def read(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of a table, in order of clip_id; empty when there are none."""
        schema = TABLES[table]
        wanted = list(columns) if columns else schema.names
        files = self._files(table)
        if not files:
            return schema.empty_table().select(wanted)
        try:
            data = ds.dataset(files, schema=schema, format="parquet", filesystem=self._fs).to_table(
                columns=wanted
            )
        except pa.ArrowInvalid as error:
            raise RunError(f"table {table!r} in {self.root} is damaged: {reason(error)}") from error
        return data.sort_by("clip_id") if "clip_id" in wanted else data

    def _files(self, table: str) -> list[str]:
        selector = fs.FileSelector(self.path(table), allow_not_found=True)
        return sorted(
            info.path for info in self._fs.get_file_info(selector) if info.path.endswith(".parquet")
        )

    def ids(self, table: str) -> set[str]:
        """The clip_ids that a table has."""
        return set(self.read(table, ["clip_id"])["clip_id"].to_pylist())

    def clear(self, tables: Iterable[str]) -> None:
        """Delete tables and what they were made with."""
        for table in tables:
            if self._fs.get_file_info(self.path(table)).type == fs.FileType.Directory:
                self._fs.delete_dir(self.path(table))
            made = self.made_with()
            if made.pop(table, None) is not None:
                self.write_bytes(_dump(made), "config.json")

    def made_with(self) -> dict[str, dict[str, Any]]:
        """By table, the settings that its rows were made with."""
        return json.loads(self.read_bytes("config.json") or b"{}")

    def claim(self, table: str, settings: dict[str, Any]) -> None:
        """Bind a table to the settings of its rows; refuse others. Raises CallError."""
        self.check(table, settings)
        made = self.made_with()
        if table not in made:
            self.write_bytes(_dump(made | {table: settings}), "config.json")

    def check(self, table: str, settings: dict[str, Any]) -> None:
        """Raises CallError when the rows of a table were made with other settings than these."""
        before = self.made_with().get(table, settings)
        if before != settings:
            keys = sorted(k for k in before.keys() | settings.keys() if before.get(k) != settings.get(k))
            told = ", ".join(f"{k} was {before.get(k)!r}, is now {settings.get(k)!r}" for k in keys)
            raise CallError(
                f"{self.root} has {table} made with other settings: {told}. "
                "Give another workspace, or --restart to make them anew"
            )


def _dump(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()
