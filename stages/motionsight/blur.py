"""Motion blur: make the camera's motion visible as trails (MotionSight, eq. for T_MB)."""

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class BlurConfig(BaseModel):
    """How far the trails reach back."""

    model_config = ConfigDict(extra="forbid")

    frames: int = Field(7, ge=1, le=64, description="frames of the video in one blurred frame (official: 7)")
    decay: float = Field(0.65, gt=0, lt=1, description="how fast older frames fade (official: 0.65)")


def kernel(frames: int, decay: float) -> np.ndarray:
    """Weights w_0 (newest) .. w_{frames-1} (oldest), float64, summing to 1.

    The closed form of the official code's successive blends: the picture starts as the newest frame, and the
    frame k steps back is blended in with the share decay^(k+1), so w_k = d_k * prod_{j>k} (1 - d_j), with
    d_0 = 1 and d_k = decay^(k+1).
    """
    share = decay ** np.arange(1, frames + 1, dtype=np.float64)
    share[0] = 1.0
    kept = np.concatenate([np.cumprod((1 - share[1:])[::-1])[::-1], [1.0]])
    return share * kept


def blur(window: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Blend frames (K, H, W, 3) uint8, newest first, into one (H, W, 3) uint8 frame.

    K may be smaller than len(weights) at the start of a video: the weights left are rescaled to sum to 1.
    """
    blended = np.zeros(window.shape[1:], np.float32)
    total = 0.0
    for frame, weight in zip(window[::-1], weights[len(window) - 1 :: -1], strict=True):
        total += float(weight)
        cv2.accumulateWeighted(frame, blended, float(weight) / total)  # a running mean, oldest first
    return cv2.convertScaleAbs(blended)
