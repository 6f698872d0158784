"""TVBench's published rules: its own, which are MVBench's, and lmms-eval's.

Sources: daniel-cores/tvbench (`infer.ipynb`, `vqa_dataset.py`), EvolvingLMMs-Lab/lmms-eval (`tasks/tvbench`).
"""

import re

from stages.evaluate.protocols.protocol import UNREAD, BenchmarkProtocol, Reading, one
from stages.evaluate.protocols.strict import STRICT
from stages.evaluate.question import BenchmarkQuestion

LETTER = re.compile(r"\b([A-Z])\b")
START = re.compile(r"\s*[\[(]?([A-Z])[\]).:]?")


def asked(question: BenchmarkQuestion, _: int) -> str:
    """Write the prompt of the notebook."""
    options = "\n".join(
        f"({letter}) {text}" for letter, text in zip(question.choices, question.options, strict=True)
    )
    return (
        "Carefully watch the video and pay attention to the cause and sequence of events, the detail and"
        " movement of objects, and the action and pose of persons. Based on your observations, select the"
        f" best option that accurately addresses the question.\nQuestion: {question.question}\n"
        f"Options:\n{options}\n"
        "Only give the best option."
    )


def first_word(reply: str, question: BenchmarkQuestion) -> Reading:
    """Compare the first word of the reply with "(a)", in either direction.

    The script puts a "(" before the reply, which it has the model begin with. An empty reply is therefore
    part of every right answer.
    """
    word = "(" + reply.strip().split("\n")[0].lower().split(" ")[0]
    bare = word.replace(".", "")
    options = [f"({letter.lower()})" for letter in question.choices]
    found = tuple(
        letter
        for letter, option in zip(question.choices, options, strict=True)
        if bare in option or option in word
    )
    return Reading(found, len(found) == 1)


def letter_or_text(reply: str, question: BenchmarkQuestion) -> Reading:
    """Take the first lone letter of the upper-case reply, else its first letter, else the one text in it."""
    text = reply.strip().upper()
    for found in (LETTER.search(text), START.match(text)):
        if found and found[1] in question.choices:
            return one(found[1], question)
    words = " ".join(reply.lower().split())
    named = [
        letter
        for letter, option in zip(question.choices, question.options, strict=True)
        if (plain := " ".join(option.lower().split())) and plain in words
    ]
    return one(named[0], question) if len(named) == 1 else UNREAD


PROTOCOLS = {
    "strict": STRICT,
    "official": BenchmarkProtocol(
        "daniel-cores/tvbench",
        first_word,
        ask=asked,
        frames={"count": 16, "fps": None, "spread": "middles"},
    ),
    "lmms_eval": BenchmarkProtocol(
        "lmms-eval, tasks tvbench_*",
        letter_or_text,
        ask=lambda question, _: f"{question.text}\nAnswer with the option letter only.",
        whole_video=True,
    ),
}
