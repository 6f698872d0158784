"""What a swappable model is asked and what it gives: one small Protocol for each kind.

A backend imports its heavy package inside itself; this file needs numpy alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from filters.evidence import Evidence, Track

if TYPE_CHECKING:  # it needs OpenCV, which the environment of a model may lack
    from filters.camera.motion import Motion

Category = Literal["object", "camera", "both"]


@dataclass(frozen=True)
class Request:
    """One call to an MLLM.

    prompt: the text, the template already filled in. question: the bare question in it.
    frames: (T, H, W, 3) uint8 RGB, in order of time, at the times (T,) in seconds.
    evidence: what was measured; a text-and-pixels model gets it only where the prompt spells it out.
    seed: what a model that varies its wording should vary it by.
    json_schema: the reply must be JSON of this schema. logprob_tokens: wanted log-probabilities of the
        first token of the answer.
    """

    prompt: str
    question: str
    category: Category
    frames: np.ndarray
    times: np.ndarray
    evidence: Evidence | None = None
    seed: int = 0
    max_tokens: int = 256
    temperature: float = 0.0
    json_schema: Mapping[str, Any] | None = None
    logprob_tokens: Sequence[str] = ()


@dataclass(frozen=True)
class Reply:
    """text: the answer. tokens: how many were read and written. logprobs: by wanted token, natural log.

    error, detail: a code out of `pipeline.errors.ERRORS` and a sentence, where there is no answer (text "").
    prompt_tokens: how many of the tokens were read; cached_tokens: how many of those came from a prefix
    cache. Both 0 where the model does not tell, and both, like tokens, summed over repeated attempts.
    requests: how many attempts that were.
    """

    text: str
    tokens: int = 0
    logprobs: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    detail: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    requests: int = 1


class Mllm(Protocol):
    """A multimodal language model: requests in, one reply for each, in the same order."""

    name: str
    version: str

    def generate(self, requests: Sequence[Request]) -> list[Reply]: ...


@dataclass(frozen=True)
class Detections:
    """What a detector found in one frame: boxes (N, 4) float32 xyxy pixels, scores (N,) 0 to 1, labels."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """What referring looks at: frames (T, H, W, 3) uint8 RGB at times (T,) seconds, and the clip's motion."""

    frames: np.ndarray
    times: np.ndarray
    motion: "Motion"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, pixels."""
        return self.frames.shape[2], self.frames.shape[1]


class Detector(Protocol):
    """Finds the objects of the given names (all that move, for a detector that cannot name) at some times."""

    name: str
    version: str

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]: ...


class Tracker(Protocol):
    """Carries detections through the frames of a view: tracks, the most salient first."""

    name: str
    version: str

    def track(self, view: View, found: Mapping[float, Detections]) -> list[Track]: ...


class AlignmentScorer(Protocol):
    """Scores texts against the frames of one clip."""

    name: str
    version: str

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        """Score each text.

        Args:
            frames: (T, H, W, 3) uint8 RGB.
            times: (T,) of the frames, seconds.
            texts: What the clip may show.

        Returns:
            A score for each text, 0 to 1; None: no answer.
        """
        ...
