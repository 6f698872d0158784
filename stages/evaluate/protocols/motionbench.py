"""MotionBench's published rules: its own, lmms-eval's, and those of MotionSight's evaluation.

Sources: THUDM/MotionBench (`compute_accuracy.py`, `answer_util.py`), EvolvingLMMs-Lab/lmms-eval
(`tasks/motionbench`), NJU-PCALab/MotionSight (`eval/motionsight/eval_motionbench.py`).
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.evaluate.protocols.protocol import UNREAD, BenchmarkProtocol, Reading, one
from stages.evaluate.protocols.scoring import Judged, averaged, share
from stages.evaluate.protocols.strict import STRICT
from stages.evaluate.question import BenchmarkQuestion
from stages.models.protocols import Category
from stages.motionsight.prompt import VisualPrompt

# lmms-eval removes these from a reply before it looks for a letter, in this order.
PREAMBLES = (
    "THE BEST ANSWER IS",
    "THE CORRECT ANSWER IS",
    "THE ANSWER IS",
    "BEST ANSWER:",
    "ANSWER:",
)
# Where lmms-eval looks for a letter, whatever the question's options are.
PLACES = (r"\b([A-F])\b", r"([A-F])[.):]", r"([A-F])")


def polished(reply: str, question: BenchmarkQuestion) -> Reading:
    """Take one character: the first of what stands before a ")", behind a "(", and before a space."""
    start = reply.strip().split(")")[0].strip()
    if "(" in start:
        start = start.split("(")[1].strip()
    return one(start.split(" ")[0][:1], question)


def scored(run: Judged, weights: np.ndarray) -> dict[str, Any]:
    """Score as MotionBench's script does.

    In a category, the answered questions with a published answer count. Overall, one without an answer counts
    too, even if its right answer is hidden. `answered` is the share of right answers among all answered
    questions, those with hidden answers included.
    """
    known = run.published & run.answered
    return averaged(
        {name: share(run.right, known & (run.category == name), weights) for name in run.categories},
        overall=share(run.right, known | ~run.answered, weights),
        answered=share(run.right, run.answered, weights),
    )


def first_letter(reply: str, question: BenchmarkQuestion) -> Reading:
    """Take the first letter from A to F that lmms-eval's patterns find in the upper-case reply."""
    text = reply.split("</think>")[-1].strip().upper()
    for preamble in PREAMBLES:
        text = text.replace(preamble, "")
    for place in PLACES:
        if found := re.search(place, text):
            return one(found[1], question)
    return UNREAD


def contained(reply: str, question: BenchmarkQuestion) -> Reading:
    """Accept every option whose letter is somewhere in the reply, also within a word."""
    found = tuple(letter for letter in question.choices if letter in reply)
    return Reading(found, bool(found))


def category(question: BenchmarkQuestion) -> Category:
    """The camera for questions of the category Camera Motion, objects for all others."""
    return "camera" if question.category == "Camera Motion" else "object"


def cropped(question: BenchmarkQuestion) -> Mapping[VisualPrompt, VisualPrompt]:
    """The crop in place of the spotlight for questions of the category Repetition Count."""
    return {"spotlight": "crop"} if question.category == "Repetition Count" else {}


PROTOCOLS = {
    "strict": STRICT,
    "official": BenchmarkProtocol("THUDM/MotionBench", polished, {"accuracy": scored}),
    "lmms_eval": BenchmarkProtocol(
        "lmms-eval, task motionbench_full",
        first_letter,
        ask=lambda question, _: (
            f"{spaced(question)}\nAnswer with only the option letter (A, B, C, D, E, or F)."
        ),
        asks_hidden=False,
        whole_video=True,
    ),
    "motionsight": BenchmarkProtocol(
        "NJU-PCALab/MotionSight",
        contained,
        ask=lambda question, _: (
            f'Here is the question: "{question.text}\nAnswer with only the option letter.".\n\n'
            "Reply based on the above information. Answer only the answer letter without showing your"
            " process."
        ),
        frames={"count": 16, "fps": None, "spread": "middles", "max_pixels": 360 * 420},
        category=category,
        swap=cropped,
        asks_hidden=False,
        whole_video=True,
    ),
}


def spaced(question: BenchmarkQuestion) -> str:
    """The question and its options, one per line, each with single spaces."""
    return "\n".join(" ".join(line.split()) for line in (question.question, *question.lettered))
