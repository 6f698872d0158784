"""VQAScore by the annotating model."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from filters.vqascore import QUESTION, probability
from pipeline.errors import CallError
from stages.models.backend import AlignmentBackend
from stages.models.protocols import Mllm, Request


class MllmAlignmentConfig(AlignmentBackend):
    """P(Yes) by the annotating model, which must report log-probabilities."""

    reentrant: ClassVar[bool] = True  # the annotating model sees to that

    backend: Literal["mllm"] = "mllm"

    def build(self, mllm: Mllm | None = None) -> "MllmAlignment":
        """Wrap the annotating model.

        Raises:
            CallError: There is none, because the scorer would run in an actor.
        """
        if mllm is None:
            raise CallError("vqascore.backend=mllm has no model of its own, so it cannot run in an actor")
        return MllmAlignment(mllm)


class MllmAlignment:
    """An `AlignmentScorer`: P("Yes" | clip, question) as the first token of an MLLM's answer."""

    def __init__(self, mllm: Mllm) -> None:
        self._mllm = mllm
        self.name, self.version = mllm.name, mllm.version

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        """Score texts; see `AlignmentScorer`."""
        questions = [QUESTION.format(text=text) for text in texts]
        replies = self._mllm.generate(
            [
                Request(text, text, "both", frames, times, max_tokens=1, logprob_tokens=("Yes", "No"))
                for text in questions
            ]
        )
        return [probability(reply.logprobs) for reply in replies]
