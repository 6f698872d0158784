"""RAFT in torchvision (Teed and Deng 2020, arXiv 2003.12039); meant for a GPU."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from filters.flow.estimator import FlowBackend
from pipeline.identity import OPERATIONAL
from pipeline.requirements import Context, Finding, LocalFile, Requirement

# By size, torchvision's weights and their file. Those of the large model are the authors' "things", which
# MotionSight's code (NJU-PCALab/MotionSight, of_utils.py) loads.
WEIGHTS = {
    "small": ("Raft_Small_Weights", "C_T_V2", "raft_small_C_T_V2-01064c6d.pth"),
    "large": ("Raft_Large_Weights", "C_T_V1", "raft_large_C_T_V1-22a6c225.pth"),
}


class RaftConfig(FlowBackend):
    """RAFT in torchvision."""

    backend: Literal["raft"] = "raft"
    size: Literal["small", "large"] = Field(
        "small", description="size of the model; MotionSight's authors use the large one"
    )
    weights: str | None = Field(
        None, description="file of weights, .pth; null: torchvision's, downloaded once"
    )
    device: Annotated[str, OPERATIONAL] = Field("cuda", description="torch device")

    def build(self) -> "RaftFlow":
        """Load the model onto its device."""
        return RaftFlow(self.weights, self.device, self.size)

    def requirements(self) -> Iterable[Requirement]:
        """Return the weights."""
        yield LocalFile("weights", self.weights) if self.weights else TorchvisionWeights(self.size)


@dataclass(frozen=True)
class TorchvisionWeights:
    """RAFT's weights in torchvision's download folder.

    Attributes:
        size: Of the model.
    """

    size: str = "small"
    slow: ClassVar[bool] = True  # torch takes seconds to import

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look in torch's cache."""
        import torch

        kind, version, file = WEIGHTS[self.size]
        path = Path(torch.hub.get_dir(), "checkpoints", file)
        remedy = (
            "on a machine with internet access: python -c 'from torchvision.models.optical_flow import *;"
            f" raft_{self.size}(weights={kind}.{version})'\nthen copy {file} here and"
            f" --set {context.part}.weights=PATH, or --set {context.part}.backend=dis, which needs no weights"
        )
        there = path.is_file()
        yield Finding(
            context.part, "RAFT's weights", str(path) if there else "not found", "" if there else remedy
        )


class RaftFlow:
    """A `FlowEstimator` by torchvision's RAFT."""

    def __init__(self, weights: str | None, device: str, size: str = "small") -> None:
        import torch
        from torchvision.models import optical_flow

        self._torch: Any = torch
        self._device = device
        kind, version, _ = WEIGHTS[size]
        published = None if weights else getattr(optical_flow, kind)[version]
        model = getattr(optical_flow, f"raft_{size}")(weights=published)
        if weights:
            model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self._model = model.eval().to(device)
        self._turn = threading.Lock()  # it keeps the correlations of its pairs between its steps

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Estimate the flow; see `FlowEstimator`."""
        return self.many(a[None], b[None])[0]

    def many(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Estimate the flow of many pairs; see `BatchedFlow`."""
        torch = self._torch
        height, width = a.shape[1:]
        # RAFT requires sides that are multiples of 8 and at least 128.
        pad = [(0, 0), *((0, max(128, -(-side // 8) * 8) - side) for side in (height, width))]
        first, second = (
            torch.from_numpy(np.pad(images, pad, mode="edge")).to(self._device) for images in (a, b)
        )
        first, second = (
            images.float().div(127.5).sub(1)[:, None].repeat(1, 3, 1, 1) for images in (first, second)
        )
        with self._turn, torch.inference_mode():
            flow = self._model(first, second)[-1]
        return flow[:, :, :height, :width].permute(0, 2, 3, 1).cpu().numpy()
