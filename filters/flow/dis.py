"""Dense inverse search in OpenCV (Kroeger et al. 2016, arXiv 1603.03590): fast on a CPU, no weights."""

import threading
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from filters.flow.estimator import FlowBackend


class DisConfig(FlowBackend):
    """Dense inverse search (DIS) in OpenCV."""

    backend: Literal["dis"] = "dis"
    preset: Literal["ultrafast", "fast", "medium"] = Field(
        "ultrafast", description="trades detail for speed: 4, 9 or 40 ms for 384x512 pixels on one core"
    )

    def build(self) -> "DisFlow":
        """Build the estimator."""
        return DisFlow(self.preset)


class DisFlow:
    """A `FlowEstimator` by OpenCV's DIS."""

    def __init__(self, preset: str) -> None:
        presets = {
            "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
            "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
            "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
        }
        self._dis = cv2.DISOpticalFlow.create(presets[preset])
        self._turn = threading.Lock()  # it keeps its buffers between calls

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Estimate the flow; see `FlowEstimator`."""
        with self._turn:
            return self._dis.calc(np.ascontiguousarray(a), np.ascontiguousarray(b), None)
