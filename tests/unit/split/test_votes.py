"""People's votes, and what they decide together."""

from datetime import UTC, datetime, timedelta

from stages.split.votes import Choice, bad_clips, choices
from tests.tables import QUESTION, table, vote


def test_the_last_vote_of_an_annotator_and_then_the_majority_count() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def decided(*votes: tuple[str, str]) -> Choice:
        rows = [
            vote("a", side, annotator=name, at=start + timedelta(hours=n))
            for n, (name, side) in enumerate(votes)
        ]
        return choices(table("preferences", rows))["a", QUESTION]

    left = Choice("The camera pans left.", "The camera pans right.")
    assert decided(("ada", "right"), ("ada", "left")) == left
    assert decided(("ada", "left"), ("bob", "right"), ("cy", "left")) == left
    assert decided(("ada", "left"), ("bob", "right")) == Choice()
    assert decided(("ada", "both_bad"), ("bob", "both_bad"), ("cy", "left")) == Choice(
        both_bad=True, shown=frozenset({left.chosen, left.rejected})
    )


def test_a_vote_counts_for_the_text_and_not_for_the_side() -> None:
    swapped = vote(
        "a",
        "right",
        annotator="bob",
        left="The camera pans right.",
        right="The camera pans left.",
        edited="Left.",
    )
    got = choices(table("preferences", [vote("a", "left"), swapped]))["a", QUESTION]
    assert got.rejected == "The camera pans right."
    assert got.chosen in ("Left.", "The camera pans left.")


def test_what_is_called_bad_counts_like_any_other_choice() -> None:
    rows = [vote("a", "bad_question", annotator=name) for name in ("ada", "bob")] + [
        vote("a", "left", annotator="cy")
    ]
    assert choices(table("preferences", rows))["a", QUESTION] == Choice(spoiled="bad_question")
    rows = [vote("a", "bad_clip", annotator="ada", edited="x"), vote("a", "left", annotator="bob")]
    assert choices(table("preferences", rows))["a", QUESTION] == Choice()


def test_a_clip_is_bad_if_more_people_call_it_so_than_not() -> None:
    def bad(*votes: tuple[str, str, str]) -> set[str]:
        rows = [
            vote("a", choice, annotator=who, question=asked, at=datetime(2026, 1, 1 + n, tzinfo=UTC))
            for n, (who, asked, choice) in enumerate(votes)
        ]
        return bad_clips(table("preferences", rows))

    assert bad(("ada", "q", "bad_clip")) == {"a"}
    assert bad(("ada", "q", "bad_clip"), ("ada", "r", "left")) == {"a"}  # she has called it so
    assert bad(("ada", "q", "bad_clip"), ("ada", "q", "left")) == set()  # and taken it back
    assert bad(("ada", "q", "bad_clip"), ("bob", "r", "tie")) == set()
    assert bad(("ada", "q", "bad_clip"), ("bob", "r", "bad_clip"), ("cy", "q", "left")) == {"a"}
    assert bad(("ada", "q", "bad_question")) == set()
