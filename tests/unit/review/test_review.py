import json
import math
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.web import is_loopback, token_for
from pipeline import lock
from pipeline.errors import CallError
from pipeline.schema import TABLES, empty_row
from pipeline.workspace import Workspace
from stages.review.queue import (
    LEASE_S,
    Item,
    Queue,
    Vote,
    agreement,
    from_label_studio,
    items_of,
    to_label_studio,
    votes_of,
)
from stages.review.store import Store, preferences, publish, store_of
from stages.split.votes import Choice, choices
from tests.tables import annotation, question, table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def items(count: int) -> list[Item]:
    return [
        Item(f"{n:016x}", "Where to?", f"It goes left, {n}.", f"It goes right, {n}.") for n in range(count)
    ]


def vote(item: Item, annotator: str, what: str, minute: int = 0, **more: Any) -> Vote:
    """A vote for "answer" or "baseline", on whichever side it is, or a tie or both_bad."""
    left, right = item.sides(annotator)
    text = {"answer": item.answer, "baseline": item.baseline}.get(what)
    choice = what if text is None else "left" if text == left else "right"
    values = {
        "clip_id": item.clip_id,
        "question": item.question,
        "left": left,
        "right": right,
        "choice": choice,
        "edited": None,
        "annotator": annotator,
        "at": NOON + timedelta(minutes=minute),
        "seconds": 5.0,
    }
    return Vote(**values | more)


# What is asked


def test_uncertain_pairs_come_first_and_what_needs_no_choice_is_left_out() -> None:
    rows = [
        annotation("a", question("clear")),
        annotation("b", question("unsure", motion_check=0.6, baseline_check=0.5)),
        annotation("c", question("worse", motion_check=0.0, baseline_check=0.5)),
        annotation("d", question("unknown", baseline_check=None), question("nan", motion_check=math.nan)),
        annotation("e", question("same", baseline="The  camera pans left. ")),
        annotation("f", question("empty", baseline=" "), question("none", answer=None)),
        annotation("g", question("failed", error="mllm_error")),
        annotation("h", question("lost"), error="timeout"),
        annotation("i"),
        annotation("b", question("unsure", motion_check=0.6, baseline_check=0.5)),
    ]
    found = items_of(table("annotations", rows))
    assert {item.question for item in found[:2]} == {"unknown", "nan"}
    assert [item.question for item in found[2:]] == ["unsure", "worse", "clear"]
    assert items_of(table("annotations", rows), 3) == found[:3]
    assert items_of(table("annotations", [])) == []


def test_sides_are_fixed_for_an_annotator_and_even_over_all() -> None:
    lefts = {(i, who): item.sides(who)[0] == item.answer for i, item in enumerate(items(400)) for who in "ab"}
    again = {(i, who): item.sides(who)[0] == item.answer for i, item in enumerate(items(400)) for who in "ab"}
    assert lefts == again
    for who in "ab":
        assert 150 < sum(lefts[i, who] for i in range(400)) < 250
    assert 150 < sum(lefts[i, "a"] == lefts[i, "b"] for i in range(400)) < 250


# Who is asked what


def test_a_question_is_kept_for_who_looks_at_it_and_then_comes_to_others() -> None:
    first, second = items(2)
    queue = Queue([first, second])
    assert queue.next("ada", {}, 0.0) == first
    assert queue.next("ada", {}, 1.0) == first
    assert queue.next("bob", {}, 2.0) == second
    assert queue.next("eve", {}, 3.0) is None
    assert queue.next("eve", {}, LEASE_S + 1.5) == first
    assert queue.next("ada", {}, LEASE_S + 1.6) is None


def test_who_comes_back_gets_the_question_she_had_even_when_others_were_freed_before_it() -> None:
    first, second = items(2)
    queue = Queue([first, second])
    queue.next("ada", {}, 0.0)
    assert queue.next("bob", {}, 0.0) == second
    queue.skip(first.id, "ada")
    assert queue.next("bob", {}, 1.0) == second


