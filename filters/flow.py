"""Optical flow between two frames, by OpenCV's DIS (CPU) or torchvision's RAFT (GPU)."""

from typing import Any, Literal, Protocol

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class FlowConfig(BaseModel):
    """Which optical flow is computed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: Literal["dis", "raft"] = "dis"
    preset: Literal["ultrafast", "fast", "medium"] = Field(
        "ultrafast", description="DIS: speed against detail"
    )
    weights: str | None = Field(None, description="RAFT: a .pth file; null takes torchvision's own download")
    device: str = Field("cuda", description="RAFT: torch device")


class FlowEstimator(Protocol):
    """Dense motion from frame a to frame b."""

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """a, b: (H, W) uint8. Returns (H, W, 2) float32: pixels right, pixels down."""
        ...


class DisFlow:
    """Dense inverse search (Kroeger et al. 2016, arXiv 1603.03590)."""

    def __init__(self, preset: str) -> None:
        presets = {
            "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
            "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
            "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
        }
        self._dis = cv2.DISOpticalFlow.create(presets[preset])

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return self._dis.calc(np.ascontiguousarray(a), np.ascontiguousarray(b), None)


class RaftFlow:
    """RAFT, small model (Teed and Deng 2020, arXiv 2003.12039)."""

    def __init__(self, weights: str | None, device: str) -> None:
        import torch
        from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

        self._torch: Any = torch
        self._device = device
        model = raft_small(weights=None if weights else Raft_Small_Weights.DEFAULT)
        if weights:
            model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self._model = model.eval().to(device)

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        torch = self._torch
        height, width = a.shape
        # RAFT wants sides that are multiples of 8 and at least 128.
        pad = [(0, max(128, -(-side // 8) * 8) - side) for side in (height, width)]
        pair = np.stack([np.pad(image, pad, mode="edge") for image in (a, b)])
        batch = torch.from_numpy(pair).to(self._device).float().div(127.5).sub(1)[:, None].repeat(1, 3, 1, 1)
        with torch.inference_mode():
            flow = self._model(batch[:1], batch[1:])[-1][0]
        return flow[:, :height, :width].permute(1, 2, 0).cpu().numpy()


def estimator(config: FlowConfig) -> FlowEstimator:
    """The flow estimator that the settings name."""
    if config.backend == "raft":
        return RaftFlow(config.weights, config.device)
    return DisFlow(config.preset)
