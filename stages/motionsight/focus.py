"""Action focusing: turn jittery boxes into stable regions (MotionSight, aggregator A)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

# The constants of the official code (NJU-PCALab/MotionSight), which counts in sampled frames and pixels.
OFFICIAL_SMOOTH = 0.7  # weight of the centre so far against the newest
OFFICIAL_JUMP = 0.3  # of the shorter side: how far the smoothed centre moves before a new window starts
OFFICIAL_BOXES = 3  # in a window, before a new one may start
OFFICIAL_SIDE = (10, 100)  # pixels: a region's side under the first becomes the second
OFFICIAL_PADDING = 20  # pixels


class FocusConfig(BaseModel):
    """Lengths in seconds and distances in shares of the frame, so that frame rate and size do not matter."""

    model_config = ConfigDict(extra="forbid")

    rule: Literal["variance", "official"] = Field(
        "variance",
        description="'variance': windows by the paper's formula; 'official': the released code's rule, in"
        " frames and pixels, for which the other settings do not count",
    )
    window_min_s: float = Field(0.5, gt=0, description="window for an object that dashes about, seconds")
    window_max_s: float = Field(3.0, gt=0, description="window for an object that stays in place, seconds")
    steady: float = Field(
        0.05,
        gt=0,
        description="Manhattan speed of the centre, frames per second, that halves the longest window",
    )
    side_min: float = Field(0.12, ge=0, le=1, description="shortest side of a region, share of the frame")
    padding: float = Field(0.03, ge=0, le=0.5, description="added around a region, share of the frame")


def regions(
    boxes: Sequence[np.ndarray], times: np.ndarray, size: tuple[int, int], config: FocusConfig
) -> np.ndarray:
    """Regions (T, 4) float32 xyxy pixels at the times (T,) that hold every object over a window of time.

    boxes: for each object (T, 4) pixels, NaN where unseen. The steadier an object, the longer its window.
    A frame without any box keeps the nearest one's region (official: the last one's); with no box at all it
    is the whole frame.
    """
    official = config.rule == "official"
    frame = np.array([0, 0, *size], np.float64)
    joined = np.full((len(times), 4), np.nan)
    for track in boxes:
        own = official_windows(track, size) if official else variance_windows(track, times, size, config)
        joined[:, :2] = np.fmin(joined[:, :2], own[:, :2])
        joined[:, 2:] = np.fmax(joined[:, 2:], own[:, 2:])
    have = np.flatnonzero(~np.isnan(joined).any(1))
    if not len(have):
        return np.tile(frame.astype(np.float32), (len(times), 1))
    for k in np.setdiff1d(np.arange(len(times)), have):
        before = have[have < k] if official else have
        joined[k] = joined[before[np.argmin(np.abs(before - k))]] if len(before) else frame
    middle, side = (joined[:, :2] + joined[:, 2:]) / 2, joined[:, 2:] - joined[:, :2]
    if official:
        side = np.where(side < OFFICIAL_SIDE[0], OFFICIAL_SIDE[1], side) + 2 * OFFICIAL_PADDING
    else:
        side = np.maximum(side, config.side_min * frame[2:]) + 2 * config.padding * frame[2:]
    low, high = (middle - side / 2).clip(0), np.minimum(middle + side / 2, frame[2:])
    return np.concatenate([low, high], axis=1).astype(np.float32)


def variance_windows(
    track: np.ndarray, times: np.ndarray, size: tuple[int, int], config: FocusConfig
) -> np.ndarray:
    """The union (T, 4) of a track's boxes over a window around each time, NaN where it holds none.

    The window shrinks from window_max_s as the positional variance V(X) of the track grows.
    """
    window = config.window_max_s / (1 + speed(track, times, size) / config.steady)
    window = max(config.window_min_s, window)
    seen = ~np.isnan(track).any(1)
    found = np.full((len(times), 4), np.nan)
    for k, t in enumerate(times):
        near = seen & (np.abs(times - t) <= window / 2)
        if near.any():
            found[k] = union(track[near])
    return found


def official_windows(track: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The union (T, 4) of a track's boxes over its window, NaN where it is unseen, by the official rule.

    A window ends where its smoothed centre moves by more than OFFICIAL_JUMP from where the window began, once
    it has OFFICIAL_BOXES boxes.
    """
    found = np.full((len(track), 4), np.nan)
    windows: list[list[int]] = []
    origin = centre = np.zeros(2)
    for k in np.flatnonzero(~np.isnan(track).any(1)):
        newest = (track[k, :2] + track[k, 2:]) / 2
        centre = OFFICIAL_SMOOTH * centre + (1 - OFFICIAL_SMOOTH) * newest
        jumped = np.linalg.norm(centre - origin) > OFFICIAL_JUMP * min(size)
        if not windows or (jumped and len(windows[-1]) >= OFFICIAL_BOXES):
            windows.append([])
            origin = centre = newest
        windows[-1].append(int(k))
    for window in windows:
        found[window] = union(track[window])
    return found


def union(boxes: np.ndarray) -> np.ndarray:
    """The smallest box (4,) xyxy that holds boxes (N, 4), N >= 1."""
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def speed(boxes: np.ndarray, times: np.ndarray, size: tuple[int, int]) -> float:
    """Mean Manhattan speed of the centres of boxes (T, 4), NaN where unseen: shares of the frame per second.

    The positional variance V(X) of the paper: ||center(b_t1) - center(b_t2)||_1 between neighbours.
    """
    seen = ~np.isnan(boxes).any(1)
    if seen.sum() < 2:
        return 0.0
    centres = (boxes[seen, :2] + boxes[seen, 2:]) / 2 / np.asarray(size)
    return float(np.abs(np.diff(centres, axis=0)).sum() / np.ptp(times[seen]))
