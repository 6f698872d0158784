"""Technical quality of frames by any no-reference metric of pyiqa."""

import logging
import warnings
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class QualityConfig(BaseModel):
    """How the technical quality of a clip is judged."""

    model_config = ConfigDict(extra="forbid")

    metric: str | None = Field("piqe", description="a pyiqa metric; null: none. piqe needs no weights")
    frames: int = Field(3, ge=1, le=32, description="frames judged in each clip, evenly spread")
    size: int = Field(384, ge=64, le=2048, description="longer side of the judged frames, pixels")
    device: str = "cpu"


class QualityScorer(Protocol):
    """Judges frames; `lower_better` says which way the number points."""

    lower_better: bool

    def __call__(self, frames: np.ndarray) -> float:
        """frames: (N, H, W, 3) uint8 RGB. The mean score, in the metric's own unit."""
        ...


class PyiqaScorer:
    """A metric of pyiqa by name. Raises ValueError for a name that pyiqa does not have."""

    def __init__(self, metric: str, device: str = "cpu") -> None:
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
        torch = self._torch
        # In the order of memory that torch works in: as they come, every operation takes twice as long.
        channels_first = np.ascontiguousarray(frames.transpose(0, 3, 1, 2))
        batch = torch.from_numpy(channels_first).float().div(255).to(self._device)
        with torch.inference_mode():
            # One frame at a time: some metrics give one number for a batch, or need all of its memory.
            return float(np.mean([float(self._metric(frame[None])) for frame in batch]))
