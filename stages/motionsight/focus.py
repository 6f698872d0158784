"""Action focusing: turn jittery boxes into stable regions (MotionSight, aggregator A)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

# The constants of the official code (NJU-PCALab/MotionSight), which counts in sampled frames and in pixels of
# the video, before frames are made smaller.
OFFICIAL_SMOOTH = 0.7  # weight of the running centre; the newest centre gets the rest
OFFICIAL_JUMP = 0.3  # shares of the shorter side: a centre as far from the running one starts a new window
OFFICIAL_BOXES = 3  # boxes in a window before a new one may start
OFFICIAL_SIDE = (10, 100)  # pixels: if a side is shorter than the first, both become the second at least
OFFICIAL_PADDING = 20  # pixels on each side


class FocusConfig(BaseModel):
    """How boxes become regions, in seconds and shares of the frame, whatever its rate and size."""

    model_config = ConfigDict(extra="forbid")

    rule: Literal["variance", "official"] = Field(
        "variance",
        description="'variance': windows by the paper's formula; 'official': the released code's rule, in"
        " frames and pixels, which ignores the other settings",
    )
    window_min_s: float = Field(0.5, gt=0, description="shortest window, for the fastest objects, seconds")
    window_max_s: float = Field(
        3.0, gt=0, description="longest window, for an object that stays in place, seconds"
    )
    steady: float = Field(
        0.05,
        gt=0,
        description="Manhattan speed of the centre at which the window is half of window_max_s, shares of the"
        " frame per second",
    )
    side_min: float = Field(0.12, ge=0, le=1, description="shortest side of a region, share of the frame")
    padding: float = Field(
        0.03, ge=0, le=0.5, description="margin on each side of a region, share of the frame"
    )


def regions(
    boxes: Sequence[np.ndarray],
    times: np.ndarray,
    size: tuple[int, int],
    config: FocusConfig,
    scale: float = 1.0,
) -> np.ndarray:
    """Compute regions that contain every object over a window of time.

    The steadier an object, the longer its window. A frame without any box takes the region of the nearest
    frame that has one. Without a single box, the regions are the whole frame. The official rule is that of
    `official_regions`.

    Args:
        boxes: For each object, (T, 4) xyxy pixels, NaN where it is not seen.
        times: (T,) seconds.
        size: Width and height of the frames, pixels.
        config: The rule and its settings.
        scale: Width of the frames in widths of the video, for the official rule.

    Returns:
        (T, 4) float32 xyxy pixels, clipped to the frame.
    """
    if config.rule == "official":
        return official_regions(boxes, len(times), size, scale)
    frame = np.array([0, 0, *size], np.float64)
    joined = np.full((len(times), 4), np.nan)
    for track in boxes:
        own = variance_windows(track, times, size, config)
        joined[:, :2] = np.fmin(joined[:, :2], own[:, :2])
        joined[:, 2:] = np.fmax(joined[:, 2:], own[:, 2:])
    have = np.flatnonzero(~np.isnan(joined).any(1))
    if not len(have):
        return np.tile(frame.astype(np.float32), (len(times), 1))
    for k in np.setdiff1d(np.arange(len(times)), have):
        joined[k] = joined[have[np.argmin(np.abs(have - k))]]
    middle, side = (joined[:, :2] + joined[:, 2:]) / 2, joined[:, 2:] - joined[:, :2]
    side = np.maximum(side, config.side_min * frame[2:]) + 2 * config.padding * frame[2:]
    low, high = (middle - side / 2).clip(0), np.minimum(middle + side / 2, frame[2:])
    return np.concatenate([low, high], axis=1).astype(np.float32)


def variance_windows(
    track: np.ndarray, times: np.ndarray, size: tuple[int, int], config: FocusConfig
) -> np.ndarray:
    """Join the boxes of a track over a window around each time.

    The window shrinks from window_max_s as the positional variance V(X) of the track grows.

    Args:
        track: (T, 4) xyxy pixels, NaN where the object is not seen.
        times: (T,) seconds.
        size: Width and height of the frames, pixels.
        config: Lengths of the windows.

    Returns:
        (T, 4) xyxy pixels, NaN where the window holds no box.
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


def official_regions(
    tracks: Sequence[np.ndarray], count: int, size: tuple[int, int], scale: float
) -> np.ndarray:
    """Join the boxes of all objects over windows of time, by the official rule.

    There is one sequence of windows for a clip. A window with OFFICIAL_BOXES boxes ends before a frame whose
    first box has its centre more than OFFICIAL_JUMP away from the window's running centre. (The code seems
    meant to take the mean of all boxes.) A frame without a box repeats the last first box, and one before all
    boxes has one as large as the frame.

    Args:
        tracks: For each object, (T, 4) xyxy pixels, NaN where it is not seen.
        count: T.
        size: Width and height of the frames, pixels.
        scale: Width of the frames in widths of the video.

    Returns:
        (T, 4) float32 xyxy pixels, clipped to the frame.
    """
    found = np.empty((count, 4))
    members: list[int] = []
    window: list[np.ndarray] = []
    running = np.zeros(2)
    present: list[np.ndarray] = []
    for k in range(count):
        seen = [track[k] for track in tracks if not np.isnan(track[k]).any()]
        if seen:
            present = seen
        elif not present:
            present = [np.array([0.0, 0.0, *size])]
        boxes, present = present, present[:1]
        centre = (boxes[0][:2] + boxes[0][2:]) / 2
        jumped = np.linalg.norm(centre - running) > OFFICIAL_JUMP * min(size)
        if not members or (jumped and len(window) >= OFFICIAL_BOXES):
            members, window, running = [], [], centre
        else:
            running = OFFICIAL_SMOOTH * running + (1 - OFFICIAL_SMOOTH) * centre
        members.append(k)
        window.extend(boxes)
        found[members] = _official_region(union(np.array(window)), size, scale)
    return found.astype(np.float32)


def _official_region(box: np.ndarray, size: tuple[int, int], scale: float) -> np.ndarray:
    """Make a box (4,) xyxy at least OFFICIAL_SIDE large, with OFFICIAL_PADDING around it, in the frame."""
    frame = np.array(size, np.float64)
    side, middle = box[2:] - box[:2], (box[:2] + box[2:]) / 2
    if (side < OFFICIAL_SIDE[0] * scale).any():
        half = np.maximum(side, OFFICIAL_SIDE[1] * scale) / 2
        box = np.concatenate([(middle - half).clip(0), np.minimum(middle + half, frame)])
    padding = OFFICIAL_PADDING * scale
    return np.concatenate([(box[:2] - padding).clip(0), np.minimum(box[2:] + padding, frame)])


def union(boxes: np.ndarray) -> np.ndarray:
    """Return the smallest box (4,) xyxy that contains boxes (N, 4), N >= 1."""
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def speed(boxes: np.ndarray, times: np.ndarray, size: tuple[int, int]) -> float:
    """Compute the mean Manhattan speed of the centre of an object.

    The paper's positional variance V(X): ||center(b_t1) - center(b_t2)||_1 between neighbours.

    Args:
        boxes: (T, 4) xyxy pixels, NaN where the object is not seen.
        times: (T,) seconds.
        size: Width and height of the frames, pixels.

    Returns:
        Shares of the frame per second; 0 for fewer than two boxes.
    """
    seen = ~np.isnan(boxes).any(1)
    if seen.sum() < 2:
        return 0.0
    centres = (boxes[seen, :2] + boxes[seen, 2:]) / 2 / np.asarray(size)
    return float(np.abs(np.diff(centres, axis=0)).sum() / np.ptp(times[seen]))
