"""Boxes carried by the optical flow, and corrected by detections."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from stages.models.protocols import View
from stages.models.tracker.own_motion import carry
from stages.models.tracker.refined import GONE, Carried, RefinedConfig, RefinedTracker, clip_to_frame


class FlowCarrierConfig(RefinedConfig):
    """Boxes carried by optical flow: no model, no masks."""

    backend: Literal["flow"] = "flow"

    def build(self) -> RefinedTracker:
        """Build the tracker."""
        return RefinedTracker(self, FlowCarrier())


class FlowCarrier:
    """Moves a box by the median flow of what moves in it; it does not notice when the object is hidden."""

    name = "flow_carrier"
    version = "1"

    def begin(self, view: View) -> "_Flow":
        """Start at the view's first frame, without objects."""
        return _Flow(view)


class _Flow:
    """The `Carriage` of `FlowCarrier`; it keeps no state but the view."""

    def __init__(self, view: View) -> None:
        self._view = view
        motion = view.motion
        self._scale = np.array([view.size[0] / motion.size[0], view.size[1] / motion.size[1]] * 2)
        self._samples = [int(np.abs(motion.times - t).argmin()) for t in view.times]

    def put(self, key: int, box: np.ndarray) -> Carried:
        return Carried(box)

    def advance(self, frame: int, boxes: Mapping[int, np.ndarray]) -> dict[int, Carried]:
        motion = self._view.motion
        carried = {}
        for key, box in boxes.items():
            small = box / self._scale
            for step in motion.steps[self._samples[frame - 1] : self._samples[frame]]:
                small = small + carry(small, step, motion)
            box = small * self._scale
            if np.prod(np.ptp(clip_to_frame(box, self._view.size).reshape(2, 2), axis=0)) > GONE * np.prod(
                box[2:] - box[:2]
            ):
                carried[key] = Carried(box)
        return carried
