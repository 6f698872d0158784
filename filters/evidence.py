"""What was measured of a clip: the input of answers and of checks."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CameraMove:
    """One move of the camera: a stretch of time in which it goes one way.

    Attributes:
        label: A name from `pipeline.schema.CAMERA_LABELS`.
        start: Seconds.
        end: Seconds.
        amount: How far it goes, at least 0: frame widths (pan, truck), frame heights (tilt, pedestal),
            e-folds of scale (zoom, dolly) or degrees (roll).
    """

    label: str
    start: float
    end: float
    amount: float

    @property
    def rate(self) -> float:
        """Amount per second."""
        return self.amount / max(self.end - self.start, 1e-9)


@dataclass(frozen=True)
class CameraMotion:
    """How the camera moved over a shot; all signs are the camera's, not the scene's.

    Attributes:
        labels: Names from `pipeline.schema.CAMERA_LABELS`; empty when nothing is certain, for `reason`.
            `static` and `shake` never come with other labels.
        pan: Frame widths per second, positive to the right.
        tilt: Frame heights per second, positive down.
        zoom: E-folds of scale per second, positive in.
        roll: Degrees per second, positive clockwise.
        shake: Root mean square of the jitter around the smooth path, share of the frame width.
        fit: Share of the textured frame that the camera's motion explains, 0 to 1.
        moves: The moves that the labels come from, by their start; none for `static` and `shake`.
        reason: Why there is no label; "" if there is one.
        rests: The times at which it stands still between moves, start and end in seconds.
    """

    labels: tuple[str, ...]
    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    roll: float = 0.0
    shake: float = 0.0
    fit: float = 1.0
    moves: tuple[CameraMove, ...] = ()
    reason: str = ""
    rests: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Track:
    """One object in T sampled frames of a clip.

    Attributes:
        label: The detector's name for it; "" from a detector without names.
        times: (T,) float64, seconds.
        boxes: (T, 4) float32, xyxy pixels, NaN where it was not seen.
        scores: (T,) float32, 0 to 1; 0 where it was not seen.
        velocity: (2,) mean own motion, the camera's removed: frame widths per second to the right, frame
            heights per second down.
        growth: E-folds of apparent size (square root of the area) per second; positive when it grows, for
            instance by coming closer. NaN where its size is not known.
        speed: Mean own speed regardless of direction, frame diagonals per second; well above the length of
            `velocity` for an object that moves to and fro.
        moving: Start and end of its own movement, seconds.
        phases: The intervals in which it keeps to one direction, in order: (start, end, x, y), times in
            seconds, mean own velocity as in `velocity`. Empty if it never does for long.
        sway: When it moves to and fro in its place, start and end in seconds; None if it does not.
        masks: (T,) run lengths as in `stages.video.masks`, None where it was not seen. Empty without masks.
        second: The same object's motion by another measurement, which did not write `phases`.
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
    sway: tuple[float, float] | None = None
    masks: tuple[dict[str, list[int]] | None, ...] = ()
    second: "Track | None" = None


@dataclass(frozen=True)
class Evidence:
    """What was measured of a clip.

    Attributes:
        width: Of the frames that the boxes refer to, pixels.
        height: Of the frames that the boxes refer to, pixels.
        duration_s: Seconds.
        camera: The camera's motion.
        tracks: The objects, the most salient first.
        object_area: Share of the frame that moves apart from the camera, 0 to 1.
        unexplained: Largest share of the points that at any time moved apart from the scene, 0 to 1.
        flow_mean: Mean flow, the camera's included, frame diagonals per second.
        second: The camera's motion by another measurement, which did not write `camera`.
    """

    width: int
    height: int
    duration_s: float
    camera: CameraMotion
    tracks: tuple[Track, ...] = ()
    object_area: float = 0.0
    flow_mean: float = 0.0
    unexplained: float = 0.0
    second: CameraMotion | None = None
