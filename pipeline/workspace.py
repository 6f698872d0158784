"""A workspace: the folder, local or in an object store, that holds the tables of a run.

A table is a folder of Parquet files. A file appears whole or not at all, under a name made from the rows'
ids, so writing it twice is writing it once; the table itself tells what is done.

This is the checkpoint of a run. Ray Data's own was tried: it commits what one write task wrote, which for
small files merged into a block is nothing before the end, and keeps a second record that has to agree with
the table. Here a block of rows is committed by the appearance of its file, and there is no other record.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from pipeline.errors import CallError, RunError, reason
from pipeline.identity import Setting
from pipeline.schema import TABLES

LOCK = ".lock.json"  # tells who holds the workspace; in an object store it is the lock
RETRY_S = 60
DRAFT = ".tmp"  # ends the name of a file that is being written


def store(uri: str) -> tuple[fs.FileSystem, str]:
    """The object store that a URI (s3://, gs://) names, and the path in it. Raises OSError, ArrowInvalid.

    Where it is and who asks: `AWS_ENDPOINT_URL`, `AWS_PROFILE`, ... as for all of Amazon's tools, or options
    in the URI, as pyarrow reads them: s3://bucket/folder?region=eu-west-1&endpoint_override=host:9000.
    """
    if "?" in uri:
        return fs.FileSystem.from_uri(uri)
    scheme, _, path = uri.partition("://")
    bucket, _, _ = path.partition("/")
    # Google's client would else try for 15 minutes to reach a store that is gone.
    options = f"?retry_limit_seconds={RETRY_S}" if scheme in ("gs", "gcs") else ""
    # The bucket alone: in a whole URI pyarrow wants spaces and the like escaped.
    found, _ = fs.FileSystem.from_uri(f"{scheme}://{bucket}{options}")
    return found, path.removeprefix(f"{bucket.rpartition('@')[0]}@")


class Workspace:
    """The tables under one root: a local path, or a URI that pyarrow knows (s3://, gs://)."""

    def __init__(self, root: str, token: str | None = None) -> None:
        """token: of the lock that this writes under, for those who do not hold it themselves.

        Raises CallError for an object store that cannot be reached.
        """
        self.token = token
        root = root.rstrip("/") if "://" in root else root
        self.root = root if "://" in root else str(Path(root).expanduser().resolve())
        if "://" in root:
            try:
                self._fs, self._base = store(root)
            except (OSError, pa.ArrowException) as error:
                raise CallError(f"cannot reach the workspace {root}: {reason(error)}") from error
        else:
            self._fs, self._base = fs.LocalFileSystem(), self.root

    @property
    def is_local(self) -> bool:
        return "://" not in self.root

    def delete(self, *parts: str) -> None:
        """Delete a file. Raises OSError."""
        self._fs.delete_file(self.path(*parts))

    def sweep(self) -> None:
        """Delete what writers that died left half-written. Only for who holds the lock."""
        for folder in ("", "audit", *TABLES) if self.is_local else ():
            for draft in Path(self.path(folder)).glob(f"*{DRAFT}"):
                draft.unlink(missing_ok=True)

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

    def write_bytes(self, data: bytes, *parts: str, fenced: bool = False) -> None:
        """Write a file so that a reader sees all of it or nothing.

        fenced: only while the lock of this workspace's token is held. Raises OSError; RunError if it is not.
        """
        target = self.path(*parts)
        if not self.is_local:  # an object appears when its upload is complete
            if fenced:
                self._check()
            with self._fs.open_output_stream(target) as stream:
                stream.write(data)
            return
        draft = f"{target}.{hashlib.sha256(data).hexdigest()[:8]}{DRAFT}"
        try:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            with open(draft, "wb") as stream:
                stream.write(data)
            if fenced:
                self._check()  # as late as can be: a worker may outlive its run while the next one reads
            Path(draft).replace(target)
        except (OSError, RunError):
            with contextlib.suppress(OSError):
                Path(draft).unlink(missing_ok=True)
            raise

    def _check(self) -> None:
        if self.token and self.token.encode() not in (self.read_bytes(LOCK) or b""):
            raise RunError(f"the run that this worker belongs to no longer holds {self.root}")

    def read_bytes(self, *parts: str) -> bytes | None:
        """A file's content, or None when it is not there."""
        try:
            with self._fs.open_input_stream(self.path(*parts)) as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def append(self, table: str, rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None) -> None:
        """Add rows to a table as one new file.

        Args:
            table: Its name.
            rows: Not more than fit into memory.
            schema: Of a table that `TABLES` does not have.

        Raises:
            OSError: It cannot be written.
            RunError: The run that these rows belong to has ended meanwhile.
        """
        if not rows:
            return
        data = pa.Table.from_pylist(list(rows), schema=schema or TABLES[table])
        sink = pa.BufferOutputStream()
        pq.write_table(data, sink, compression="zstd")
        self.write_bytes(sink.getvalue().to_pybytes(), table, _file_of(table, rows), fenced=True)

    def appended(self, table: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]] | None:
        """The rows of the table that were added in one go for rows of these ids, if they were."""
        data = self.read_bytes(table, _file_of(table, rows))
        return None if data is None else pq.read_table(pa.BufferReader(data)).to_pylist()

    def read(
        self, table: str, columns: Sequence[str] | None = None, schema: pa.Schema | None = None
    ) -> pa.Table:
        """Read all rows of a table, in order of clip_id.

        A clip has one row in the table of a stage, even if a worker that seemed dead wrote it again.

        Args:
            table: Its name; one without rows is empty.
            columns: Those wanted; None: all.
            schema: Of a table that `TABLES` does not have.

        Raises:
            RunError: A file of the table is damaged.
        """
        schema = schema or TABLES[table]
        wanted = list(columns) if columns else schema.names
        single = table not in ("clips", "duplicates", "preferences")
        files = self._files(table)
        if not files:
            return schema.empty_table().select(wanted)
        try:
            data = ds.dataset(files, schema=schema, format="parquet", filesystem=self._fs).to_table(
                columns=list(dict.fromkeys([*wanted, "clip_id"])) if single else wanted
            )
        except pa.ArrowInvalid as error:
            raise RunError(f"table {table!r} in {self.root} is damaged: {reason(error)}") from error
        if "clip_id" in data.column_names:
            data = data.sort_by("clip_id")
        if single and data.num_rows:
            ids = data["clip_id"].combine_chunks()
            data = data.filter(pc.fill_null(pc.not_equal(ids, _shifted(ids)), True))
        return data.select(wanted)

    def _files(self, table: str) -> list[str]:
        selector = fs.FileSelector(self.path(table), allow_not_found=True)
        return sorted(
            info.path for info in self._fs.get_file_info(selector) if info.path.endswith(".parquet")
        )

    def ids(self, table: str, schema: pa.Schema | None = None) -> set[str]:
        """Return the clip_ids that a table has; schema as in `read`."""
        return set(self.read(table, ["clip_id"], schema)["clip_id"].to_pylist())

    def clear(self, tables: Iterable[str]) -> None:
        """Delete tables and what they were made with."""
        for table in tables:
            if self._fs.get_file_info(self.path(table)).type == fs.FileType.Directory:
                self._fs.delete_dir(self.path(table))
            for name in ("config.json", "provenance.json"):
                made = json.loads(self.read_bytes(name) or b"{}")
                if made.pop(table, None) is not None:
                    self.write_bytes(_dump(made), name)

    def made_with(self) -> dict[str, dict[str, Any]]:
        """Return, by table, the settings that its rows were made with."""
        return json.loads(self.read_bytes("config.json") or b"{}")

    def claim(self, table: str, settings: Sequence[Setting]) -> None:
        """Bind a table to the settings of its rows; see `check`."""
        self.check(table, settings)
        made = self.made_with()
        if table not in made:
            values = {setting.path: setting.value for setting in settings}
            self.write_bytes(_dump(made | {table: values}), "config.json")

    def check(self, table: str, settings: Sequence[Setting]) -> None:
        """Refuse settings with which a table would get rows unlike those that it has.

        A table made before there was a setting has rows of its default; a setting that is no more does not
        count.

        Args:
            table: Its name.
            settings: Those that its rows depend on.

        Raises:
            CallError: The table has rows made with other settings; the message names the differences.
        """
        before = self.made_with().get(table)
        if before is None:
            return
        changed = [
            f"{it.path} was {before.get(it.path, it.default)!r}, is now {it.value!r}"
            for it in settings
            if before.get(it.path, it.default) != it.value
        ]
        if changed:
            told = ", ".join(sorted(changed))
            raise CallError(
                f"{self.root} has {table} made with other settings: {told}. "
                "Give another workspace, or --restart to redo them"
            )

    def record(self, table: str, facts: Mapping[str, Any]) -> list[str]:
        """Record where a table's newest rows come from, such as an endpoint or this package's version.

        Args:
            table: Its name.
            facts: By name, JSON-able.

        Returns:
            A sentence for each fact that was another one before.
        """
        known = json.loads(self.read_bytes("provenance.json") or b"{}")
        before = known.get(table, facts)
        if known.get(table) != dict(facts):
            self.write_bytes(_dump(known | {table: dict(facts)}), "provenance.json")
        return [
            f"{name} was {before.get(name)}, is now {fact}; the {table} that are there stay as they are"
            for name, fact in facts.items()
            if before.get(name) != fact
        ]


def _file_of(table: str, rows: Sequence[dict[str, Any]]) -> str:
    """The name of the file of these rows: the same whatever their order."""
    key = "uri" if table == "duplicates" else "clip_id"
    ids = "\n".join(sorted(str(row[key]) for row in rows))
    return f"{hashlib.sha256(ids.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.parquet"


def _shifted(ids: pa.StringArray) -> pa.StringArray:
    """Each id's predecessor; null for the first."""
    return pa.concat_arrays([pa.nulls(1, ids.type), ids.slice(0, len(ids) - 1)])


def _dump(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()
