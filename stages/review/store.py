"""Votes in SQLite, from the moment they are cast, and their way into the table `preferences`."""

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, fields
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import CallError, reason
from pipeline.schema import PREFERENCES
from pipeline.workspace import CHANGED, Workspace
from stages.review.queue import Comparison, Subject, Vote, votes_of
from stages.split.votes import BAD_CLIP

VOTES = "votes.sqlite"  # in a workspace on a local disk
COLUMNS = [column.name for column in fields(Vote)]


class Store:
    """Votes in an SQLite file: one for each annotator and comparison, which a later one replaces.

    A vote is on disk when `add` returns. For use by one thread at a time; other processes may read and write
    the same file.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file, or create it with its folder.

        Args:
            path: A local path; its file system may be shared by machines, if it has locks, as NFS does.

        Raises:
            CallError: The file cannot be opened, or holds something else.
        """
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10.0, check_same_thread=False)
            # Not WAL, which needs memory that all processes share: over NFS, machines have none.
            self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS votes (clip_id TEXT, question TEXT, left TEXT, right TEXT,"
                " choice TEXT, edited TEXT, annotator TEXT, at TEXT, seconds REAL, texts TEXT, note TEXT,"
                " PRIMARY KEY (clip_id, question, texts, annotator))"
            )
            self._db.execute("SELECT texts FROM votes LIMIT 1")
            self._add_notes()
        except (sqlite3.Error, OSError) as error:
            raise CallError(
                f"cannot keep votes in {path}: {reason(error)}; --votes names another file"
            ) from error
        self._version = -1

    def _add_notes(self) -> None:
        """Add the column of notes to a file that was made before there were any."""
        try:
            self._db.execute("SELECT note FROM votes LIMIT 1")
        except sqlite3.OperationalError:
            with suppress(sqlite3.OperationalError):  # another process has just done it
                self._db.execute("ALTER TABLE votes ADD COLUMN note TEXT")
            self._db.execute("SELECT note FROM votes LIMIT 1")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, votes: Iterable[Vote]) -> int:
        """Store votes, all or none.

        Args:
            votes: One that is not newer than the stored vote of its annotator is ignored.

        Returns:
            How many were stored.
        """
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            before = self._db.total_changes
            self._db.executemany(
                f"INSERT INTO votes ({', '.join(COLUMNS)}, texts)"
                f" VALUES ({', '.join('?' * (len(COLUMNS) + 1))}) ON CONFLICT DO UPDATE SET"
                " left = excluded.left, right = excluded.right, choice = excluded.choice,"
                " edited = excluded.edited, at = excluded.at, seconds = excluded.seconds,"
                " note = excluded.note"
                " WHERE excluded.at > votes.at",
                [(*_values(vote), _texts(vote.left, vote.right)) for vote in votes],
            )
        return self._db.total_changes - before

    def votes(self, annotator: str | None = None) -> list[Vote]:
        """The votes of an annotator, or all, by time."""
        whose = "" if annotator is None else "WHERE annotator = ?"
        names = () if annotator is None else (annotator,)
        rows = self._db.execute(
            f"SELECT {', '.join(COLUMNS)} FROM votes {whose} ORDER BY at, annotator", names
        )
        return [_vote(row) for row in rows]

    def changed(self) -> bool:
        """Whether anybody else has added votes since the last call, or since this store was opened."""
        before, self._version = self._version, self._db.execute("PRAGMA data_version").fetchone()[0]
        return before != self._version

    def voters(self, comparisons: Iterable[Comparison]) -> dict[str, set[str]]:
        """Return who is done with each comparison: annotators by its id, without those that have none.

        Who calls a clip bad on one of these is done with all of the clip's.
        """
        ids: dict[Subject, str] = {}
        of_clip = defaultdict[str, list[str]](list)
        for one in comparisons:
            ids[one.subject] = one.id
            of_clip[one.clip_id].append(one.id)
        found = defaultdict[str, set[str]](set)
        columns = "clip_id, question, left, right, choice, annotator"
        for clip, question, left, right, choice, who in self._db.execute(f"SELECT {columns} FROM votes"):
            if at := ids.get((clip, question, frozenset((left, right)))):
                for done in of_clip[clip] if choice == BAD_CLIP else (at,):
                    found[done].add(who)
        return dict(found)

    def bad(self, clip_id: str, annotator: str) -> bool:
        """Whether this annotator calls the clip bad on any of its questions."""
        asked = "SELECT 1 FROM votes WHERE clip_id = ? AND annotator = ? AND choice = ?"
        return self._db.execute(asked, (clip_id, annotator, BAD_CLIP)).fetchone() is not None


