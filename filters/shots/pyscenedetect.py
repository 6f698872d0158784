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
    """A `ShotDetector` by PySceneDetect."""

    def __init__(self, detector: str) -> None:
        from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode

        self._kind = ContentDetector if detector == "content" else AdaptiveDetector
        self._timecode = FrameTimecode

    def __call__(self, footage: Footage) -> list[int]:
        """Find where shots begin; see `ShotDetector`."""
        detector, cuts = self._kind(), []
        times: list[float] = []
        for frame, time in footage.frames(LONGER):
            # Frames are counted at a nominal rate: what matters are their numbers.
            number = self._timecode(len(times), 25.0)
            cuts += detector.process_frame(number, np.ascontiguousarray(frame[..., ::-1]))
            times.append(time)
        if times:
            cuts += detector.post_process(self._timecode(len(times) - 1, 25.0))
        return footage.starting(times[cut.frame_num] for cut in cuts)