def test_what_was_skipped_comes_to_others_and_again_on_request() -> None:
    (only,) = items(1)
    queue = Queue([only])
    queue.next("ada", {}, 0.0)
    queue.skip(only.id, "ada")
    assert queue.next("ada", {}, 1.0) is None
    assert queue.skipped("ada") == 1
    assert queue.next("bob", {}, 1.0) == only
    queue.unskip("ada")
    assert queue.next("ada", {}, 2.0) is None
    assert queue.next("ada", {}, LEASE_S + 2.0) == only


@settings(deadline=None)
@given(
    st.integers(0, 6),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["vote", "leave", "skip"])), max_size=60),
)
def test_whatever_people_do_each_question_gets_its_votes_and_not_one_more(
    count: int, overlap: int, actions: list[tuple[str, str]]
) -> None:
    asked = items(count)
    queue = Queue(asked, overlap)
    voters: dict[str, set[str]] = {}
    now = 0.0
    work = [*actions, *((who, "vote") for _ in range(count) for who in "abcd")]
    for who, action in work:
        now += 1.0
        item = queue.next(who, voters, now)
        if item is None:
            continue
        assert who not in voters.get(item.id, ())
        if action == "vote":
            voters.setdefault(item.id, set()).add(who)
        elif action == "skip":
            queue.skip(item.id, who)
        assert len(voters.get(item.id, ())) <= overlap
    for who in "abcd":
        queue.unskip(who)
    now += LEASE_S  # of those who left
    for who in "abcd":
        while item := queue.next(who, voters, now):
            voters.setdefault(item.id, set()).add(who)
    assert {item.id: len(voters[item.id]) for item in asked} == {item.id: overlap for item in asked}


# What the votes say


def test_agreement_is_krippendorffs_alpha_over_texts_and_not_sides() -> None:
    a, b, c, d = asked = items(4)
    said = [
        (a, "answer", "answer"),
        (b, "answer", "baseline"),
        (c, "baseline", "baseline"),
        (d, "tie", "tie"),
    ]
    votes = [vote(item, who, what) for item, *pair in said for who, what in zip("xy", pair, strict=True)]
    whole, people = agreement(votes, asked)
    # By hand: observed disagreement 2/8, expected 1 - (3*2 + 3*2 + 2*1) / (8*7) = 3/4.
    assert whole.alpha == pytest.approx(1 - 0.25 / 0.75)
    assert (whole.votes, whole.questions, whole.shared, whole.same) == (8, 4, 4, 0.75)
    assert [(one.name, one.votes, one.same, one.seconds) for one in people] == [
        ("x", 4, 0.75, 5.0),
        ("y", 4, 0.75, 5.0),
    ]


def test_agreement_is_not_defined_where_nothing_can_disagree() -> None:
    a, b = asked = items(2)
    assert agreement([], asked)[0].alpha is None
    assert agreement([vote(a, "x", "tie"), vote(b, "y", "answer")], asked)[0].alpha is None
    alike = [vote(item, who, "tie") for item in asked for who in "xy"]
    assert (agreement(alike, asked)[0].alpha, agreement(alike, asked)[0].same) == (None, 1.0)
    full = [vote(a, w, "tie") for w in "xy"] + [vote(b, w, "answer") for w in "xyz"]
    assert agreement(full, asked)[0].alpha == 1.0


def test_only_the_last_vote_of_a_person_counts_and_only_on_what_is_asked_now() -> None:
    old, now = items(2)
    votes = [vote(now, "x", "tie", 2), vote(now, "x", "answer", 1), vote(old, "x", "answer")]
    whole, (person,) = agreement(votes, [now])
    assert whole.votes == person.votes == 1
    assert person.left is None


def test_a_person_who_favours_a_side_and_motion_checks_view_are_told() -> None:
    asked = [
        Item(f"{n}", "Where to?", "It goes left.", "It goes right.", 1.0 if n < 15 else None)
        for n in range(20)
    ]
    votes = [vote(item, "x", "answer", choice="left") for item in asked]
    whole, (person,) = agreement(votes, asked)
    assert person.left == 1.0
    right = [item.sides("x")[0] == item.answer for item in asked[:15]]
    assert whole.checked == pytest.approx(sum(right) / 15)


