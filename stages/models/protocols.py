"""The interfaces of swappable models, one Protocol for each kind, and the data that they exchange.

This file must not import any package but NumPy, so that it loads in the environment of every model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from filters.evidence import Evidence, Track

if TYPE_CHECKING:  # it imports OpenCV, which a model's environment may lack
    from filters.camera.motion import Motion
    from filters.objects import Shifts

Category = Literal["object", "camera", "both"]


@dataclass(frozen=True)
class Request:
    """One request to an MLLM.

    Attributes:
        prompt: The complete text.
        question: The bare question that it contains.
        category: What the question is about.
        frames: (T, H, W, 3) uint8 RGB; in order of time, once for each visual prompt.
        times: (T,) seconds, of the frames.
        evidence: The measurements. A model that reads text and pixels sees them only if the prompt spells
            them out.
        seed: Seed for models that vary their wording.
        max_tokens: Length limit of the answer, tokens.
        temperature: Sampling temperature; 0: always the likeliest token.
        json_schema: Schema that the reply has to conform to; None: the reply is plain text.
        logprob_tokens: Tokens whose log-probabilities as the first token of the answer are wanted.
        to_person: Whether a person is waiting for the answer, who is to be told what cannot be told.
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
    to_person: bool = False


@dataclass(frozen=True)
class Reply:
    """The reply of an MLLM to one request. Token counts are sums over all attempts.

    Attributes:
        text: The answer; "" if there is none.
        tokens: Tokens read and written.
        logprobs: Natural log-probabilities, by requested token.
        error: Key of `pipeline.errors.ERRORS` if there is no answer.
        detail: A sentence about the error.
        prompt_tokens: Tokens read; 0 if unknown.
        cached_tokens: Those of them that came from a prefix cache; 0 if unknown.
        requests: Number of attempts.
        thought_tokens: Tokens written before the answer, as thoughts.
    """

    text: str
    tokens: int = 0
    logprobs: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    detail: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    requests: int = 1
    thought_tokens: int = 0


class Model(Protocol):
    """What every model has: its name, and the version that goes into the tables."""

    name: str
    version: str


class Mllm(Protocol):
    """A multimodal language model.

    Attributes:
        name: The name that tables record.
        version: The version that tables record.
    """

    name: str
    version: str

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Return one reply for each request, in order; the reply to a failed request has an error."""
        ...


@dataclass(frozen=True)
class Detections:
    """The objects that a detector found in one frame.

    Attributes:
        boxes: (N, 4) float32 xyxy pixels.
        scores: (N,) 0 to 1.
        labels: N names; "" for an object without one.
        keys: N numbers, by which the detector knows objects again in other frames; none if it does not.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: tuple[str, ...]
    keys: tuple[int, ...] = ()


@dataclass(frozen=True)
class View:
    """A clip as detectors and trackers see it.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB.
        times: (T,) seconds.
        motion: Optical flow and camera motion of the clip.
    """

    frames: np.ndarray
    times: np.ndarray
    motion: "Motion"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    @cached_property
    def shifts(self) -> "Shifts":
        """How the clip's points shift by themselves; each object is measured by them."""
        from filters.objects import shifts

        return shifts(self.motion)


class Detector(Protocol):
    """Finds objects in single frames.

    Attributes:
        name: The name that tables record.
        version: The version that tables record.
    """

    name: str
    version: str

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        """Find objects at some of the times of a view.

        Args:
            view: The clip.
            labels: Names to search for; ignored by a detector that finds whatever moves.

        Returns:
            Detections by time, seconds.

        Raises:
            ClipError: The detector failed on this clip.
        """
        ...


class Tracker(Protocol):
    """Follows detected objects through all frames of a view.

    Attributes:
        name: The name that tables record.
        version: The version that tables record.
    """

    name: str
    version: str

    def track(self, view: View, found: Mapping[float, Detections]) -> list[Track]:
        """Follow detections through a view.

        Args:
            view: The clip.
            found: Detections by time, seconds.

        Returns:
            Tracks, the most salient first.

        Raises:
            ClipError: The tracker failed on this clip.
        """
        ...


class AlignmentScorer(Protocol):
    """Scores how well texts describe a clip.

    Attributes:
        name: The name that tables record.
        version: The version that tables record.
    """

    name: str
    version: str

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        """Score each text.

        Args:
            frames: (T, H, W, 3) uint8 RGB.
            times: (T,) seconds, of the frames.
            texts: Statements about the clip.

        Returns:
            A score for each text, 0 to 1; None where there is none.
        """
        ...
