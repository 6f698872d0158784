"""Motion blur: make camera motion visible as trails (MotionSight, eq. for T_MB)."""

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class BlurConfig(BaseModel):
    """How far back the trails of the motion blur reach."""

    model_config = ConfigDict(extra="forbid")

    frames: int = Field(7, ge=1, le=64, description="video frames blended into one (official: 7)")
    decay: float = Field(
        0.65,
        gt=0,
        lt=1,
        description="the frame k steps back is blended in with share decay^(k+1) (official: 0.65)",
    )


def kernel(frames: int, decay: float) -> np.ndarray:
    """Compute the weights of the frames in a motion-blur window.

    The closed form of the official code's successive blends: the picture starts as the newest frame, and the
    frame k steps back is blended in with share decay^(k+1). Hence w_k = d_k * prod_{j>k} (1 - d_j), with
    d_0 = 1 and d_k = decay^(k+1).

    Args:
        frames: Length of the window, at least 1.
        decay: Base of the shares, between 0 and 1.

    Returns:
        (frames,) float64, the newest frame's weight first, summing to 1.
    """
    share = decay ** np.arange(1, frames + 1, dtype=np.float64)
    share[0] = 1.0
    kept = np.concatenate([np.cumprod((1 - share[1:])[::-1])[::-1], [1.0]])
    return share * kept


def blur(window: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Blend a window of frames into one.

    Args:
        window: (K, H, W, 3) uint8, newest first. At the start of a video K may be smaller than len(weights).
        weights: (N,) from `kernel`, N >= K; the first K are rescaled to sum to 1.

    Returns:
        (H, W, 3) uint8.
    """
    blended = np.zeros(window.shape[1:], np.float32)
    total = 0.0
    for frame, weight in zip(window[::-1], weights[len(window) - 1 :: -1], strict=True):
        total += float(weight)
        cv2.accumulateWeighted(frame, blended, float(weight) / total)  # a running mean, oldest first
    return cv2.convertScaleAbs(blended)
