from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import HTTPException

from stages.review.app import Ballot, ItemRequest, ReviewSession
from stages.review.store import Store
from tests.unit.review.votes import about_one_clip, comparisons, vote


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "votes.sqlite")
    yield opened
    opened.close()


def test_looking_back_goes_through_a_persons_own_votes_from_the_last_to_the_first(store: Store) -> None:
    first, second, third = asked = comparisons(3)
    session = ReviewSession(asked, 1, store)
    session.vote(Ballot(annotator="bob", item=third.id, choice="tie"))
    for comparison in (first, second):
        session.vote(Ballot(annotator="ada", item=comparison.id, choice="left", edited="Better."))
    shown = session.back(ItemRequest(annotator="ada", item=third.id))
    assert shown["item"]["id"] == second.id
    assert shown["item"]["before"] == {"choice": "left", "edited": "Better.", "note": None}
    assert session.back(ItemRequest(annotator="ada", item=second.id))["item"]["id"] == first.id
    with pytest.raises(HTTPException, match="no earlier vote"):
        session.back(ItemRequest(annotator="ada", item=first.id))


def test_a_correction_that_changes_nothing_is_not_one(store: Store) -> None:
    (only,) = asked = comparisons(1)
    session = ReviewSession(asked, 1, store)
    left, right = only.sides("ada")
    for edited, kept in ((left, None), (f" {left}\n", None), (" ", None), (right, right)):
        session.vote(Ballot(annotator="ada", item=only.id, choice="left", edited=edited))
        assert store.votes()[0].edited == kept


def test_a_vote_counts_even_after_one_by_a_clock_that_was_ahead(store: Store) -> None:
    (only,) = asked = comparisons(1)
    store.add([vote(only, "ada", "tie", at=datetime(9999, 12, 31, tzinfo=UTC))])
    session = ReviewSession(asked, 1, store)
    for choice in ("left", "both_bad"):
        session.vote(Ballot(annotator="ada", item=only.id, choice=choice))
        assert [one.choice for one in store.votes()] == [choice]


def test_a_vote_that_is_not_stored_is_not_said_to_be_saved(store: Store) -> None:
    (only,) = asked = comparisons(1)
    store.add([vote(only, "ada", "tie", at=datetime.max.replace(tzinfo=UTC))])
    with pytest.raises(HTTPException, match="not saved") as error:
        ReviewSession(asked, 1, store).vote(Ballot(annotator="ada", item=only.id, choice="left"))
    assert error.value.status_code == 409


def test_progress_counts_ones_own_work_and_that_of_all(store: Store) -> None:
    first, second, third = asked = comparisons(3)
    session = ReviewSession(asked, 2, store)
    for who in ("ada", "bob", "eve"):
        session.vote(Ballot(annotator=who, item=first.id, choice="tie"))
    shown = session.skip(ItemRequest(annotator="ada", item=second.id))
    assert shown["progress"] == {"done": 1, "left": 1, "skipped": 1, "votes": 2, "wanted": 6}
    assert shown["item"]["id"] == third.id
    assert session.unskip("ada")["progress"] == {"done": 1, "left": 2, "skipped": 0, "votes": 2, "wanted": 6}


def test_a_note_comes_back_with_the_vote_and_an_empty_one_is_none(store: Store) -> None:
    (only,) = asked = comparisons(1)
    session = ReviewSession(asked, 1, store)
    for note, kept in ((" a slide show\n", "a slide show"), ("  ", None)):
        session.vote(Ballot(annotator="ada", item=only.id, choice="bad_clip", note=note))
        shown = session.back(ItemRequest(annotator="ada", item=""))["item"]
        assert shown["before"] == {"choice": "bad_clip", "edited": None, "note": kept}


def test_a_person_who_calls_a_clip_bad_is_not_asked_more_about_it_and_others_are(
    store: Store, tmp_path: Path
) -> None:
    asked = [*about_one_clip(3), *comparisons(1)]
    session = ReviewSession(asked, 2, store)
    shown = session.vote(Ballot(annotator="ada", item=asked[1].id, choice="bad_clip"))
    assert shown["item"]["clip"] == asked[3].clip_id
    assert shown["progress"] == {"done": 3, "left": 1, "skipped": 0, "votes": 3, "wanted": 8}
    assert session.next("bob")["progress"]["left"] == 4
    assert session.next("bob")["item"]["id"] == asked[0].id
    again = Store(tmp_path / "votes.sqlite")  # as when the server starts again
    assert ReviewSession(asked, 2, again).next("ada") == shown
    again.close()


def test_as_many_as_are_to_vote_call_a_clip_bad_and_nobody_else_is_asked_about_it(store: Store) -> None:
    asked = about_one_clip(3)
    session = ReviewSession(asked, 1, store)
    session.vote(Ballot(annotator="ada", item=asked[0].id, choice="bad_clip"))
    shown = session.next("bob")
    assert (shown["item"], shown["progress"]["votes"], shown["progress"]["wanted"]) == (None, 3, 3)


def test_a_person_who_no_longer_calls_a_clip_bad_is_asked_about_it_again(store: Store) -> None:
    asked = about_one_clip(3)
    session = ReviewSession(asked, 1, store)
    session.vote(Ballot(annotator="ada", item=asked[0].id, choice="tie"))
    assert not session.vote(Ballot(annotator="ada", item=asked[1].id, choice="bad_clip"))["item"]
    shown = session.vote(Ballot(annotator="ada", item=asked[1].id, choice="left"))
    assert shown["item"]["id"] == asked[2].id
    assert shown["progress"]["done"] == 2


def test_a_clip_called_bad_under_other_answers_is_asked_about(store: Store) -> None:
    asked = about_one_clip(2)
    store.add([vote(replace(asked[0], answer="It stays."), "ada", "bad_clip")])
    assert ReviewSession(asked, 1, store).next("ada")["progress"]["left"] == 2
