"""A detector without weights: regions that move once the camera's motion is removed."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from filters.camera.motion import Motion, Step, moving
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
    """Finds regions of the motion grid that move on their own; it cannot name them, so their label is ""."""

    name = "moving_regions"
    version = "1"

    def __init__(self, config: MovingRegionsConfig) -> None:
        self._config = config

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        """Detect moving regions in each sample of the longest shot.

        Args:
            view: The frames, their times and the clip's motion.
            labels: Ignored.

        Returns:
            Detections by the time of the sample in seconds, boxes in pixels of the view's frames.
        """
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
        """Cells (h, w) bool that move in a step or, if none do, over the long baseline starting with it."""
        mask = moving(step, motion, self._config.speed_min)
        if not mask.any() and slow is not None and slow.i == step.i:
            mask = moving(slow, motion, self._config.speed_min)
        return mask


def regions(mask: np.ndarray, area_min: float, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Find the connected regions of a mask, after removing specks and closing small gaps.

    Args:
        mask: (h, w) bool, on the motion grid.
        area_min: Smallest region, share of the frame.
        size: Width and height of the working frame, pixels.

    Returns:
        Boxes (N, 4) float32, xyxy pixels of the working frame, and scores (N,) float32: the share of each box
        that moves, 0 to 1.
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
