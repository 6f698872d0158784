"""Visual spotlight: dim everything outside the region of the action (MotionSight, F_VP)."""

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class SpotlightConfig(BaseModel):
    """How strong the visual spotlight is."""

    model_config = ConfigDict(extra="forbid")

    dim: float = Field(
        0.9, ge=0, le=1, description="share of black blended in outside the region (official: 0.9)"
    )


def spotlight(frames: np.ndarray, regions: np.ndarray, dim: float) -> np.ndarray:
    """Dim frames outside their regions; the inside stays bit-exact.

    Args:
        frames: (T, H, W, 3) uint8.
        regions: (T, 4) xyxy pixels; a region that contains NaN leaves its frame unchanged.
        dim: Share of black blended in outside, 0 to 1.

    Returns:
        (T, H, W, 3) uint8.
    """
    table = np.rint(np.arange(256) * (1 - dim)).astype(np.uint8)
    count, height, width, _ = frames.shape
    lit = cv2.LUT(frames.reshape(count * height, width, 3), table).reshape(frames.shape)
    for picture, original, region in zip(lit, frames, regions, strict=True):
        if np.isnan(region).any():
            picture[:] = original
            continue
        x0, y0 = np.floor(region[:2]).astype(int).clip(0)
        x1, y1 = np.minimum(np.ceil(region[2:]).astype(int), (width, height))
        picture[y0:y1, x0:x1] = original[y0:y1, x0:x1]
    return lit
