"""VQAScore: how likely a model finds it that a clip shows what a text says (Lin et al. 2024, 2404.01291)."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from stages.models.protocols import Mllm, Reply, Request

QUESTION = 'Does this video show "{text}"? Please answer Yes or No.'


class AlignmentScorer(Protocol):
    """Scores texts against the frames of one clip."""

    name: str
    version: str

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        """frames: (T, H, W, 3) uint8 RGB at times (T,) seconds. A score, 0 to 1, each; None: no answer."""
        ...


class MllmAlignment:
    """P("Yes" | clip, question) as the first token of the answer of an MLLM."""

    def __init__(self, mllm: Mllm) -> None:
        self._mllm = mllm
        self.name, self.version = mllm.name, mllm.version

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        questions = [QUESTION.format(text=text) for text in texts]
        replies = self._mllm.generate(
            [
                Request(text, text, "both", frames, times, max_tokens=1, logprob_tokens=("Yes", "No"))
                for text in questions
            ]
        )
        return [probability(reply) for reply in replies]


def probability(reply: Reply) -> float | None:
    """P("Yes") of a reply, 0 to 1; None where it tells nothing of either answer.

    A model lists its likeliest tokens only: No without Yes means that Yes has next to no probability.
    """
    if "Yes" in reply.logprobs:
        return math.exp(reply.logprobs["Yes"])
    return 0.0 if "No" in reply.logprobs else None
