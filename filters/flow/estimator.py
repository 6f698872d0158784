"""The interface of an optical flow estimator, and of the settings that build it."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.requirements import Requirement

BATCH_PIXELS = 32 * 256 * 144  # in one call: beyond it, RAFT on an H200 is hardly faster; it takes 0.4 GiB


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


class BatchedFlow(Protocol):
    """A `FlowEstimator` that also takes many pairs in a call: on a GPU that takes hardly longer than one."""

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Estimate the flow of one pair; see `FlowEstimator`."""
        ...

    def many(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Estimate the flow of N pairs.

        Args:
            a: (N, H, W) uint8, the earlier frames.
            b: (N, H, W) uint8, the later frames.

        Returns:
            (N, H, W, 2) float32, pixels: to the right, and down.
        """
        ...


def flows(
    estimate: FlowEstimator | BatchedFlow,
    a: Sequence[np.ndarray] | np.ndarray,
    b: Sequence[np.ndarray] | np.ndarray,
) -> Iterator[np.ndarray]:
    """Estimate the flow of many pairs, in batches if the estimator takes them.

    Args:
        estimate: The estimator.
        a: N frames (H, W) uint8, the earlier ones.
        b: N frames (H, W) uint8, the later ones.

    Yields:
        (H, W, 2) float32 for each pair, in order.
    """
    many = getattr(estimate, "many", None)
    if many is None:
        yield from map(estimate, a, b)
        return
    size = max(1, BATCH_PIXELS // a[0].size) if len(a) else 1
    for at in range(0, len(a), size):
        yield from many(np.stack(list(a[at : at + size])), np.stack(list(b[at : at + size])))


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
