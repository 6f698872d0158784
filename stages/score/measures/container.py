"""Metadata of the container."""

from typing import Any

import numpy as np

from stages.score.measure import Measure, Measured


class Container(Measure):
    """Size, frame rate, length, codec, and what was wrong with the clock."""

    name = "container"

    def __call__(self, clip: Measured, pictures: np.ndarray | None) -> dict[str, Any]:
        """Read the metadata; see `Measure`."""
        probe = clip.probe
        return {
            "width": probe.width,
            "height": probe.height,
            "fps": probe.fps,
            "duration_s": probe.duration_s,
            "frames": len(probe.times),
            "codec": probe.codec,
            "clock_repair": probe.clock_repair or None,
        }
