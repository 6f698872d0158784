"""Action focusing: turn jittery boxes into stable regions (MotionSight, aggregator A)."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class FocusConfig(BaseModel):
    """Lengths in seconds and distances in shares of the frame, so that frame rate and size do not matter."""

    model_config = ConfigDict(extra="forbid")

    window_min_s: float = Field(0.5, gt=0, description="window for an object that dashes about, seconds")
    window_max_s: float = Field(3.0, gt=0, description="window for an object that stays in place, seconds")
    steady: float = Field(
        0.05,
        gt=0,
        description="Manhattan speed of the centre, frames per second, that halves the longest window",
    )
    side_min: float = Field(0.12, ge=0, le=1, description="shortest side of a region, share of the frame")
    padding: float = Field(0.03, ge=0, le=0.5, description="added around a region, share of the frame")


def speed(boxes: np.ndarray, times: np.ndarray, size: tuple[int, int]) -> float:
    """Mean Manhattan speed of the centres of boxes (T, 4), NaN where unseen: shares of the frame per second.

    The positional variance V(X) of the paper: ||center(b_t1) - center(b_t2)||_1 between neighbours.
    """
    seen = ~np.isnan(boxes).any(1)
    if seen.sum() < 2:
        return 0.0
    centres = (boxes[seen, :2] + boxes[seen, 2:]) / 2 / np.asarray(size)
    return float(np.abs(np.diff(centres, axis=0)).sum() / np.ptp(times[seen]))


def regions(
    boxes: Sequence[np.ndarray], times: np.ndarray, size: tuple[int, int], config: FocusConfig
) -> np.ndarray:
    """Regions (T, 4) float32 xyxy pixels at the times (T,) that hold every object over a window of time.

    boxes: for each object (T, 4) pixels, NaN where unseen. The steadier an object, the longer its window.
    A frame without any box keeps the nearest one's region; with no box at all it is the whole frame.
    """
    scale = np.array([*size, *size], np.float64)
    joined = np.full((len(times), 4), np.nan)
    for track in boxes:
        window = config.window_max_s / (1 + speed(track, times, size) / config.steady)
        window = max(config.window_min_s, window)
        for k, t in enumerate(times):
            near = track[(np.abs(times - t) <= window / 2) & ~np.isnan(track).any(1)]
            if len(near):
                union = np.concatenate([near[:, :2].min(0), near[:, 2:].max(0)])
                joined[k, :2] = np.fmin(joined[k, :2], union[:2])
                joined[k, 2:] = np.fmax(joined[k, 2:], union[2:])
    have = np.flatnonzero(~np.isnan(joined).any(1))
    if not len(have):
        return np.tile(np.array([0, 0, *size], np.float32), (len(times), 1))
    for k in range(len(times)):
        joined[k] = joined[have[np.argmin(np.abs(have - k))]] if k not in have else joined[k]
    middle = (joined[:, :2] + joined[:, 2:]) / 2
    half = np.maximum((joined[:, 2:] - joined[:, :2]) / 2, config.side_min / 2 * scale[:2])
    half += config.padding * scale[:2]
    return np.concatenate([(middle - half).clip(0), np.minimum(middle + half, scale[:2])], axis=1).astype(
        np.float32
    )
