"""The interface of an optical flow estimator, and of the settings that build it."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.requirements import Requirement


class FlowEstimator(Protocol):
    """Estimates dense optical flow from frame a to frame b."""

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Estimate the flow.

        Args:
            a: (H, W) uint8, the earlier frame.
            b: (H, W) uint8, the later frame.

        Returns:
            (H, W, 2) float32, pixels: to the right, and down.
        """
        ...


class FlowBackend(BaseModel):
    """The settings of an estimator: subclass it in a file of this folder, with the name in `backend`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: str = ""

    @abstractmethod
    def build(self) -> FlowEstimator:
        """Build the estimator; heavy packages are imported here."""

    def requirements(self) -> Iterable[Requirement]:
        """Return what `build` requires, for `motionsight doctor` to check."""
        return ()
