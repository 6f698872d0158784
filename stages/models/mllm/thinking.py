"""What a model thinks before it answers, told apart from its answer.

The marks are those that models of 2025 and 2026 write, as their chat templates and vLLM's reasoning parsers
name them. A mark that a chat template has already written, at the end of the prompt, is not in the reply.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Any

from pydantic import Field

from pipeline.identity import OPERATIONAL
from stages.models.backend import MllmBackend

TAGS = r"(?:\w+:)?(?:think|thinking|thought|reasoning|analysis)"
# Start and end of a thought. The parts in comments name who writes them.
MARKS = (
    (rf"<{TAGS}>", rf"</{TAGS}>"),  # Qwen, DeepSeek, GLM, InternVL, MiniMax, Seed, Keye, Ernie
    ("◁think▷", "◁/think▷"),  # Kimi-VL
    (r"\[THINK\]", r"\[/THINK\]"),  # Magistral
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),  # Command A
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),  # Apertus
    (r"<\|channel>thought", r"<channel\|>"),  # Gemma 4
    ("<unused94>thought", "<unused95>"),  # MedGemma
    (  # gpt-oss
        r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>",
        r"(?:<\|start\|>assistant)?<\|channel\|>final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>",
    ),
    (r"\Aanalysis(?=[A-Z])", "assistantfinal"),  # the same, its special tokens left out
    (r"\AHere is my thought process:", r"Here is my response:"),  # Granite
)
MARK = re.compile("|".join(f"(?P<open{k}>{start})|(?P<end{k}>{end})" for k, (start, end) in enumerate(MARKS)))
# What some put around the answer itself.
WRAPPED = re.compile(r"<(answer|response)>(.*?)</\1>", re.DOTALL)
BOXED = re.compile(r"<\|begin_of_box\|>\s*(\(?[A-Z]\)?|yes|no)[.\s]*<\|end_of_box\|>", re.IGNORECASE)
LOOSE = re.compile(
    r"</?(?:answer|response)>|<\|(?:begin|end)_of_(?:box|solution)\|>|<\|(?:START|END)_RESPONSE\|>"
    r"|<\|(?:return|end|im_end|eot_id|endoftext)\|>"
)
# The end of a text that may become a mark.
BEGUN = re.compile(
    r"(?:<\|(?:start|channel)\|>[^<]*)?<[^<>]{0,40}\Z|<\|(?:start|channel)\|>[^<]*\Z|[\[◁][^\]▷]{0,8}\Z"
    r"|<(?:\|channel|unused94)>\w{0,8}\Z"
)
PLAIN = ("analysis", "Here is my thought process:")  # starts that are words
LEARNT_TOKENS = 4096  # for the thoughts of a model that has been seen to think
REMEDY = (
    "raise mllm.thinking_tokens, or stop it from thinking, for many models by"
    " mllm.chat_template_kwargs={enable_thinking: false}"
)


class ThinkingBackend(MllmBackend):
    """The settings of a language model that may think before it answers."""

    thinking_tokens: Annotated[int | None, OPERATIONAL] = Field(
        None,
        ge=0,
        description="tokens that the model may think, on top of those of its answer; null: none until it is"
        f" seen to think, then {LEARNT_TOKENS:,}",
    )
    chat_template_kwargs: dict[str, Any] = Field(
        {}, description="arguments of the model's chat template, such as {enable_thinking: false}"
    )


@dataclass(frozen=True)
class Said:
    """A reply, taken apart.

    Attributes:
        answer: The answer, without marks; "" if the model never came to it.
        thought: What it thought.
        unfinished: Whether it was still thinking when the text ended.
        unmarked: Whether the thought has an end but no start: the chat template has written that.
        raw: The answer with its marks.
    """

    answer: str
    thought: str = ""
    unfinished: bool = False
    unmarked: bool = False
    raw: str = ""

    @property
    def share(self) -> float:
        """How much of the characters is thought, 0 to 1."""
        return len(self.thought) / (len(self.thought) + len(self.answer) or 1)

    def without_answer(self, cut: bool) -> str:
        """Say why there is no answer; `cut`: the tokens ran out."""
        return (
            f"it was still thinking when its tokens ran out; {REMEDY}"
            if cut
            else "it thought, and said no more"
        )


def take_apart(text: str, opened: bool = False) -> Said:
    """Tell what a model thought from what it answered.

    Args:
        text: Its reply.
        opened: Whether the prompt ended with the start of a thought.
    """
    marks = [(mark, str(mark.lastgroup).startswith("open")) for mark in MARK.finditer(text)]
    unmarked = bool(marks) and not opened and not marks[0][1]
    thinking, ended, at = opened or unmarked, False, 0
    answer, thought = "", ""
    for mark, starts in marks:
        piece, at = text[at : mark.start()], mark.end()
        if thinking:
            thought += piece
        elif starts or (ended and not text[at:].strip()):
            answer += piece
        else:  # an end without a start: all of it was thought
            answer, thought = "", thought + answer + piece
        thinking, ended = starts, ended or not starts
    rest = text[at:]
    thought, answer = (thought + rest, answer) if thinking else (thought, answer + rest)
    return Said(_bare(answer), thought.strip(), thinking, unmarked and bool(thought.strip()), answer.strip())


def starts_thought(prompt: str) -> bool:
    """Whether the end of a prompt is the start of a thought, as some chat templates write it."""
    marks = [*MARK.finditer(prompt)]
    return bool(marks) and str(marks[-1].lastgroup).startswith("open")


def _bare(text: str) -> str:
    wrapped = WRAPPED.findall(text)
    text = wrapped[-1][1] if wrapped else text
    boxed = BOXED.findall(text)  # a choice; in descriptions, words of the sentence are boxed
    return LOOSE.sub("", boxed[-1] if boxed else text).strip()


class Habits:
    """What is known about a model's thinking; several threads may learn at once."""

    def __init__(self, config: ThinkingBackend) -> None:
        self._tokens = config.thinking_tokens
        self.thinks: bool | None = None
        self.unmarked = False

    @property
    def budget(self) -> int:
        """Tokens that its thoughts may take, on top of its answer's."""
        return (LEARNT_TOKENS if self.thinks else 0) if self._tokens is None else self._tokens

    @property
    def may_learn(self) -> bool:
        """Whether a reply that was cut off may be worth asking for again, with room for thoughts."""
        return self._tokens is None and not self.thinks

    def take_apart(self, text: str, cut: bool, reasoning: str = "", opened: bool = False) -> Said:
        """Tell thought from answer, and learn from it.

        Args:
            text: The reply.
            cut: Whether it was cut off because its tokens ran out.
            reasoning: What the server has already taken out of it.
            opened: Whether the prompt ended with the start of a thought.
        """
        # A model that thinks may do without; but where it was cut off, it had room for more than an answer.
        said = take_apart(text, opened or (cut and bool(self.unmarked or self.budget) and not reasoning))
        if reasoning.strip():
            said = Said(
                said.answer, f"{reasoning}\n{said.thought}".strip(), said.unfinished or not said.answer
            )
        if said.thought:
            self.thinks = True
            self.unmarked = self.unmarked or said.unmarked or opened
        return said