def test_a_vote_becomes_a_row_from_which_split_takes_the_text_and_not_the_side() -> None:
    rows = [vote(item, "ada", "answer").row for item in items(30)]
    assert {row["choice"] for row in rows} == {"left", "right"}
    decided = choices(table("preferences", rows))
    for item in items(30):
        assert decided[item.clip_id, item.question] == Choice(item.answer, item.baseline)


# Label Studio

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), texts, st.sampled_from(["answer", "baseline", "tie", "both_bad"]), texts
        ),
        max_size=12,
        unique_by=lambda one: one[:2],
    )
)
def test_votes_come_back_from_label_studio_as_they_went(given_: list[tuple[int, str, str, str]]) -> None:
    asked = items(5)
    votes = [
        vote(asked[n], who, what, minute, edited=edited.strip() or None)
        for minute, (n, who, what, edited) in enumerate(given_)
    ]
    tasks = to_label_studio(asked, votes, {asked[0].clip_id: "s3://bucket/ä b.mp4"})
    assert len(tasks) == len(asked)
    back = from_label_studio(json.loads(json.dumps(tasks)))

    def told(some: list[Vote]) -> list[Any]:
        return sorted(
            (v.clip_id, sorted(v.about[2]), v.says, v.edited or "", v.annotator, v.at, v.seconds)
            for v in some
        )

    assert told(back) == told(votes)


def test_a_task_does_not_tell_which_answer_is_the_models() -> None:
    tasks = to_label_studio(items(40), [], {})
    assert {tuple(sorted(task["data"])) for task in tasks} == {
        ("clip_id", "left", "question", "right", "video")
    }
    assert 8 < sum("goes left" in task["data"]["left"] for task in tasks) < 32


def exported(**more: Any) -> dict[str, Any]:
    """A task as Label Studio exports it, annotated by its own users."""
    result = [
        {
            "id": "Dx",
            "from_name": "choice",
            "to_name": "video",
            "type": "choices",
            "origin": "manual",
            "value": {"choices": ["right"]},
        },
        {
            "id": "Dy",
            "from_name": "edited",
            "to_name": "video",
            "type": "textarea",
            "origin": "manual",
            "value": {"text": [" Better so. "]},
        },
    ]
    one = {
        "id": 7,
        "completed_by": 3,
        "result": result,
        "was_cancelled": False,
        "created_at": "2026-03-09T22:16:08.728353Z",
        "lead_time": 4.288,
    }
    data = {"clip_id": "c", "video": "x", "question": "Where to?", "left": "Left.", "right": "Right."}
    return {"id": 1, "data": data, "annotations": [one | more], "predictions": []}


