"""A detector without weights: what moves by itself once the camera's motion is removed."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from filters.movers import movers
from stages.models.backend import DetectorBackend
from stages.models.protocols import Detections, View


class MovingRegionsConfig(DetectorBackend):
    """What counts as a region that moves on its own."""

    needs_labels: ClassVar[bool] = False

    backend: Literal["moving_regions"] = "moving_regions"
    area_min: float = Field(0.003, gt=0, lt=1, description="smallest region, fraction of the frame")
    speed_min: float = Field(0.01, gt=0, description="slowest movement, frame diagonals per second")

    def build(self) -> "MovingRegions":
        """Build the detector."""
        return MovingRegions(self)


class MovingRegions:
    """Finds what moves on its own; it cannot name it, so its label is ""."""

    name = "moving_regions"
    version = "2"

    def __init__(self, config: MovingRegionsConfig) -> None:
        self._config = config

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        """Detect what moves in the samples of the longest shot.

        Args:
            view: The frames, their times and the clip's motion.
            labels: Ignored.

        Returns:
            Detections by time in seconds, boxes in pixels of the view's frames.
        """
        motion = view.motion
        scale = np.array([view.size[0] / motion.size[0], view.size[1] / motion.size[1]] * 2)
        least = self._config.area_min * motion.size[0] * motion.size[1]
        found: dict[float, dict[int, np.ndarray]] = {}
        for key, mover in enumerate(movers(motion, self._config.speed_min)):
            large = np.prod(mover.boxes[:, 2:] - mover.boxes[:, :2], axis=1) >= least
            for time, box in zip(mover.times[large], mover.boxes[large], strict=True):
                found.setdefault(float(time), {})[key] = box * scale
        return {
            time: Detections(
                np.array([*boxes.values()], np.float32),
                np.ones(len(boxes), np.float32),
                ("",) * len(boxes),
                tuple(boxes),
            )
            for time, boxes in sorted(found.items())
        }
