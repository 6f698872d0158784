"""FAVOR-Bench's published rules: its own, and those by which MotionSight and MotionChat were evaluated on it.

Sources: FAVOR-Bench/FAVOR-Bench (`inference_qa_qwen.py`, `analyze_qa.py`), NJU-PCALab/MotionSight
(`eval/motionsight/eval_favorbernch.py`, `eval/motionchat/motionchat.py`).
"""

from typing import Any

import numpy as np

from stages.evaluate.protocols.protocol import UNREAD, BenchmarkProtocol, Reading, one
from stages.evaluate.protocols.scoring import Judged, averaged
from stages.evaluate.protocols.strict import STRICT
from stages.evaluate.question import BenchmarkQuestion
from stages.models.protocols import Category

# The questions of each kind, by which the script divides however many were asked.
QUESTIONS = {"AS": 2637, "HAC": 1541, "SAD": 1662, "MAD": 1205, "CM": 1075, "NSM": 64}
ALL_QUESTIONS = 8184
PIXELS = 360 * 420


def asked(question: BenchmarkQuestion, _: int) -> str:
    """Write the prompt of the script; the options are a Python list of unlettered texts."""
    return (
        "Carefully watch the video and pay attention to temporal dynamics in this video, focusing on the"
        " camera motions, actions, activities, and interactions. Based on your observations, select the best"
        f" option that accurately addresses the question.\n{question.question}\n"
        f"You can only response with the answer among {list(question.options)}"
    )


def lettered(question: BenchmarkQuestion, _: int) -> str:
    """Write MotionChat's prompt of its first stage: the question and its lettered options."""
    return question.text


def contained(reply: str, question: BenchmarkQuestion) -> Reading:
    """Accept every option whose text is in the reply, in any case, unless a longer one with that text is."""
    text = reply.lower()
    found = tuple(
        letter
        for letter, option in zip(question.choices, question.options, strict=True)
        if option.lower() in text
        and not any(
            other.lower() in text for other in question.options if other != option and option in other
        )
    )
    return Reading(found, bool(found))


def contained_anyway(reply: str, question: BenchmarkQuestion) -> Reading:
    """Accept every option whose text is in the reply, in any case."""
    text = reply.lower()
    options = zip(question.choices, question.options, strict=True)
    found = tuple(letter for letter, option in options if option.lower() in text)
    return Reading(found, bool(found))


def first_character(reply: str, question: BenchmarkQuestion) -> Reading:
    """Take the first character of the reply, in any case."""
    return one(reply[:1].upper(), question) if reply else UNREAD


def scored(run: Judged, weights: np.ndarray) -> dict[str, Any]:
    """Score as FAVOR-Bench's script does: by the numbers of questions in the whole benchmark."""
    right = weights * run.right
    return averaged(
        {
            name: float(right[run.category == name].sum()) / QUESTIONS[name] if name in QUESTIONS else None
            for name in run.categories
        },
        overall=float(right.sum()) / ALL_QUESTIONS,
    )


def category(question: BenchmarkQuestion) -> Category:
    """The camera for questions of the kind CM, objects for all others."""
    return "camera" if question.category == "CM" else "object"


PROTOCOLS = {
    "strict": STRICT,
    "official": BenchmarkProtocol(
        "FAVOR-Bench/FAVOR-Bench",
        contained,
        {"accuracy": scored},
        asked,
        {"fps": 1.0, "spread": "ends", "max_pixels": PIXELS},
        by_text=True,
    ),
    "motionsight": BenchmarkProtocol(
        "NJU-PCALab/MotionSight",
        contained_anyway,
        {"accuracy": scored},
        lambda question, count: (
            f'Here is the question: "{asked(question, count)}".\n\nReply based on the above information.'
        ),
        {"count": 16, "fps": None, "spread": "middles", "max_pixels": PIXELS},
        category=category,
        by_text=True,
    ),
    "motionchat": BenchmarkProtocol(
        "NJU-PCALab/MotionSight, MotionChat after SFT",
        first_character,
        {"accuracy": scored},
        lettered,
        {"fps": 1.0, "spread": "ends", "max_pixels": PIXELS},
    ),
    "motionchat_dpo": BenchmarkProtocol(
        "NJU-PCALab/MotionSight, MotionChat after DPO",
        first_character,
        {"accuracy": scored},
        lambda question, count: (
            f"Describe the movements of the main subjects in this clip.\n{lettered(question, count)}\n"
            "Please respond with only the letter of the correct answer."
        ),
        {"fps": 1.0, "spread": "ends", "max_pixels": PIXELS},
    ),
}
