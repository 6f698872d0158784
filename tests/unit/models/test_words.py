import pytest

from stages.models.mllm.words import article, listed, part, percent, plural, seconds


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.2, "about a fifth of the frame width"),
        (0.51, "about half the frame width"),
        (0.05, "about 5% of the frame width"),
        (0.43, "about 45% of the frame width"),
        (1.5, "about 1.5 times the frame width"),
    ],
)
def test_shares_are_expressed_as_people_would(share: float, text: str) -> None:
    assert part(share, "frame width") == text


def test_words_fit_together() -> None:
    assert [percent(share) for share in (0.004, 0.05, 0.123, 0.43)] == ["0.4%", "5%", "12%", "45%"]
    assert [plural(count, "second") for count in (1, 2.5)] == ["1 second", "2.5 seconds"]
    assert [seconds(value) for value in (1.0, 2.54, 9.6)] == ["1 second", "2.5 seconds", "10 seconds"]
    assert [listed("abc"[:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert [article(word) for word in ("object", "Owl", "quick pan")] == ["an", "an", "a"]
