"""Technical quality of frames, by a no-reference metric of pyiqa."""

import logging
import warnings
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.identity import OPERATIONAL


class QualityConfig(BaseModel):
    """How the technical quality of a clip is measured."""

    model_config = ConfigDict(extra="forbid")

    metric: str | None = Field("piqe", description="metric of pyiqa, or null for none; piqe needs no weights")
    frames: int = Field(3, ge=1, le=32, description="frames scored per clip, evenly spread")
    size: int = Field(384, ge=64, le=2048, description="longer side of the scored frames, pixels")
    device: Annotated[str, OPERATIONAL] = Field("cpu", description="torch device")


class QualityScorer(Protocol):
    """Scores the quality of frames.

    Attributes:
        lower_better: Whether a lower score means better quality.
    """

    lower_better: bool

    def __call__(self, frames: np.ndarray) -> float:
        """Score frames.

        Args:
            frames: (N, H, W, 3) uint8 RGB.

        Returns:
            The mean score, in the metric's own unit.
        """
        ...


class PyiqaScorer:
    """Scores with a metric of pyiqa."""

    def __init__(self, metric: str, device: str = "cpu") -> None:
        """Load the metric.

        Args:
            metric: Its name in pyiqa.
            device: Torch device.

        Raises:
            ValueError: pyiqa has no such metric.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("pyiqa").setLevel(logging.ERROR)
            import pyiqa
            import torch

            if metric not in pyiqa.list_models(metric_mode="NR"):
                raise ValueError(f"pyiqa has no no-reference metric named {metric!r}")
            self._metric: Any = pyiqa.create_metric(metric, device=device)
        self._torch: Any = torch
        self._device = device
        self.lower_better = bool(self._metric.lower_better)

    def __call__(self, frames: np.ndarray) -> float:
        """Score frames, as `QualityScorer` does."""
        torch = self._torch
        # Contiguous in torch's own order: on a transposed view every operation takes twice as long.
        channels_first = np.ascontiguousarray(frames.transpose(0, 3, 1, 2))
        batch = torch.from_numpy(channels_first).float().div(255).to(self._device)
        with torch.inference_mode():
            # One frame at a time: some metrics give one number per batch, or run out of memory on one.
            return float(np.mean([float(self._metric(frame[None])) for frame in batch]))
