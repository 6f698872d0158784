"""A workspace: the folder, local or in an object store, that holds the tables of a run.

A table is a folder of Parquet files. Each file is written atomically, under a name derived from the ids of
its rows, so that writing a block again has no effect. The rows present are the only record of what is done.

This is the checkpoint of a run. Ray Data's own checkpoints were tried: they commit what one write task wrote,
which for small files merged into a block is nothing until the end, and they keep a second record that must
agree with the table.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from pipeline.durable import sync
from pipeline.errors import CallError, RunError, reason
from pipeline.identity import Setting
from pipeline.schema import TABLES

LOCK = ".lock.json"  # names the holder of the workspace; in an object store, it is the lock itself
SPENT = "spent.json"  # what the models that charge have cost, by table
RETRY_S = 60
CHANGED = "changed.json"  # when it was found that a clip's file is another one, by clip_id
DRAFT = ".tmp"  # suffix of a file that is being written
# In a URI, at its end or after the bucket; the names are those that pyarrow knows for S3 and Google's store.
OPTIONS = re.compile(
    r"(?P<bucket>(?:s3|gs|gcs)://[^/?]*)(?P<path>/.*)?(?P<options>\?(?:[^?/]*&)?(?:region|scheme"
    r"|endpoint_override|retry_limit_seconds|project_id|tls_ca_file_path|smart_defaults"
    r"|force_virtual_addressing|allow_bucket_creation|allow_bucket_deletion"
    r"|check_directory_existence_before_creation)=(?(path)[^?]*|[^?/]*))(?P<rest>/.*)?",
    re.DOTALL,
)


def split_options(uri: str) -> tuple[str, str]:
    """Split a location into its place and the options of its store ("?region=..."), "" if there are none.

    A question mark that no option of a store follows is part of a name, as in `watch?v=1.mp4`.
    """
    found = OPTIONS.fullmatch(uri)
    if not found:
        return uri, ""
    return found["bucket"] + (found["path"] or found["rest"] or ""), found["options"]


def normal(uri: str) -> str:
    """Put the options of a store next to the bucket, so that names can be added at the end of the location.

    Args:
        uri: A path, or a URL such as s3://bucket/folder?region=eu-west-1.

    Returns:
        The same place, such as s3://bucket?region=eu-west-1/folder; a path for a file:// URL.
    """
    if uri.startswith("file://"):
        return uri.removeprefix("file://")
    place, options = split_options(uri)
    if not options:
        return uri
    scheme, _, path = place.partition("://")
    bucket, slash, name = path.partition("/")
    return f"{scheme}://{bucket}{options.replace('/', '%2F')}{slash}{name}"


def store(uri: str) -> tuple[fs.FileSystem, str]:
    """Open the object store that a URI names.

    Endpoint and credentials come from the environment, as for Amazon's own tools (`AWS_ENDPOINT_URL`,
    `AWS_PROFILE`, ...), or from options in the URI that pyarrow understands:
    s3://bucket/folder?region=eu-west-1&endpoint_override=host:9000.

    Args:
        uri: s3://bucket/path or gs://bucket/path; names in the path are written as they are, not escaped.

    Returns:
        The file system, and the path inside it.

    Raises:
        OSError: The store cannot be reached.
        pyarrow.ArrowInvalid: The URI is malformed.
    """
    place, options = split_options(uri)
    scheme, _, path = place.partition("://")
    bucket, _, _ = path.partition("/")
    # Google's client would otherwise retry an unreachable store for 15 minutes.
    if scheme in ("gs", "gcs") and "retry_limit_seconds=" not in options:
        options += f"{'&' if options else '?'}retry_limit_seconds={RETRY_S}"
    # Only the bucket: in a full URI, pyarrow requires spaces and the like to be escaped.
    found, _ = fs.FileSystem.from_uri(f"{scheme}://{bucket}{options}")
    return found, path.removeprefix(f"{bucket.rpartition('@')[0]}@").rstrip("/")


def opened(folder: str) -> tuple[fs.FileSystem, str]:
    """Open a local path, or an object store as `store` does: the file system, and the path inside it."""
    folder = normal(folder)
    return store(folder) if "://" in folder else (fs.LocalFileSystem(), folder)


class Workspace:
    """The tables under one root.

    Attributes:
        root: An absolute local path, or a URI (s3://, gs://).
        token: Of the lock under which rows are written; None: no lock is required.
    """

    def __init__(self, root: str, token: str | None = None) -> None:
        """Open a workspace, without creating or reading anything.

        Args:
            root: A local path, or a URI that pyarrow supports.
            token: Of a lock that another process holds, such as the driver of this worker.

        Raises:
            CallError: The object store cannot be reached.
        """
        self.token = token
        root = normal(root)
        self.root = root.rstrip("/") if "://" in root else str(Path(root).expanduser().resolve())
        try:
            self._fs, self._base = opened(self.root)
        except (OSError, pa.ArrowException) as error:
            raise CallError(f"cannot reach the workspace {root}: {reason(error)}") from error

    @property
    def is_local(self) -> bool:
        """Whether it is on a local disk rather than in an object store."""
        return "://" not in self.root

    def delete(self, *parts: str) -> None:
        """Delete a file. Raises OSError."""
        self._fs.delete_file(self.path(*parts))

    def sweep(self) -> None:
        """Delete the partial files of writers that died. The caller must hold the lock."""
        for folder in ("", "audit", *TABLES) if self.is_local else ():
            for draft in Path(self.path(folder)).glob(f"*{DRAFT}"):
                draft.unlink(missing_ok=True)

    def path(self, *parts: str) -> str:
        """Join a path inside the workspace, in the form that its file system uses."""
        return "/".join((self._base, *parts))

    def create(self) -> None:
        """Create the folder, and check that it is writable. Raises CallError."""
        try:
            self._fs.create_dir(self._base, recursive=True)
            self.write_bytes(b"", ".writable")
            self._fs.delete_file(self.path(".writable"))
        except OSError as error:
            raise CallError(f"cannot write to {self.root}: {reason(error)}") from error

    def exists(self, *parts: str) -> bool:
        """Whether the folder exists, or what is named in it."""
        return self._fs.get_file_info(self.path(*parts)).type != fs.FileType.NotFound

    def write_bytes(self, data: bytes, *parts: str, fenced: bool = False) -> None:
        """Write a file atomically, replacing an earlier one.

        Args:
            data: Its content.
            parts: Its path inside the workspace.
            fenced: Write only while the lock that `token` belongs to is held.

        Raises:
            OSError: It cannot be written.
            RunError: That lock is no longer held.
        """
        target = self.path(*parts)
        if not self.is_local:  # an object appears when its upload is complete
            if fenced:
                self._check()
            with self._fs.open_output_stream(target) as stream:
                stream.write(data)
            return
        # Hidden, as readers of Parquet take every other file in a table's folder for a part of the table.
        folder, _, name = target.rpartition("/")
        draft = f"{folder}/.{name}.{hashlib.sha256(data).hexdigest()[:8]}{DRAFT}"
        try:
            if not Path(folder).is_dir():
                Path(folder).mkdir(parents=True, exist_ok=True)
                sync(Path(folder).parent)
            with open(draft, "wb") as stream:
                stream.write(data)
            sync(draft)  # or else, after a power failure, the name can be there without the content
            if fenced:
                self._check()  # as late as possible: a worker can outlive its run while the next one reads
            Path(draft).replace(target)
            sync(folder)
        except (OSError, RunError):
            with contextlib.suppress(OSError):
                Path(draft).unlink(missing_ok=True)
            raise

    def _check(self) -> None:
        if self.token and self.token.encode() not in (self.read_bytes(LOCK) or b""):
            raise RunError(f"the run that this worker belongs to no longer holds {self.root}")

    def read_bytes(self, *parts: str) -> bytes | None:
        """Read a file; None if there is none."""
        try:
            with self._fs.open_input_stream(self.path(*parts)) as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def append(
        self, table: str, rows: Sequence[dict[str, Any]] | pa.Table, schema: pa.Schema | None = None
    ) -> None:
        """Add rows to a table, as one new file.

        Args:
            table: Its name.
            rows: Its columns and values; no rows, no file.
            schema: Of a table that is not in `TABLES`.

        Raises:
            OSError: The file cannot be written.
            RunError: The run that these rows belong to no longer holds the lock.
        """
        schema = schema or TABLES[table]
        data = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema=schema)
        if not data.num_rows:
            return
        sink = pa.BufferOutputStream()
        pq.write_table(data, sink, compression="zstd")
        ids = data.select(["uri", "clip_id"] if table == "duplicates" else ["clip_id"])
        name = _file_of(zip(*(column.to_pylist() for column in ids), strict=True))
        self.write_bytes(sink.getvalue().to_pybytes(), table, name, fenced=True)

    def appended(self, table: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]] | None:
        """Read back the rows that one call of `append` added for these ids.

        Args:
            table: Its name.
            rows: With the ids; other columns are ignored.

        Returns:
            The rows of that file; None if no such call was completed.
        """
        data = self.read_bytes(table, _file_of((row["clip_id"],) for row in rows))
        return None if data is None else pq.read_table(pa.BufferReader(data)).to_pylist()

    def read(
        self, table: str, columns: Sequence[str] | None = None, schema: pa.Schema | None = None
    ) -> pa.Table:
        """Read all rows of a table, sorted by clip_id.

        A clip has one row in a stage's table, even if a worker taken for dead wrote it a second time.

        Args:
            table: Its name; a table that was never written is empty.
            columns: Those to read; None: all.
            schema: Of a table that is not in `TABLES`.

        Raises:
            RunError: A file of the table is damaged.
        """
        schema = schema or TABLES[table]
        wanted = list(columns) if columns else schema.names
        single = table not in ("duplicates", "preferences")
        try:
            data_set = self.data_set(table, schema)
            if not data_set:
                return schema.empty_table().select(wanted)
            data = data_set.to_table(list(dict.fromkeys([*wanted, "clip_id"])) if single else wanted)
        except pa.ArrowInvalid as error:
            raise RunError(f"table {table!r} in {self.root} is damaged: {reason(error)}") from error
        if single:
            data = one_each(data)
        elif "clip_id" in data.column_names:
            data = data.sort_by("clip_id")
        return data.select(wanted)

    def data_set(self, table: str, schema: pa.Schema | None = None) -> ds.FileSystemDataset | None:
        """Open a table without reading it; None if it was never written. `schema` as in `read`."""
        if files := self.files(table):
            return ds.dataset(files, schema=schema or TABLES[table], format="parquet", filesystem=self._fs)
        return None

    def files(self, table: str) -> list[str]:
        """List the files of a table. None of them ever changes: rows come and go with whole files."""
        selector = fs.FileSelector(self.path(table), allow_not_found=True)
        return sorted(
            info.path for info in self._fs.get_file_info(selector) if info.path.endswith(".parquet")
        )

    def stamp(self, *tables: str) -> list[tuple[str, int, int | None]]:
        """Return name, size and time (ns) of the files of tables, which are others once a row has changed."""
        selectors = [fs.FileSelector(self.path(table), allow_not_found=True) for table in tables]
        infos = [info for selector in selectors for info in self._fs.get_file_info(selector)]
        return sorted((info.path, info.size or 0, info.mtime_ns) for info in infos)

    def ids(self, table: str, schema: pa.Schema | None = None) -> set[str]:
        """Return the clip_ids in a table; `schema` as in `read`."""
        return set(self.read(table, ["clip_id"], schema)["clip_id"].to_pylist())

    def clear(self, tables: Iterable[str]) -> None:
        """Delete tables, with the record of the settings, sources and costs of their rows."""
        for table in tables:
            if self._fs.get_file_info(self.path(table)).type == fs.FileType.Directory:
                self._fs.delete_dir(self.path(table))
            for name in ("config.json", "provenance.json", SPENT):
                made = json.loads(self.read_bytes(name) or b"{}")
                if made.pop(table, None) is None:
                    continue
                if made:
                    self.write_bytes(_dump(made), name)
                else:
                    self.delete(name)

    def remove(self, table: str, ids: pa.Array) -> None:
        """Delete the rows of some clips from a table.

        What is left of a file is written before the file is deleted, so that no other row is lost if this is
        stopped in between.

        Args:
            table: Its name.
            ids: (N,) string, the clip_ids.

        Raises:
            OSError: A file cannot be written or deleted.
        """
        for path in self.files(table):
            held = pq.read_table(path, filesystem=self._fs, columns=["clip_id"])["clip_id"]
            gone = pc.is_in(held, ids)
            if pc.any(gone).as_py():
                self.append(table, pq.read_table(path, filesystem=self._fs).filter(pc.invert(gone)))
                self._fs.delete_file(path)

    def made_with(self) -> dict[str, dict[str, Any]]:
        """Return the settings that the rows of each table were made with: by table, path to value."""
        return json.loads(self.read_bytes("config.json") or b"{}")

    def claim(self, table: str, settings: Sequence[Setting]) -> None:
        """Check the settings as `check` does, and record them if the table has no rows yet."""
        self.check(table, settings)
        made, values = self.made_with(), {setting.path: setting.value for setting in settings}
        if table not in made or (made[table] != values and not self.files(table)):
            self.write_bytes(_dump(made | {table: values}), "config.json")

    def check(self, table: str, settings: Sequence[Setting]) -> None:
        """Check that new rows would be made with the same settings as those in the table, as `changed` tells.

        Raises:
            CallError: Its rows were made with other settings; the message lists the differences.
        """
        if changed := self.changed(table, settings):
            raise CallError(
                f"{self.root} has {table} made with other settings: {', '.join(changed)}. "
                "Use another workspace, or --restart to make them again"
            )

    def changed(self, table: str, settings: Sequence[Setting]) -> list[str]:
        """Compare settings with those that the rows in a table were made with.

        For a table that is older than a setting, the setting's default counts as its value. Recorded settings
        that no longer exist are ignored.

        Args:
            table: Its name.
            settings: Those that its rows depend on.

        Returns:
            A phrase for each that is different.
        """
        before = self.made_with().get(table)
        if before is None or not self.files(table):  # a run that was refused or stopped early made no row
            return []
        return sorted(
            f"{it.path} was {before.get(it.path, it.default)!r}, is now {it.value!r}"
            for it in settings
            if before.get(it.path, it.default) != it.value
        )

    def record(self, table: str, facts: Mapping[str, Any]) -> list[str]:
        """Record the source of a table's newest rows, such as an endpoint or the version of this package.

        Args:
            table: Its name.
            facts: JSON-serializable values, by name.

        Returns:
            A sentence for each fact that has changed.
        """
        known = json.loads(self.read_bytes("provenance.json") or b"{}")
        before = known.get(table, facts)
        if known.get(table) != dict(facts):
            self.write_bytes(_dump(known | {table: dict(facts)}), "provenance.json")
        return [
            f"{name} was {before.get(name)}, is now {fact}; existing {table} are kept as they are"
            for name, fact in facts.items()
            if before.get(name) != fact
        ]


def one_each(data: pa.Table) -> pa.Table:
    """Sort rows by clip_id; of those with the same one, only the first is left."""
    if not data.num_rows:
        return data
    data = data.sort_by("clip_id")  # a stable sort
    ids = data["clip_id"].combine_chunks()
    new = pc.not_equal(ids[1:], ids[:-1])
    return data if pc.all(new).as_py() else data.filter(pa.concat_arrays([pa.array([True]), new]))


def _file_of(ids: Iterable[tuple[str, ...]]) -> str:
    """Derive the file name for rows from what identifies them, in any order."""
    text = "\n".join(sorted(map("\n".join, ids)))
    return f"{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.parquet"


def _dump(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()
