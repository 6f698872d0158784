"""The motion of a clip: its steps, and what in them moves apart from the camera."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from filters.camera.grid import positions, squared_abs
from filters.camera.points import Points
from filters.camera.windows import Windows, no_windows

Similarity = tuple[complex, complex]  # (a, b): the point z goes to z + a z + b

CHANGED = 0.35  # of `Step.change`: an object that moves uncovers another picture, an error of flow does not
TEXTURED = 0.15  # of `Step.weight`: below it the flow of a cell is noise


@dataclass(frozen=True)
class Step:
    """The motion from sample i to sample j.

    Attributes:
        i: Index of the first sample.
        j: Index of the second sample.
        flow: (h, w) complex64, pixels of the working frame.
        weight: (h, w) float32, 0 to 1: how reliable the flow is (`texture`).
        a: Rotation and scale of the scene, by the camera: the point z goes to z + a z + b.
        b: Shift of the scene, by the camera, pixels.
        fit: Share of the scene that follows (a, b), 0 to 1.
        change: (h, w) float32: how unlike the picture is once the camera's motion is undone, 0 the same, 1
            two unrelated pictures, NaN where it left the frame. Only for steps over the long baseline.
    """

    i: int
    j: int
    flow: np.ndarray
    weight: np.ndarray
    a: complex
    b: complex
    fit: float
    change: np.ndarray | None = None


@dataclass(frozen=True)
class Motion:
    """What the flow shows of a clip of N samples.

    Attributes:
        times: (N,) float64, seconds.
        size: Width and height of the working frame, pixels.
        steps: The N - 1 steps between neighbouring samples.
        cuts: Indices of the samples that start a new shot.
        long: Steps over the long baseline, in the longest shot.
        windows: What each second of the longest shot shows of the camera.
        slow: The same for windows of three seconds.
        points: Points followed over the samples.
        redrawn: Where little of the picture follows one motion, the scene found anew by other random draws:
            windows, slow windows, and the shifts (N - 1,) complex from sample to sample of the longest shot.
    """

    times: np.ndarray
    size: tuple[int, int]
    steps: list[Step]
    cuts: list[int]
    long: list[Step]
    windows: Windows = field(default_factory=no_windows)
    slow: Windows = field(default_factory=no_windows)
    points: Points = field(default_factory=lambda: Points((), ()))
    redrawn: Sequence[tuple[Windows, Windows, np.ndarray]] = ()

    def shot(self) -> tuple[int, int]:
        """Return the first and the last sample (inclusive) of the longest shot."""
        edges = [0, *self.cuts, len(self.times)]
        spans = [(self.times[hi - 1] - self.times[lo], -lo, lo, hi - 1) for lo, hi in pairwise(edges)]
        _, _, first, last = max(spans)
        return first, last


def compose(steps: Sequence[Step]) -> Similarity:
    """Combine steps into the one similarity that moves the scene as they do one after the other."""
    scale, shift = 1 + 0j, 0j
    for step in steps:
        scale, shift = (1 + step.a) * scale, (1 + step.a) * shift + step.b
    return scale - 1, shift


def residual(step: Step, z: np.ndarray) -> np.ndarray:
    """Take the camera's motion out of a step's flow.

    Args:
        step: A step.
        z: (h, w) complex, the cells' positions, pixels.

    Returns:
        (h, w) complex64, pixels.
    """
    return (step.flow - step.a * z - step.b).astype(np.complex64)


def moving(step: Step, motion: Motion, speed_min: float = 0.004) -> np.ndarray:
    """Find the cells that move apart from the camera, faster than the error of the flow.

    Args:
        step: A step of the clip.
        motion: The clip's motion.
        speed_min: Slowest movement that counts, frame diagonals per second.

    Returns:
        (h, w) bool.
    """
    seconds = motion.times[step.j] - motion.times[step.i]
    floor = max(0.5, speed_min * float(np.hypot(*motion.size)) * seconds)
    width, height = motion.size
    camera = np.sqrt(abs(step.a) ** 2 * (width**2 + height**2) / 12 + abs(step.b) ** 2)  # rms over the frame
    own = squared_abs(residual(step, positions(motion.size)))
    mask = (own > (floor + 0.05 * camera) ** 2) & (step.weight > TEXTURED)
    return mask if step.change is None else mask & (step.change > CHANGED)
