"""PySceneDetect (Castellano, scenedetect.com): frames that differ in hue, saturation and brightness."""

from collections.abc import Iterable
from typing import Literal

import numpy as np
from pydantic import Field

from filters.shots.detector import Footage, ShotBackend
from pipeline.requirements import Package, Requirement

LONGER = 256  # pixels; PySceneDetect itself shrinks larger frames to this width


class PySceneDetectConfig(ShotBackend):
    """PySceneDetect; it decodes every clip a second time, and all frames of it."""

    backend: Literal["pyscenedetect"] = "pyscenedetect"
    detector: Literal["adaptive", "content"] = Field(
        "adaptive", description="compares a change with those around, or with a fixed threshold"
    )

    def build(self) -> "PySceneDetect":
        """Return the detector."""
        return PySceneDetect(self.detector)

    def requirements(self) -> Iterable[Requirement]:
        """Return the package."""
        yield Package("scenedetect", "pip install 'motionsight-distill[shots]'")


class PySceneDetect:
    """A `ShotDetector` by PySceneDetect; it can also be shown a film, frame by frame."""

    def __init__(self, detector: str) -> None:
        from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode

        self._kind = ContentDetector if detector == "content" else AdaptiveDetector
        self._timecode = FrameTimecode
        self._begin()

    def _begin(self) -> None:
        self._detector, self._cuts, self._times = self._kind(), set[int](), list[float]()

    def see(self, frame: np.ndarray, time: float) -> None:
        """Look at the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB.
            time: When it is shown, seconds.
        """
        # Frames are counted at a nominal rate: what matters are their numbers.
        number = self._timecode(len(self._times), 25.0)
        found = self._detector.process_frame(number, np.ascontiguousarray(frame[..., ::-1]))
        self._cuts |= {cut.frame_num for cut in found}
        self._times.append(time)

    def starts(self) -> list[float]:
        """Return when the shots start that have been seen, without the first; what is seen next is new."""
        if self._times:
            last = self._timecode(len(self._times) - 1, 25.0)
            self._cuts |= {cut.frame_num for cut in self._detector.post_process(last)}
        found = [self._times[cut] for cut in sorted(self._cuts)]
        self._begin()
        return found

    def __call__(self, footage: Footage) -> list[int]:
        """Find where shots begin; see `ShotDetector`."""
        for frame, time in footage.frames(LONGER):
            self.see(frame, time)
        return footage.starting(self.starts())
