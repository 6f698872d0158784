"""Scores of answers, and whether two runs differ."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluate.protocols.scoring import precision
from stages.evaluate.question import BenchmarkQuestion
from stages.evaluate.results import answered, compare, markdown, summary


def question(id: str, right: str | None, category: str = "CM") -> BenchmarkQuestion:
    return BenchmarkQuestion(id, "v.mp4", "Q?", ("Up", "Down", "Left", "Right"), right, category)


def yes_no(id: str, right: str, category: str) -> BenchmarkQuestion:
    return BenchmarkQuestion(id, "v.mp4", "Does it?", (), right, category)


def predictions(
    questions: list[BenchmarkQuestion], letters: list[str | None], scores: list[float | None] | None = None
) -> list[dict[str, Any]]:
    """One row of the table, in which each question got this letter and this score."""
    answers = [
        {"id": each.id, "answer": letter or "?", "letter": letter, "score": score, "error": None}
        for each, letter, score in zip(questions, letters, scores or [None] * len(questions), strict=True)
    ]
    return [{"answers": answers}]


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from(["x", "y", "z"])), min_size=1))
def test_a_model_that_always_answers_a_scores_the_share_of_a(asked: list[tuple[str, str]]) -> None:
    questions = [question(str(k), right, category) for k, (right, category) in enumerate(asked)]
    told = summary(questions, answered(questions, predictions(questions, ["A"] * len(questions))))
    assert told["accuracy"]["overall"] == pytest.approx(np.mean([right == "A" for right, _ in asked]))
    for name, share in told["accuracy"]["categories"].items():
        assert share == pytest.approx(
            np.mean([right == "A" for right, category in asked if category == name])
        )
    assert told["accuracy"]["average"] == pytest.approx(np.mean([*told["accuracy"]["categories"].values()]))


def test_unpublished_answers_are_not_scored_and_unclear_or_missing_ones_are_wrong() -> None:
    questions = [
        question("1", "A"),
        question("2", None),
        question("3", "A"),
        question("4", "B", "MR"),
        question("5", None, "AO"),
    ]
    answers = answered(questions, predictions(questions[:4], ["A", "A", None, "B"]))
    told = summary(questions, answers)
    assert [answers[each.id]["right"] for each in questions] == [True, None, False, True, None]
    assert (told["questions"], told["hidden"], told["unclear"]) == (5, 2, 2)
    assert told["accuracy"]["categories"] == {"CM": 0.5, "MR": 1.0, "AO": None}
    table = markdown({"a | b": told})
    assert "| a / b | 50.0 | 100.0 | - | 75.0 | 66.7 | 3 | 2 | 0 |" in table


def test_yes_no_questions_are_also_ranked_by_their_scores() -> None:
    questions = [yes_no("1", "Yes", "Pan"), yes_no("2", "No", "Pan"), yes_no("3", "No", "Zoom")]
    answers = answered(questions, predictions(questions, ["Yes", "Yes", None], [0.9, 0.6, None]))
    told = summary(questions, answers)
    assert told["accuracy"]["categories"] == {"Pan": 0.5, "Zoom": 0.0}
    assert told["average_precision"] == {"categories": {"Pan": 1.0, "Zoom": None}, "average": 1.0}
    assert told["chance"] == {"categories": {"Pan": 0.5, "Zoom": 0.0}, "average": 0.25}


def average_precision(pairs: list[tuple[bool, float | None]]) -> float | None:
    """Of examples with equal weight; no score ranks below all others."""
    scores = np.array([-np.inf if score is None else score for _, score in pairs])
    return precision(np.array([yes for yes, _ in pairs], bool), scores, np.ones(len(pairs)))


def test_average_precision_is_that_of_the_definition() -> None:
    assert average_precision([(True, 0.9), (False, 0.8), (True, 0.7)]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([(False, 0.9), (False, None)]) is None
    assert average_precision([(True, None), (False, 0.1)]) == pytest.approx(0.5)


@given(st.permutations([True] * 3 + [False] * 5))
def test_average_precision_is_the_mean_precision_at_each_positive(ranking: list[bool]) -> None:
    scores = np.linspace(1, 0, len(ranking))
    at_positives = [np.mean(ranking[: k + 1]) for k, positive in enumerate(ranking) if positive]
    found = average_precision(list(zip(ranking, scores.tolist(), strict=True)))
    assert found == pytest.approx(np.mean(at_positives))


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_equal_scores_give_the_average_precision_of_chance(positive: list[bool]) -> None:
    found = average_precision([(yes, 0.5) for yes in positive])
    assert found == (pytest.approx(np.mean(positive)) if any(positive) else None)


def test_two_runs_are_compared_on_the_questions_that_both_were_asked() -> None:
    questions = [question(str(k), "A", "CM" if k % 2 else "MR") for k in range(200)]
    a = answered(questions, predictions(questions, ["A" if k % 4 < 2 else "B" for k in range(200)]))
    b = answered(questions, predictions(questions, ["A" if k % 4 < 3 else "B" for k in range(200)]))
    told = compare(a, b)
    assert told["overall"]["difference"] == pytest.approx(0.25)
    assert 0 < told["overall"]["low"] < 0.25 < told["overall"]["high"] < 0.5
    assert told["CM"]["difference"] == told["CM"]["low"] == told["CM"]["high"] == 0.0
    assert compare(a, b) == told, "seeded"
    assert compare(a, dict(list(b.items())[:10]))["overall"]["questions"] == 10
    assert compare(a, {}) == {}