class Answering:
    """Lets the answer through while a reply arrives in pieces, and keeps back what is thought.

    Attributes:
        rest: What `feed` has kept back of the answer; set by `end`.
    """

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._text = self._sent = self._reasoning = self.rest = ""

    def reason(self, piece: str) -> None:
        """Take a piece of what the server has already told from the answer."""
        self._reasoning += piece

    def feed(self, piece: str) -> str:
        """Take a piece of the reply; return what is certain to be more of the answer."""
        self._text += piece
        unsure = self._habits.unmarked and not self._reasoning and not MARK.search(self._text)
        if unsure or any(start.startswith(self._text) for start in PLAIN):
            return ""  # it may be a thought
        begun = BEGUN.search(self._text)
        certain = self._text[: begun.start()] if begun else self._text
        answer, words = take_apart(certain).answer, certain.rstrip()
        space = certain[len(words) :] if answer and words.endswith(answer) else ""
        return self._more(answer + space)

    def end(self, cut: bool) -> Said:
        """Take the reply apart, now that it is complete.

        Args:
            cut: Whether it was cut off because its tokens ran out.
        """
        said = self._habits.take_apart(self._text, cut, self._reasoning)
        self.rest = self._more(said.answer)
        return said

    def _more(self, answer: str) -> str:
        if not answer.startswith(self._sent):  # what was sent has turned out to be thought
            return ""
        more, self._sent = answer[len(self._sent) :], answer
        return more


def start_of(answer: str, tokens: Sequence[str]) -> int:
    """Return the place of the token with which an answer begins.

    Args:
        answer: The last words of a reply.
        tokens: All tokens of the reply, as they are spelt.

    Raises:
        ValueError: They do not spell it.
    """
    if not answer:
        raise ValueError("there is no answer")
    at = "".join(tokens).rindex(answer)
    ends = accumulate(map(len, tokens))
    return next(k for k, end in enumerate(ends) if end > at)


def with_reasoning(message: Mapping[str, Any]) -> tuple[str, str]:
    """Return the answer and the reasoning of a message, as the servers name it."""
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return message.get("content") or "", reasoning if isinstance(reasoning, str) else ""
