"""The interface of a tracker of points, and of the settings that build it."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from filters.camera.points import Points
from pipeline.requirements import Requirement


class Follower(Protocol):
    """Follows points through one clip, whose samples it is shown in order.

    `begin` is called for every sample, and `follow` before it for each but the first.
    """

    def begin(self, image: np.ndarray, eigen: np.ndarray) -> None:
        """See a sample, in which points may begin.

        Args:
            image: (H, W) uint8, the current sample.
            eigen: (H, W) float32, `cv2.cornerMinEigenVal(image, 5)`.
        """
        ...

    def follow(self, a: np.ndarray, b: np.ndarray, flow: np.ndarray) -> float | None:
        """Go on from sample a, the last that was seen, to sample b.

        Args:
            a: (H, W) uint8.
            b: (H, W) uint8.
            flow: (H, W, 2) float32 from a to b, pixels.

        Returns:
            The share of the points that could be followed, 0 to 1; None if there are too few to tell, or if
            it is not known yet.
        """
        ...

    def points(self) -> Points:
        """Return the points of the samples seen so far."""
        ...


class PointTracker(Protocol):
    """Follows the points of clips."""

    def __call__(self, picture: tuple[slice, slice]) -> Follower:
        """Start with a clip.

        Args:
            picture: Rows and columns of the frame that hold a picture, as found by `picture`.
        """
        ...


class PointBackend(BaseModel):
    """The settings of a tracker: subclass it in a file of this folder, with the name in `backend`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: str = ""

    @abstractmethod
    def build(self) -> PointTracker:
        """Build the tracker; heavy packages are imported here."""

    def requirements(self) -> Iterable[Requirement]:
        """Return what `build` requires, for `motionsight doctor` to check."""
        return ()
