"""A detector without weights: what moves on its own once the camera's motion is taken out."""

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.camera.motion import Motion, Step, moving
from stages.models.protocols import Detections, View


class MovingRegionsConfig(BaseModel):
    """What counts as something that moves on its own."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["moving_regions"] = "moving_regions"
    area_min: float = Field(0.003, gt=0, lt=1, description="smallest region, share of the frame")
    speed_min: float = Field(0.01, gt=0, description="slowest movement, frame diagonals per second")

    def build(self) -> "MovingRegions":
        """The detector."""
        return MovingRegions(self)


class MovingRegions:
    """Regions of the motion grid that move on their own; it cannot name them, their label is ""."""

    name = "moving_regions"
    version = "1"

    def __init__(self, config: MovingRegionsConfig) -> None:
        self._config = config

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        """Regions at the time of each sample of the longest shot, boxes in pixels of the view's frames."""
        motion = view.motion
        first, last = motion.shot()
        scale = np.array([view.size[0] / motion.size[0], view.size[1] / motion.size[1]] * 2)
        slow = {k: step for step in motion.long for k in range(step.i, step.j)}
        found = {}
        for step in motion.steps[first:last]:
            mask = self._mask(step, slow.get(step.i), motion)
            boxes, scores = regions(mask, self._config.area_min, motion.size)
            found[float(motion.times[step.i])] = Detections(
                (boxes * scale).astype(np.float32), scores, ("",) * len(boxes)
            )
        return found

    def _mask(self, step: Step, slow: Step | None, motion: Motion) -> np.ndarray:
        """Cells (h, w) bool that move in this step, or over the longer baseline around it when slowly."""
        mask = moving(step, motion, self._config.speed_min)
        if not mask.any() and slow is not None and slow.i == step.i:
            mask = moving(slow, motion, self._config.speed_min)
        return mask


def regions(mask: np.ndarray, area_min: float, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) float32 xyxy pixels of the working frame and scores (N,) of a mask's connected regions.

    Gaps of a cell are closed and specks removed first. The score is the share of the box that is moving.
    """
    solid = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    cell = np.array([size[0] / mask.shape[1], size[1] / mask.shape[0]] * 2)
    boxes, scores = [], []
    for x, y, width, height, area in stats[1:count]:
        if area >= area_min * mask.size:
            boxes.append(np.array([x, y, x + width, y + height]) * cell)
            scores.append(area / (width * height))
    return np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32)
