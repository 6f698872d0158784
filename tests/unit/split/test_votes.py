"""People's votes, and what they decide together."""

from datetime import UTC, datetime, timedelta

from stages.split.votes import Choice, choices
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
