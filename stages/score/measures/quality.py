"""Technical quality of a few frames."""

from typing import Any

import numpy as np

from filters.quality import PyiqaScorer
from stages.score.measure import Measure, Measured
from stages.score.settings import ScoreConfig
from stages.video.frames import Wanted
from stages.video.pixels import fitted
from stages.video.probe import Probe, middles


class Quality(Measure):
    """The mean of a pyiqa metric over evenly spread frames."""

    name = "quality"

    def __init__(self, config: ScoreConfig) -> None:
        super().__init__(config)
        quality = config.quality
        self._judge = PyiqaScorer(quality.metric, quality.device) if quality.metric else None
        self.exact = (
            self._judge is not None
        )  # without deblocking, PIQE comes out 3 to 6 too low, that is, too good

    def wanted(self, probe: Probe) -> Wanted | None:
        """Request the frames to score; they are never enlarged."""
        if not self._judge:
            return None
        quality = self.config.quality
        longest = min(quality.size, max(probe.width, probe.height))
        return Wanted(middles(probe, quality.frames), fitted(probe.width, probe.height, longest), True)

    def __call__(self, clip: Measured, pictures: np.ndarray | None) -> dict[str, Any]:
        """Score the frames; see `Measure`."""
        value = self._judge(pictures) if self._judge and pictures is not None else None
        return {"quality": value, "quality_metric": self.config.quality.metric}
