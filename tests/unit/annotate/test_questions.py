"""The question bank, and which questions a clip gets."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.annotate.questions import BANK, choose

ALL = sum(map(len, BANK.values()))
CLIPS = st.text("0123456789abcdef", min_size=16, max_size=16)


def test_the_bank_repeats_nothing_and_is_written_as_sentences() -> None:
    texts = [text.lower() for texts in BANK.values() for text in texts]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text.endswith(("?", "."))
        assert "  " not in text


@given(CLIPS, st.integers(0, 99))
def test_two_questions_are_one_about_objects_and_one_about_the_camera(clip: str, seed: int) -> None:
    assert [category for _, category in choose(clip, 2, seed)] == ["object", "camera"]
    assert [category for _, category in choose(clip, 3, seed)] == ["object", "camera", "both"]


@given(CLIPS, st.integers(0, ALL), st.integers(0, 99))
def test_a_clip_is_never_asked_the_same_thing_twice(clip: str, count: int, seed: int) -> None:
    chosen = choose(clip, count, seed)
    assert len({text for text, _ in chosen}) == count
    assert chosen == choose(clip, count, seed)
    assert all(text in BANK[category] for text, category in chosen)


@given(CLIPS, st.integers(2, ALL - 1), st.integers(0, 99))
def test_asking_more_keeps_what_was_asked(clip: str, count: int, seed: int) -> None:
    assert choose(clip, count + 1, seed)[:count] == choose(clip, count, seed)


def test_single_questions_are_about_objects_and_the_camera_in_equal_parts() -> None:
    counts = Counter(choose(f"{k:016x}", 1, 0)[0][1] for k in range(1000))
    assert set(counts) == {"object", "camera"}
    assert min(counts.values()) > 400


def test_every_question_of_the_bank_is_asked_of_some_clip() -> None:
    asked = {text for k in range(1000) for text, _ in choose(f"{k:016x}", 3, 0)}
    assert asked == {text for texts in BANK.values() for text in texts}


def test_another_seed_asks_other_questions() -> None:
    assert any(choose(f"{k:016x}", 2, 0) != choose(f"{k:016x}", 2, 1) for k in range(5))


def test_asking_more_than_the_bank_holds_is_refused() -> None:
    with pytest.raises(ValueError, match=f"{ALL} questions"):
        choose("0123456789abcdef", ALL + 1, 0)
