"""A reply chooses an option only if it says so clearly."""

import pytest

from stages.evaluate.parse import letter, yes_or_no

OPTIONS = ("Pan left", "Pan right", "Zoom in", "Static")


@pytest.mark.parametrize(
    ("reply", "chosen"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("B.", "B"),
        ("**B**", "B"),
        ("Answer: B", "B"),
        ("The correct answer is (B).", "B"),
        ("Answer: B. Pan right", "B"),
        ("Answer: B, as the trees go left", "B"),
        ("Answer: B. Pan left", None),
        ("B. Pan right", "B"),
        ("pan right.", "B"),
        ("The camera moves.\nAnswer: C", "C"),
        ("C\nbecause the edges grow", "C"),
        ("It is option D, I think", None),
        ("A or B", None),
        ("B. Pan left", None),
        ("The camera pans right", None),
        ("A man walks", None),
        ("E", None),
        ("", None),
        ("\n \n", None),
        ("Either", None),
    ],
)
def test_a_letter_is_read_strictly(reply: str, chosen: str | None) -> None:
    assert letter(reply, OPTIONS) == chosen


def test_yes_and_no_are_read_at_the_beginning() -> None:
    assert [yes_or_no(text) for text in ("Yes.", " no, it", "Not", "It is yes", "")] == [
        "Yes",
        "No",
        None,
        None,
        None,
    ]