def test_annotations_made_in_label_studio_are_votes() -> None:
    at = datetime(2026, 3, 9, 22, 16, 8, 728353, tzinfo=UTC)
    (made,) = from_label_studio([exported()])
    assert made == Vote(
        "c", "Where to?", "Left.", "Right.", "right", "Better so.", "label-studio-3", at, 4.288
    )
    (named,) = from_label_studio([exported(completed_by={"id": 3, "email": "ada@example.org"})])
    assert named.annotator == "ada@example.org"
    assert from_label_studio([exported(was_cancelled=True), exported(result=[])]) == []


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ({}, "no list"),
        ([exported(), {"id": 2}], "task 2 lacks 'data'"),
        ([{"data": {"clip_id": "c"}}], "task 1 lacks 'question'"),
        (["text"], "task 1"),
        ([exported(created_at="yesterday")], "task 1"),
        ([exported() | {"data": exported()["data"] | {"left": 5}}], "5 is no text"),
        (
            [exported(result=[{"from_name": "choice", "value": {"choices": ["A"]}}])],
            "'A' is none of left, right",
        ),
        ([exported(result=[{"from_name": "choice", "value": {"choices": []}}])], "task 1"),
    ],
)
def test_a_file_that_is_no_such_export_is_refused_by_the_task(tasks: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        from_label_studio(tasks)


# Where votes are kept


def test_a_vote_is_there_at_once_for_other_processes_and_a_later_one_takes_its_place(tmp_path: Path) -> None:
    (item,) = items(1)
    store = Store(tmp_path / "votes.sqlite")
    assert store.add([vote(item, "ada", "answer", 1)]) == 1
    assert Store(tmp_path / "votes.sqlite").votes() == [vote(item, "ada", "answer", 1)]
    assert store.add([vote(item, "ada", "tie", 2, seconds=None)]) == 1
    assert store.add([vote(item, "ada", "tie", 2), vote(item, "ada", "answer", 1)]) == 0
    assert [one.choice for one in store.votes()] == ["tie"]
    with sqlite3.connect(tmp_path / "votes.sqlite") as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_votes_from_elsewhere_are_seen_by_a_store_that_is_open(tmp_path: Path) -> None:
    a, b = items(2)
    store, other = Store(tmp_path / "votes.sqlite"), Store(tmp_path / "votes.sqlite")
    assert store.voters([a, b]) == {}
    other.add([vote(a, "bob", "answer")])
    assert store.voters([a, b]) == {a.id: {"bob"}}
    store.add([vote(b, "ada", "tie"), vote(items(3)[2], "ada", "tie")])
    assert store.voters([a, b]) == {a.id: {"bob"}, b.id: {"ada"}}


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def work(who: str) -> None:
        store = Store(tmp_path / "votes.sqlite")
        for item in items(15):
            store.add([vote(item, who, "answer")])
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


def test_a_remote_workspace_needs_to_be_told_where_votes_are_kept(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.root = "s3://bucket/work"
    with pytest.raises(CallError, match="--votes"):
        store_of(workspace)


def test_votes_reach_the_table_once_and_are_read_before_they_do(tmp_path: Path) -> None:
    (item,) = items(1)
    workspace = Workspace(str(tmp_path / "work"))
    with lock.held(workspace, "test"):
        workspace.append("preferences", [empty_row("preferences") | vote(item, "eve", "tie").row])
        store = store_of(workspace)
        store.add([vote(item, "ada", "answer"), vote(item, "bob", "answer")])
        assert preferences(workspace).num_rows == 3
        assert publish(store, workspace) == 2
        assert publish(store, workspace) == 0
        # Another clip set of one: the same clip again.
        store.add([vote(item, "zoe", "baseline")])
        assert publish(store, workspace) == 1
    table = workspace.read("preferences")
    assert table.schema == TABLES["preferences"]
    assert Counter(table["annotator"].to_pylist()) == {"eve": 1, "ada": 1, "bob": 1, "zoe": 1}
    assert preferences(workspace).num_rows == 4
    assert choices(preferences(workspace))[item.clip_id, item.question].chosen == item.answer
    assert {vote.annotator for vote in store.votes()} == {"ada", "bob", "eve", "zoe"}


def test_a_lost_store_is_filled_again_from_the_table(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "work"))
    with lock.held(workspace, "test"):
        store = store_of(workspace)
        store.add([vote(item, "ada", "answer") for item in items(3)])
        publish(store, workspace)
        store.close()
        for path in (tmp_path / "work").glob("votes.sqlite*"):
            path.unlink()
        assert preferences(workspace).num_rows == 3
        store = store_of(workspace)
        assert publish(store, workspace) == 0
    assert store.voters(items(3)) == {item.id: {"ada"} for item in items(3)}
    assert votes_of(workspace.read("preferences")) == [
        vote(item, "ada", "answer", seconds=None) for item in items(3)
    ]


def test_a_workspace_without_votes_has_none(tmp_path: Path) -> None:
    assert preferences(Workspace(str(tmp_path))).num_rows == 0
    assert not list(tmp_path.iterdir())


# Who may come in


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.evil.org", False),
        ("127.0.0.1.evil.org", False),
        ("", False),
    ],
)
def test_only_addresses_of_this_machine_alone_need_no_token(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
    assert (token_for(host, None) is None) is expected


def test_tokens_are_new_each_time_and_weak_ones_are_refused() -> None:
    assert token_for("0.0.0.0", None) != token_for("0.0.0.0", None)
    assert token_for("127.0.0.1", "a-long-enough-token") == "a-long-enough-token"
    for weak in ("", "short", "with spaces in it, which", "ümläüte-sind-keine-guten"):
        with pytest.raises(CallError, match="at least 16"):
            token_for("127.0.0.1", weak)
