"""What a swappable model is asked and what it gives: one small Protocol for each kind.

A backend imports its heavy package inside itself; this file needs numpy alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from filters.camera import Motion

Category = Literal["object", "camera", "both"]


@dataclass(frozen=True)
class CameraMotion:
    """How the camera moved over a shot, all signs from the camera's point of view.

    labels: names out of `pipeline.schema.CAMERA_LABELS`; empty when the camera moves but no single
        direction can be stood behind (strong parallax). `static` and `shake` stand alone.
    pan: frame widths per second, positive to the right. tilt: frame heights per second, positive down.
    zoom: e-folds of scale per second, positive in. roll: degrees per second, positive clockwise.
    shake: root mean square of the jitter about the smooth path, share of the frame width.
    fit: 0 to 1, the share of the textured frame that the camera's motion explains.
    """

    labels: tuple[str, ...]
    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    roll: float = 0.0
    shake: float = 0.0
    fit: float = 1.0


@dataclass(frozen=True)
class Track:
    """One object through the sampled frames of a clip.

    label: what the detector called it ("" when it cannot name things).
    times: (T,) float64, seconds. boxes: (T, 4) float32 xyxy pixels, NaN where it was not seen.
    scores: (T,) float32, 0 to 1, 0 where it was not seen.
    velocity: (2,) the object's own mean motion, the camera's taken out: frame widths per second to the
        right, frame heights per second down.
    growth: e-folds of apparent size (square root of the area) per second, the camera's zoom taken out;
        positive when it grows, as when it comes nearer.
    speed: its mean own speed whatever the direction, frame diagonals per second: well above the length of
        `velocity` for what moves to and fro.
    moving: (start, end) in seconds of its own movement.
    phases: the stretches in which it keeps to one direction, in order: (start, end, x, y), times in seconds,
        mean own velocity as in `velocity`. Empty where it never does for long.
    """

    label: str
    times: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    velocity: tuple[float, float]
    growth: float = 0.0
    speed: float = 0.0
    moving: tuple[float, float] = (0.0, 0.0)
    phases: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What was measured of a clip: width and height in pixels, the camera, the objects (largest first).

    flow_mean: mean flow of the frame, share of the diagonal per second, camera included.
    object_area: share of the frame that moves on its own, 0 to 1.
    """

    width: int
    height: int
    duration_s: float
    camera: CameraMotion
    tracks: tuple[Track, ...] = ()
    object_area: float = 0.0
    flow_mean: float = 0.0


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
    """text: the answer. tokens: how many were read and written. logprobs: by wanted token, natural log."""

    text: str
    tokens: int = 0
    logprobs: Mapping[str, float] = field(default_factory=dict)


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
