"""Votes in SQLite, from the moment they are given; and their way into the table `preferences`."""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, fields
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import CallError, reason
from pipeline.schema import PREFERENCES
from pipeline.workspace import Workspace
from stages.review.queue import Item, Vote, about, votes_of

VOTES = "votes.sqlite"  # in a workspace on a local disk
COLUMNS = [column.name for column in fields(Vote)]


class Store:
    """The votes of people. One vote of an annotator on a question; a later one takes its place.

    A vote is on the disk when `add` returns. For one thread; other processes may read and write as well.
    """

    def __init__(self, path: str | Path) -> None:
        """Raises CallError for a file that cannot be opened, or is no such store."""
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10.0, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS votes (clip_id TEXT, question TEXT, left TEXT, right TEXT,"
                " choice TEXT, edited TEXT, annotator TEXT, at TEXT, seconds REAL, texts TEXT,"
                " PRIMARY KEY (clip_id, question, texts, annotator))"
            )
            self._db.execute("SELECT texts FROM votes LIMIT 1")
        except (sqlite3.Error, OSError) as error:
            raise CallError(f"cannot keep votes in {path}: {reason(error)}; --votes names a file") from error
        self._version = -1
        self._voters: dict[str, set[str]] = {}

    def close(self) -> None:
        self._db.close()

    def add(self, votes: Iterable[Vote]) -> int:
        """Store votes, all or none. Returns how many were new, and no older than what was there."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            before = self._db.total_changes
            self._db.executemany(
                f"INSERT INTO votes ({', '.join(COLUMNS)}, texts)"
                f" VALUES ({', '.join('?' * (len(COLUMNS) + 1))}) ON CONFLICT DO UPDATE SET"
                " left = excluded.left, right = excluded.right, choice = excluded.choice,"
                " edited = excluded.edited, at = excluded.at, seconds = excluded.seconds"
                " WHERE excluded.at > votes.at",
                [(*_told(vote), _texts(vote.left, vote.right)) for vote in votes],
            )
            self._version = -1
            return self._db.total_changes - before

    def votes(self) -> list[Vote]:
        """All of them, by time."""
        rows = self._db.execute(f"SELECT {', '.join(COLUMNS)} FROM votes ORDER BY at, annotator")
        return [_vote(row) for row in rows]

    def last_of(self, annotator: str, before: datetime | None = None) -> Vote | None:
        """An annotator's last vote, or the last one before a moment."""
        row = self._db.execute(
            f"SELECT {', '.join(COLUMNS)} FROM votes WHERE annotator = ? AND at < ? ORDER BY at DESC LIMIT 1",
            (annotator, (before or datetime.max.replace(tzinfo=UTC)).isoformat(timespec="microseconds")),
        ).fetchone()
        return _vote(row) if row else None

    def voters(self, items: Iterable[Item]) -> dict[str, set[str]]:
        """By item id, who has voted on it."""
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            found = defaultdict(set)
            known = {about(item): item.id for item in items}
            for vote in self.votes():
                if vote.about in known:
                    found[known[vote.about]].add(vote.annotator)
            self._version, self._voters = version, dict(found)
        return self._voters


def _told(vote: Vote) -> tuple[object, ...]:
    """As SQLite keeps it; times as text that sorts as they do."""
    return tuple(
        value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        for value in astuple(vote)
    )


def _vote(row: tuple[object, ...]) -> Vote:
    values = dict(zip(COLUMNS, row, strict=True))
    return Vote(**values | {"at": datetime.fromisoformat(str(values["at"]))})  # type: ignore[arg-type]


def _texts(left: str, right: str) -> str:
    return hashlib.sha256("\0".join(sorted((left, right))).encode("utf-8", "surrogatepass")).hexdigest()


def store_of(workspace: Workspace, path: str | None = None) -> Store:
    """The store that was asked for, or that of a local workspace, made when missing. Raises CallError."""
    if path is None and not workspace.is_local:
        raise CallError(f"{workspace.root} is no local folder; --votes FILE says where to keep votes")
    return Store(path or workspace.path(VOTES))


def publish(store: Store, workspace: Workspace) -> int:
    """Make rows of `preferences` of the votes that it lacks, and take up those that the store lacks.

    Returns how many rows were added. No vote is there twice, however often this is done. For who holds the
    lock of the workspace. Raises OSError, RunError.
    """
    there = votes_of(workspace.read("preferences"))
    store.add(there)
    known = {vote.key for vote in there}
    new = [vote for vote in store.votes() if vote.key not in known]
    if new:
        rows = pa.Table.from_pylist([vote.row for vote in new], schema=PREFERENCES)
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression="zstd")
        # Workspace.append names a file by its clips, of which two annotators have the same.
        name = hashlib.sha256(repr([vote.key for vote in new]).encode()).hexdigest()[:16]
        workspace.write_bytes(sink.getvalue().to_pybytes(), "preferences", f"{name}.parquet", fenced=True)
    return len(new)


def preferences(workspace: Workspace) -> pa.Table:
    """The table `preferences`, with the votes that are on their way into it. Raises RunError, CallError."""
    table = workspace.read("preferences")
    if not workspace.is_local or not Path(workspace.path(VOTES)).exists():
        return table
    store = Store(workspace.path(VOTES))
    try:
        known = {vote.key for vote in votes_of(table)}
        rows = [vote.row for vote in store.votes() if vote.key not in known]
    finally:
        store.close()
    return pa.concat_tables([table, pa.Table.from_pylist(rows, schema=PREFERENCES)])
