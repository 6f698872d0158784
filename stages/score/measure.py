"""The interface of a measurement: from pictures of a single decoding pass to columns of `scores`."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from filters.camera.measure import Methods, measure
from filters.camera.motion import Motion
from filters.flow.registry import estimator
from filters.points.registry import point_tracker
from filters.shots.detector import Look
from filters.shots.registry import shot_detector
from stages.score.settings import ScoreConfig
from stages.video.frames import Wanted
from stages.video.probe import Probe


class Measured:
    """A decoded clip, as measurements see it.

    Attributes:
        probe: Metadata of the container, and the presentation time of each frame.
        samples: Luma (N, h, w) uint8, at `decode.fps` per second, the longer side `decode.size` pixels.
        times: (N,) seconds, of the samples.
    """

    def __init__(
        self, probe: Probe, samples: np.ndarray, times: np.ndarray, look: Look, config: ScoreConfig
    ) -> None:
        self.probe, self.samples, self.times, self._look, self._config = probe, samples, times, look, config

    @cached_property
    def motion(self) -> Motion:
        """Optical flow between the samples, and the camera motion; computed on first access."""
        config = self._config
        methods = Methods(estimator(config.flow), shot_detector(config.shots), point_tracker(config.points))
        return measure(self.samples, self.times, methods, config.camera, self._look)


class Measure(ABC):
    """A measurement: subclass it in a file of `stages/score/measures`, and add its columns to SCORES.

    Attributes:
        name: Name of the measurement.
        exact: Whether it needs frames exactly as the codec defines them. If no measurement does,
            `decode.frames: reference` also skips the deblocking filter.
    """

    name: ClassVar[str]
    exact: bool = False

    def __init__(self, config: ScoreConfig) -> None:
        """Load whatever the measurement needs, once in each worker."""
        self.config = config

    def wanted(self, probe: Probe) -> Wanted | None:
        """Request additional pictures from the decoding pass; None: the samples are enough."""
        return None

    @abstractmethod
    def __call__(self, clip: Measured, pictures: np.ndarray | None) -> dict[str, Any]:
        """Measure a clip.

        Args:
            clip: The clip.
            pictures: The pictures requested by `wanted`, (M, H, W, 3) uint8 RGB or (M, H, W) uint8 luma.

        Returns:
            Columns of `scores`, by name.

        Raises:
            ClipError: The clip cannot be measured.
        """
