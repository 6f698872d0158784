"""A reply that clearly names one choice is read; one that names none or several is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluate.protocols.strict import read
from stages.evaluate.question import BenchmarkQuestion
from tests.reply_forms import DOCS, END, FORMS, QUESTION, START, YES_NO, YES_NO_FORMS, tables

NAMES_NONE_OR_SEVERAL = FORMS[FORMS.index("A or B") :]


def choice(reply: str, question: BenchmarkQuestion = QUESTION) -> str | None:
    reading = read(reply, question)
    assert reading.clear == bool(reading.accepted)
    return reading.accepted[0] if reading.clear else None


@pytest.mark.parametrize("reply", [form for form in FORMS if form not in NAMES_NONE_OR_SEVERAL])
def test_a_reply_that_names_one_choice_is_read(reply: str) -> None:
    assert choice(reply) == "B"


@pytest.mark.parametrize("reply", NAMES_NONE_OR_SEVERAL)
def test_a_reply_that_names_none_or_several_is_not_read(reply: str) -> None:
    assert choice(reply) is None


@pytest.mark.parametrize(
    ("reply", "chosen"),
    [
        ("The camera moves.\nAnswer: C", "C"),
        ("C\nbecause the edges grow", "C"),
        ("A is wrong, B is correct", "B"),
        ("The answer is A. Wait, no. Final answer: B", "B"),
        ("A is not correct, so B is correct", "B"),
        ("It is not A, so the answer is B.", "B"),
        ("\\boxed{B. Pan right}", "B"),
        ("\\boxed{B} and once more \\boxed{B}", "B"),
        ("<answer>Pan right</answer>", "B"),
        ("<|begin_of_box|>B", "B"),
        ("```json\n{'answer': 'B'}\n```", "B"),
        ("\uff08B\uff09", "B"),
        ("\uff22", "B"),
        ("选B", "B"),
        ("I'd go with (B)", "B"),
        ("The answer is (b)", "B"),
        ("The answer is pan right because the trees go left", "B"),
        ("The answer is B (Pan right).", "B"),
        ("Choice B", "B"),
        ("## Answer\n\nB", "B"),
        ("<think>Perhaps A.\n\nThe answer is A.</think>\n\nThe answer is B.", "B"),
        ("Perhaps A.</think>B", "B"),
        ("<think>The answer is B", None),
        ("\\boxed{A} or \\boxed{B}", None),
        ("<answer>A</answer> <answer>B</answer>", None),
        ("The answer is B (Pan left).", None),
        ("Answer: B. Pan left", None),
        ("I don't think it is B.", None),
        ("The answer isn't B.", None),
        ("Either A or B.", None),
        ("A/B", None),
        ("B, C", None),
        ("A, B and C are wrong", None),
        ("I think A is wrong", None),
        ("Is it A? I cannot say.", None),
        ("Neither A nor B is correct", None),
        ("I don't think that B is correct", None),
        ("A or B is correct", None),
        ("If the answer is A, the trees go right.", None),
        ("The options: A. Pan left, B. Pan right", None),
        ("Answer: A. Pan left B. Pan right", None),
        ("Unlike option A, the camera goes to the right.", None),
        ("A. Pan left B. Pan right", None),
        ("Pan left or pan right", None),
        ("A man walks", None),
        ("The answer is a car that moves", None),
        ("So a car moves", None),
        ("It is not possible to determine the answer.", None),
        ("None of the above", None),
        ("Either", None),
        ("Answer: E", None),
    ],
)
def test_of_what_a_reply_says_its_answer_counts(reply: str, chosen: str | None) -> None:
    assert choice(reply) == chosen


def test_options_that_contain_others_or_are_letters_are_told_apart() -> None:
    longer = BenchmarkQuestion("1", "v", "Q?", ("Pan left", "Pan left, then right", "A", "2"), "A", "x")
    assert choice("The answer is pan left, then right.", longer) == "B"
    assert choice("The answer is pan left.", longer) == "A"
    assert choice("A", longer) == "A", "the letter, not the text of option C"
    assert choice("2", longer) == "D"
    twice = BenchmarkQuestion("1", "v", "Q?", ("Left", "Left", "Up"), "A", "x")
    assert choice("Left", twice) is None
    assert choice("B", twice) == "B"


@given(st.sampled_from("ABCD"), st.sampled_from("ABCD"))
def test_two_answers_are_none_unless_they_agree(first: str, second: str) -> None:
    assert choice(f"The answer is {first}. So the answer is {second}.") == (
        first if first == second else None
    )


@given(st.text(st.sampled_from("ABCD()[].:, \n*\\{}<>answeror"), max_size=60))
def test_any_text_is_read_as_one_of_the_choices_or_as_none(reply: str) -> None:
    assert choice(reply) in (*"ABCD", None)


@pytest.mark.parametrize(
    ("reply", "chosen"),
    [
        *((form, "Yes") for form in YES_NO_FORMS[: YES_NO_FORMS.index("Yes and no")]),
        (" no, it", "No"),
        ("The answer is no.", "No"),
        ("It is yes", "Yes"),
        ("Not", None),
        ("Nothing moves", None),
        ("Yes and no", None),
        ("Yes or No", None),
        ("Yes. The answer is No", None),
        ("No doubt, it pans", None),
        ("The camera pans", None),
        ("", None),
    ],
)
def test_yes_and_no_are_read_like_letters(reply: str, chosen: str | None) -> None:
    assert choice(reply, YES_NO) == chosen


def test_the_documentation_shows_what_each_protocol_makes_of_each_form() -> None:
    page = DOCS.read_text(encoding="utf-8")
    shown = page[page.index(START) : page.index(END) + len(END)]
    assert shown == tables(), "run python -m tests.reply_forms"
