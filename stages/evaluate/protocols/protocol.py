"""What a protocol is: how a question is put, on which frames, how a reply is read, and what is scored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stages.evaluate.protocols.scoring import Scoring, accuracy, average_precision
from stages.evaluate.question import LETTERS, BenchmarkQuestion
from stages.models.protocols import Category
from stages.motionsight.prompt import VisualPrompt

DEFAULT = "strict"


class Reading(NamedTuple):
    """What a protocol makes of a reply.

    Attributes:
        accepted: The choices that would count as right if they were the right one: letters, or Yes and No. A
            reader that looks for the right answer anywhere in the reply may accept several of them.
        clear: Whether the reader found a choice in the reply. One that guesses, or that accepts an empty
            reply, has accepted choices and is not clear.
    """

    accepted: tuple[str, ...] = ()
    clear: bool = False


UNREAD = Reading()
Reader = Callable[[str, BenchmarkQuestion], Reading]


def one(choice: str | None, question: BenchmarkQuestion) -> Reading:
    """The reading of a reader that takes one choice from a reply, or none."""
    return Reading((choice,), True) if choice in question.choices else UNREAD


def no_swap(_: BenchmarkQuestion) -> Mapping[VisualPrompt, VisualPrompt]:
    """Show every question the visual prompts that it would get anyway."""
    return {}


@dataclass(frozen=True)
class BenchmarkProtocol:
    """The rules by which a benchmark is asked and scored.

    Attributes:
        source: Whose rules these are, in a few words.
        read: Reads a reply.
        scores: How runs are scored, by the score's name, the score that is published first.
        ask: Writes the text that goes to the model, from a question and the number of frames; None: the
            question, with a sentence that asks for a letter, or for Yes or No.
        frames: Settings of `frames` that the rules fix.
        category: Says what a question is about from its label in the file; None: that is decided from the
            question, as for any other.
        swap: Which visual prompts stand in for others in a question.
        asks_hidden: Whether questions whose answers are not published are asked.
        whole_video: Whether the model sees all of a video, where a question names a part of it.
        by_text: Whether a reply is to be the text of an option instead of its letter.
    """

    source: str
    read: Reader
    scores: Mapping[str, Scoring] = field(
        default_factory=lambda: {"accuracy": accuracy, "average_precision": average_precision}
    )
    ask: Callable[[BenchmarkQuestion, int], str] | None = None
    frames: Mapping[str, Any] = field(default_factory=dict)
    category: Callable[[BenchmarkQuestion], Category] | None = None
    swap: Callable[[BenchmarkQuestion], Mapping[VisualPrompt, VisualPrompt]] = no_swap
    asks_hidden: bool = True
    whole_video: bool = False
    by_text: bool = False

    def reply(self, question: BenchmarkQuestion, choice: str | None) -> str:
        """Write the reply of one who has made this choice; "" for none."""
        if choice and self.by_text and question.options:
            return question.options[LETTERS.index(choice)]
        return choice or ""
