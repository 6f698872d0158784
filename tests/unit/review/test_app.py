from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import HTTPException

from stages.review.app import Ballot, ItemRequest, ReviewSession
from stages.review.store import Store
from tests.unit.review.votes import comparisons, vote


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