def _values(vote: Vote) -> tuple[object, ...]:
    """The values of COLUMNS; times as text that sorts as they do."""
    return tuple(
        value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        for value in astuple(vote)
    )


def _vote(row: tuple[object, ...]) -> Vote:
    values = dict(zip(COLUMNS, row, strict=True))
    return Vote(**values | {"at": datetime.fromisoformat(str(values["at"]))})  # type: ignore[arg-type]


def _texts(left: str, right: str) -> str:
    """A key of the two texts, whichever side each is on."""
    return hashlib.sha256("\0".join(sorted((left, right))).encode("utf-8", "surrogatepass")).hexdigest()


def open_store(workspace: Workspace, path: str | None = None) -> Store:
    """Open the store of a workspace, creating it if it does not exist.

    Args:
        workspace: Where the votes will end up.
        path: The store's file; None for the one in the workspace, which then has to be local.

    Raises:
        CallError: The workspace is not local and there is no path, or the file cannot be used.
    """
    if path is None and not workspace.is_local:
        raise CallError(f"{workspace.root} is not a local folder; say with --votes FILE where to keep votes")
    return Store(path or workspace.path(VOTES))


def publish(store: Store, workspace: Workspace) -> int:
    """Bring the store and the table `preferences` to the same votes; doing so again changes nothing.

    Args:
        store: It gets the votes that only the table has.
        workspace: Its table gets the votes that only the store has. The caller holds its lock.

    Returns:
        How many rows were added to the table.

    Raises:
        OSError: The table cannot be read or written.
        RunError: The lock was lost, or the table is damaged.
    """
    published = votes_of(workspace.read("preferences"))
    store.add(published)
    known = {vote.key for vote in published}
    new = [vote for vote in store.votes() if vote.key not in known]
    if new:
        rows = pa.Table.from_pylist([vote.row for vote in new], schema=PREFERENCES)
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression="zstd")
        # Workspace.append names a file after its clips, and two annotators may vote on the same ones.
        name = hashlib.sha256(repr([vote.key for vote in new]).encode()).hexdigest()[:16]
        workspace.write_bytes(sink.getvalue().to_pybytes(), "preferences", f"{name}.parquet", fenced=True)
    return len(new)


def preferences(workspace: Workspace) -> pa.Table:
    """Read the table `preferences`, with the votes in the workspace's store that have not reached it yet.

    Votes on a clip whose file was found to be another one since are left out.

    Raises:
        CallError: The store cannot be opened.
        RunError: The table is damaged.
    """
    table = workspace.read("preferences")
    if workspace.is_local and Path(workspace.path(VOTES)).exists():
        store = Store(workspace.path(VOTES))
        try:
            known = {vote.key for vote in votes_of(table)}
            rows = [vote.row for vote in store.votes() if vote.key not in known]
        finally:
            store.close()
        table = pa.concat_tables([table, pa.Table.from_pylist(rows, schema=PREFERENCES)])
    changed = json.loads(workspace.read_bytes(CHANGED) or b"{}")
    since = pa.array([changed.get(clip_id) for clip_id in table["clip_id"].to_pylist()], pa.string())
    return table.filter(pc.fill_null(pc.greater(table["at"], since.cast(PREFERENCES.field("at").type)), True))
