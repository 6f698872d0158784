"""Motion of the camera and of objects."""

from typing import Any

import numpy as np

from filters.camera.naming import steadied, summarise
from filters.camera.statistics import statistics
from stages.score.measure import Measure, Measured


class MotionStatistics(Measure):
    """Flow statistics, camera rates and labels, and hard cuts."""

    name = "motion"

    def __call__(self, clip: Measured, pictures: np.ndarray | None) -> dict[str, Any]:
        """Summarise the clip's optical flow; see `Measure`."""
        motion = clip.motion
        camera = summarise(motion, self.config.camera)
        numbers = statistics(steadied(motion, camera))
        return {
            **{name: numbers[name] for name in ("flow_mean", "flow_p95", "object_motion", "object_area")},
            "pan": camera.pan,
            "tilt": camera.tilt,
            "zoom": camera.zoom,
            "roll": camera.roll,
            "shake": camera.shake,
            "camera_motion": list(camera.labels),
            "camera_moves": [
                {"label": it.label, "start_s": it.start, "end_s": it.end, "amount": it.amount}
                for it in camera.moves
            ],
            "camera_unknown": camera.reason or None,
            "camera_fit": camera.fit,
            "cuts": [float(motion.times[k]) for k in motion.cuts],
        }
