"""What a measurement of a clip is: pictures out of the one decoding pass in, columns of `scores` out."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from filters.camera.measure import measure
from filters.camera.motion import Motion
from filters.flow.registry import estimator
from stages.score.settings import ScoreConfig
from stages.video.frames import Wanted
from stages.video.probe import Probe


class Measured:
    """A clip as measurements see it.

    Attributes:
        probe: What the container says, and when each frame is shown.
        samples: Luma (N, h, w) uint8, `decode.fps` a second, the longer side at `decode.size` pixels.
        times: (N,) of the samples, seconds.
    """

    def __init__(self, probe: Probe, samples: np.ndarray, times: np.ndarray, config: ScoreConfig) -> None:
        self.probe, self.samples, self.times, self._config = probe, samples, times, config

    @cached_property
    def motion(self) -> Motion:
        """Optical flow between the samples, and the camera's motion in it; computed when first asked for."""
        return measure(self.samples, self.times, estimator(self._config.flow), self._config.camera)


class Measure(ABC):
    """A measurement: subclass it in a file of `stages/score/measures`, and add its columns to SCORES.

    Attributes:
        name: Of the measurement.
        exact: Whether it needs frames as the codec defines them. Without one that does, `decode.frames:
            reference` also leaves out the smoothing of block edges.
    """

    name: ClassVar[str]
    exact: bool = False

    def __init__(self, config: ScoreConfig) -> None:
        """Load what it takes, once in each worker."""
        self.config = config

    def wanted(self, probe: Probe) -> Wanted | None:
        """Ask for pictures of its own out of the decoding pass; None: the samples are enough."""
        return None

    @abstractmethod
    def __call__(self, clip: Measured, pictures: np.ndarray | None) -> dict[str, Any]:
        """Measure.

        Args:
            clip: The clip.
            pictures: Those asked for by `wanted`, (M, H, W, 3) uint8 RGB or (M, H, W) luma.

        Returns:
            Columns of `scores` by name.

        Raises:
            ClipError: The clip cannot be measured.
        """
