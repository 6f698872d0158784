"""What models think is no part of what they answer."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.models.mllm.openai import OpenAiConfig
from stages.models.mllm.thinking import (
    LEARNT_TOKENS,
    Answering,
    Habits,
    start_of,
    starts_thought,
    take_apart,
)


def answer_of(text: str) -> str:
    return take_apart(text).answer


WRONG, RIGHT = "It pans left, I think.", "The camera is static."
HARMONY = (
    "<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant<|channel|>final<|message|>{answer}"
)
FORMS = {
    "Qwen": "<think>\n{thought}\n</think>\n\n{answer}",
    "DeepSeek, whose template starts the thought": "{thought}\n</think>\n\n{answer}",
    "GLM": "<think>{thought}</think><answer><|begin_of_box|>{answer}<|end_of_box|></answer>",
    "Kimi": "◁think▷{thought}◁/think▷{answer}",
    "Magistral": "[THINK]{thought}[/THINK]{answer}",
    "gpt-oss": f"{HARMONY}<|return|>",
    "gpt-oss, in two thoughts": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant" + HARMONY,
    "gpt-oss without special tokens": "analysis{thought}assistantfinal{answer}",
    "Command A": "<|START_THINKING|>{thought}<|END_THINKING|><|START_RESPONSE|>{answer}<|END_RESPONSE|>",
    "Hunyuan": "<think>\n{thought}\n</think>\n<answer>\n{answer}\n</answer>",
    "Seed": "<seed:think>{thought}</seed:think>{answer}",
    "Gemma": "<|channel>thought\n{thought}<channel|>{answer}",
    "MedGemma": "<unused94>thought\n{thought}<unused95>{answer}",
    "Granite": "Here is my thought process: {thought} Here is my response: {answer}",
    "one that thinks twice": "<think>{thought}</think> <think>Once more: it pans left.</think>{answer}",
    "one that quotes the mark": "<think>{thought} I should not write <think> here.</think>{answer}",
    "one that thinks afterwards": "{answer}<think>{thought}</think>",
    "one that ends twice": "<think>{thought}</think>{answer}</think>",
    "one that does not": "{answer}",
    "one that has been told not to": "<think>\n\n</think>\n\n{answer}",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_only_the_answer_is_the_answer(form: str) -> None:
    said = take_apart(form.format(thought=WRONG, answer=RIGHT))
    assert (said.answer, said.unfinished) == (RIGHT, False)
    assert (WRONG in said.thought) == ("{thought}" in form)


def test_a_box_around_a_choice_is_the_answer_and_one_around_words_a_part_of_it() -> None:
    boxed = "<|begin_of_box|>{}<|end_of_box|>"
    assert answer_of(f"It is not A. {boxed.format('B')}") == "B"
    assert answer_of(f"The camera {boxed.format('pans left')}.") == "The camera pans left."


@pytest.mark.parametrize(
    ("form", "opened"),
    [
        ("<think>It pans", False),
        ("It pans", True),
        ("◁think▷It pans", False),
        ("[THINK]It pans", False),
        ("<|channel|>analysis<|message|>It pans", False),
        ("analysisIt pans", False),
        ("<think>It pans </think", False),
        ("It pans</think>", False),
    ],
)
def test_a_thought_without_an_end_leaves_no_answer(form: str, opened: bool) -> None:
    said = take_apart(form, opened)
    assert said.answer == ""
    assert said.thought.startswith("It pans")


@given(st.text(st.characters(exclude_characters="<>[◁▷|", exclude_categories=("Cs",))))
def test_a_text_without_marks_is_an_answer_as_it_is(text: str) -> None:
    if not text.startswith(("analysis", "Here is my thought")):
        assert answer_of(text) == text.replace("assistantfinal", "").strip() or "Here is my response:" in text


@given(st.sampled_from([*FORMS.values()]), st.data())
def test_a_streamed_reply_is_the_same_answer_however_it_is_cut_into_pieces(form: str, data: Any) -> None:
    text = form.format(thought=WRONG, answer=RIGHT)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    habits = Habits(OpenAiConfig(model="m"))
    habits.take_apart("Hm.</think>Yes.", False)  # the endpoint's template is known by its first reply
    habits.unmarked = form.startswith("{thought}")
    answering = Answering(habits)
    sent = "".join(map(answering.feed, pieces))
    answering.end(False)
    assert (sent + answering.rest).strip() == RIGHT


def test_a_model_that_is_seen_to_think_gets_room_for_it() -> None:
    habits = Habits(OpenAiConfig(model="m"))
    assert (habits.budget, habits.may_learn) == (0, True)
    habits.take_apart("The camera pans left.", False)
    assert habits.budget == 0
    habits.take_apart("<think>Okay, so", True)
    assert (habits.budget, habits.may_learn) == (LEARNT_TOKENS, False)
    for said in ("", "The camera"):
        habits = Habits(OpenAiConfig(model="m", thinking_tokens=7))
        habits.take_apart(said, True, "The server calls this reasoning.")
        assert (habits.budget, habits.may_learn) == (7, False)


def test_a_text_that_is_cut_off_is_a_thought_where_the_template_starts_one() -> None:
    habits = Habits(OpenAiConfig(model="m"))
    assert habits.take_apart("Okay, so the camera", True).answer == "Okay, so the camera"
    habits.take_apart("Hm.</think>Yes.", False)
    assert habits.take_apart("Okay, so the camera", True).answer == ""
    assert habits.take_apart("Yes.", False).answer == "Yes.", "it may do without thinking"


def test_the_answer_starts_at_a_token() -> None:
    tokens = ["<think>", "Yes", "?", "</think>", "\n\n", "Y", "es", "<|im_end|>"]
    assert start_of("Yes", tokens) == 5
    assert start_of("Yes", ["Yes"]) == 0
    for missing in ("", "No"):
        with pytest.raises(ValueError, match=r"answer|substring"):
            start_of(missing, tokens)


def test_a_prompt_may_end_in_the_start_of_a_thought() -> None:
    assert starts_thought("<|im_start|>assistant\n<think>\n")
    assert not starts_thought("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert not starts_thought("<|im_start|>assistant\n")


def test_how_much_was_thought_is_a_share_of_the_characters() -> None:
    assert take_apart("<think>abc</think>d").share == 0.75
    assert take_apart("d").share == 0.0
    assert not math.isnan(take_apart("").share)
