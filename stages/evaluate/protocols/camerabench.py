"""CameraBench's published rules: its own for binary classification, and lmms-eval's for its questions.

Sources: linzhiqiu/t2v_metrics (`camerabench/binary_classification_*.py`), EvolvingLMMs-Lab/lmms-eval
(`tasks/camerabench_vqa`).
"""

import re
from typing import Any

import numpy as np

from stages.evaluate.protocols.protocol import UNREAD, BenchmarkProtocol, Reading, one
from stages.evaluate.protocols.scoring import Judged, accuracy, averaged, precision
from stages.evaluate.protocols.strict import STRICT, read
from stages.evaluate.question import BenchmarkQuestion

WORD = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


def scored(run: Judged, weights: np.ndarray) -> dict[str, Any]:
    """Score as CameraBench's script does.

    Answers without a score are left out, and a kind of question in which all that is left has one right
    answer counts as 0.
    """
    found: dict[str, float | None] = {}
    for name in run.categories:
        group = run.yes_no & (run.category == name) & run.answered & np.isfinite(run.score) & (weights > 0)
        positive = run.positive[group]
        if not len(positive):
            found[name] = None
        elif positive.all() or not positive.any():
            found[name] = 0.0
        else:
            found[name] = precision(positive, run.score[group], weights[group])
    return averaged(found)


def first_word(reply: str, question: BenchmarkQuestion) -> Reading:
    """Take whichever of the words yes and no comes first, anywhere in the reply."""
    found = WORD.search(reply)
    return one(found[1].capitalize(), question) if found else UNREAD


PROTOCOLS = {
    "strict": STRICT,
    "official": BenchmarkProtocol(
        "linzhiqiu/t2v_metrics, binary classification",
        read,
        {"average_precision": scored},
        lambda question, _: f"{question.question} Please only answer Yes or No.",
        whole_video=True,
    ),
    "lmms_eval": BenchmarkProtocol(
        "lmms-eval, task camerabench_vqa",
        first_word,
        {"accuracy": accuracy},
        lambda question, _: f"{question.question} Please answer Yes or No.",
        whole_video=True,
    ),
}
