"""What was measured of a clip, in the form in which it goes on to answers and checks."""

from dataclasses import dataclass

import numpy as np


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
    masks: (T,) run lengths as in `stages.video.masks`, None where it was not seen. Empty without masks.
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
    masks: tuple[dict[str, list[int]] | None, ...] = ()


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
