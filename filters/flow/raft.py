"""RAFT in torchvision (Teed and Deng 2020, arXiv 2003.12039), the small model; meant for a GPU."""

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

FILE = "raft_small_C_T_V2-01064c6d.pth"  # torchvision's Raft_Small_Weights.DEFAULT


class RaftConfig(FlowBackend):
    """RAFT in torchvision, the small model."""

    backend: Literal["raft"] = "raft"
    weights: str | None = Field(
        None, description="file of weights, .pth; null: torchvision's, downloaded once"
    )
    device: Annotated[str, OPERATIONAL] = Field("cuda", description="torch device")

    def build(self) -> "RaftFlow":
        """Load the model onto its device."""
        return RaftFlow(self.weights, self.device)

    def requirements(self) -> Iterable[Requirement]:
        """Return the weights."""
        yield LocalFile("weights", self.weights) if self.weights else TorchvisionWeights()


@dataclass(frozen=True)
class TorchvisionWeights:
    """RAFT's weights in torchvision's download folder."""

    slow: ClassVar[bool] = True  # torch takes seconds to import

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look in torch's cache."""
        import torch

        path = Path(torch.hub.get_dir(), "checkpoints", FILE)
        remedy = (
            "on a machine with internet access: python -c 'from torchvision.models.optical_flow import *;"
            f" raft_small(weights=Raft_Small_Weights.DEFAULT)'\nthen copy {FILE} here and"
            f" --set {context.part}.weights=PATH, or --set {context.part}.backend=dis, which needs no weights"
        )
        there = path.is_file()
        yield Finding(
            context.part, "RAFT's weights", str(path) if there else "not found", "" if there else remedy
        )


class RaftFlow:
    """A `FlowEstimator` by torchvision's RAFT."""

    def __init__(self, weights: str | None, device: str) -> None:
        import torch
        from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

        self._torch: Any = torch
        self._device = device
        model = raft_small(weights=None if weights else Raft_Small_Weights.DEFAULT)
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
