"""VQAScore by the model that annotates."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from filters.vqascore import QUESTION, probability
from pipeline.errors import CallError
from stages.models.backend import AlignmentBackend
from stages.models.protocols import Mllm, Request


class MllmAlignmentConfig(AlignmentBackend):
    """P(Yes) by the model that annotates, which must give log-probabilities."""

    backend: Literal["mllm"] = "mllm"

    def build(self, mllm: Mllm | None = None) -> "MllmAlignment":
        """Wrap the model. Raises CallError without one."""
        if mllm is None:
            raise CallError("vqascore.backend=mllm has no model of its own, so it cannot run in an actor")
        return MllmAlignment(mllm)


class MllmAlignment:
    """P("Yes" | clip, question) as the first token of the answer of an MLLM."""

    def __init__(self, mllm: Mllm) -> None:
        self._mllm = mllm
        self.name, self.version = mllm.name, mllm.version

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        """Score texts against frames; see `AlignmentScorer`."""
        questions = [QUESTION.format(text=text) for text in texts]
        replies = self._mllm.generate(
            [
                Request(text, text, "both", frames, times, max_tokens=1, logprob_tokens=("Yes", "No"))
                for text in questions
            ]
        )
        return [probability(reply.logprobs) for reply in replies]
