import json
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline import lock
from pipeline.errors import CallError
from pipeline.schema import TABLES, empty_row
from pipeline.workspace import CHANGED, Workspace
from stages.review.queue import votes_of
from stages.review.store import Store, open_store, preferences, publish
from stages.split.votes import choices
from tests.unit.review.votes import comparisons, vote


def test_a_vote_is_visible_to_others_at_once_and_a_later_one_replaces_it(tmp_path: Path) -> None:
    (comparison,) = comparisons(1)
    store = Store(tmp_path / "votes.sqlite")
    assert store.add([vote(comparison, "ada", "answer", 1)]) == 1
    assert Store(tmp_path / "votes.sqlite").votes() == [vote(comparison, "ada", "answer", 1)]
    assert store.add([vote(comparison, "ada", "tie", 2, seconds=None)]) == 1
    assert store.add([vote(comparison, "ada", "tie", 2), vote(comparison, "ada", "answer", 1)]) == 0
    assert [one.choice for one in store.votes()] == ["tie"]


def test_no_store_needs_memory_that_machines_do_not_share(tmp_path: Path) -> None:
    file, (comparison,) = tmp_path / "votes.sqlite", comparisons(1)
    Store(file).close()
    with sqlite3.connect(file) as db:  # as earlier versions made it
        db.execute("PRAGMA journal_mode = WAL")
    db.close()
    store = Store(file)
    store.add([vote(comparison, "ada", "answer")])
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    with sqlite3.connect(file) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert len(Store(file).votes()) == 1


def test_votes_from_elsewhere_are_seen_by_a_store_that_is_open(tmp_path: Path) -> None:
    a, b = comparisons(2)
    store, other = Store(tmp_path / "votes.sqlite"), Store(tmp_path / "votes.sqlite")
    assert store.voters([a, b]) == {}
    other.add([vote(a, "bob", "answer")])
    assert store.voters([a, b]) == {a.id: {"bob"}}
    store.add([vote(b, "ada", "tie"), vote(comparisons(3)[2], "ada", "tie")])
    assert store.voters([a, b]) == {a.id: {"bob"}, b.id: {"ada"}}


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def work(who: str) -> None:
        store = Store(tmp_path / "votes.sqlite")
        for comparison in comparisons(15):
            store.add([vote(comparison, who, "answer")])
        store.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, "abcdef"))
    assert len(Store(tmp_path / "votes.sqlite").votes()) == 6 * 15


@pytest.mark.parametrize("content", [b"no database, but long enough to be looked at " * 30, None])
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "votes").write_bytes(content)
    else:
        (tmp_path / "votes").mkdir()
    with pytest.raises(CallError, match="cannot keep votes in"):
        Store(tmp_path / "votes")


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "votes") as db:
        db.execute("CREATE TABLE votes (party TEXT)")
    with pytest.raises(CallError, match="cannot keep votes in"):
        Store(tmp_path / "votes")


def test_a_remote_workspace_needs_a_place_for_the_votes(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.root = "s3://bucket/work"
    with pytest.raises(CallError, match="--votes"):
        open_store(workspace)


def test_votes_reach_the_table_once_and_are_read_before_they_do(tmp_path: Path) -> None:
    (comparison,) = comparisons(1)
    workspace = Workspace(str(tmp_path / "work"))
    with lock.held(workspace, "test"):
        workspace.append("preferences", [empty_row("preferences") | vote(comparison, "eve", "tie").row])
        store = open_store(workspace)
        store.add([vote(comparison, "ada", "answer"), vote(comparison, "bob", "answer")])
        assert preferences(workspace).num_rows == 3
        assert publish(store, workspace) == 2
        assert publish(store, workspace) == 0
        # The same clip again, by another annotator: another file.
        store.add([vote(comparison, "zoe", "baseline")])
        assert publish(store, workspace) == 1
    table = workspace.read("preferences")
    assert table.schema == TABLES["preferences"]
    assert Counter(table["annotator"].to_pylist()) == {"eve": 1, "ada": 1, "bob": 1, "zoe": 1}
    assert preferences(workspace).num_rows == 4
    assert (
        choices(preferences(workspace))[comparison.clip_id, comparison.question].chosen == comparison.answer
    )
    assert {vote.annotator for vote in store.votes()} == {"ada", "bob", "eve", "zoe"}


def test_a_lost_store_is_filled_again_from_the_table(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "work"))
    with lock.held(workspace, "test"):
        store = open_store(workspace)
        store.add([vote(comparison, "ada", "answer") for comparison in comparisons(3)])
        publish(store, workspace)
        store.close()
        for path in (tmp_path / "work").glob("votes.sqlite*"):
            path.unlink()
        assert preferences(workspace).num_rows == 3
        store = open_store(workspace)
        assert publish(store, workspace) == 0
    assert store.voters(comparisons(3)) == {comparison.id: {"ada"} for comparison in comparisons(3)}
    assert votes_of(workspace.read("preferences")) == [
        vote(comparison, "ada", "answer", seconds=None) for comparison in comparisons(3)
    ]


def test_a_workspace_without_votes_has_none(tmp_path: Path) -> None:
    assert preferences(Workspace(str(tmp_path))).num_rows == 0
    assert not list(tmp_path.iterdir())


def test_votes_on_a_file_that_was_replaced_count_no_more(tmp_path: Path) -> None:
    a, b = comparisons(2)
    workspace = Workspace(str(tmp_path))
    store = open_store(workspace)
    early, late = vote(a, "ada", "answer", 1), vote(a, "bob", "answer", 3)
    store.add([early, late, vote(b, "ada", "answer", 1)])
    between = (early.at + (late.at - early.at) / 2).isoformat()
    workspace.write_bytes(json.dumps({a.clip_id: between}).encode(), CHANGED)
    for _ in range(2):  # in the store, and in the table
        counted = preferences(workspace).to_pylist()
        assert {(row["clip_id"], row["annotator"]) for row in counted} == {
            (a.clip_id, "bob"),
            (b.clip_id, "ada"),
        }
        with lock.held(workspace, "review"):
            publish(store, workspace)


def test_a_file_from_before_there_were_notes_gets_them(tmp_path: Path) -> None:
    file, (comparison,) = tmp_path / "votes.sqlite", comparisons(1)
    with sqlite3.connect(file) as db:
        db.execute(
            "CREATE TABLE votes (clip_id TEXT, question TEXT, left TEXT, right TEXT, choice TEXT,"
            " edited TEXT, annotator TEXT, at TEXT, seconds REAL, texts TEXT,"
            " PRIMARY KEY (clip_id, question, texts, annotator))"
        )
        old = vote(comparison, "ada", "tie")
        db.execute(
            "INSERT INTO votes VALUES (?, ?, ?, ?, 'tie', NULL, 'ada', ?, 5.0, '')",
            (old.clip_id, old.question, old.left, old.right, old.at.isoformat()),
        )
    db.close()
    for _ in range(2):
        store = Store(file)
        assert store.votes("ada") == [old]
        new = vote(comparison, "bob", "bad_clip", note="no picture")
        store.add([new])
        assert store.votes("bob") == [new]
        store.close()


def test_a_note_stays_beside_the_table(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "work"))
    (comparison,) = comparisons(1)
    store = open_store(workspace)
    store.add([vote(comparison, "ada", "bad_clip", note="a slide show")])
    with lock.held(workspace, "review"):
        assert publish(store, workspace) == 1
        assert publish(store, workspace) == 0
    (row,) = workspace.read("preferences").to_pylist()
    assert row["choice"] == "bad_clip"
    assert "note" not in row
    assert store.votes()[0].note == "a slide show"
