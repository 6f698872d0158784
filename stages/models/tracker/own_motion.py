"""Tracks from boxes: the motion in an object's boxes, measured by points and, independently, by flow."""

from dataclasses import replace

import numpy as np

from filters.camera.motion import Motion, Step, moving
from filters.evidence import Track
from filters.objects import Own, agreed, apart, by_flow, by_itself, by_points, carried, cells
from stages.models.protocols import View
from stages.video.masks import Rle

MOVING_S = 0.4  # seconds: shorter movements are noise
GROWTH_S = 0.75  # seconds for which a box must be seen to show how it grows
FLUCTUATES = 0.7  # correlation of size and time below which a box fluctuates rather than grows


def measured(
    label: str,
    view: View,
    boxes: np.ndarray,
    scores: np.ndarray,
    masks: tuple[Rle | None, ...] = (),
    fine: tuple[np.ndarray, np.ndarray] | None = None,
) -> Track:
    """Make a track of an object's boxes, with the own motion that is seen in them.

    Args:
        label: The detector's name for it.
        view: The frames, their times and the clip's motion.
        boxes: (T, 4) float32, xyxy pixels of the view's frames, one for each of its times, NaN where unseen;
            at least one is seen.
        scores: (T,) float32, 0 to 1.
        masks: (T,) masks, or none.
        fine: Times (K,) and boxes (K, 4) around the points of it that move, in the same pixels, where these
            are what it was found by: they do not show its size.

    Returns:
        The track, with the stretches of its path that both measurements show and that cannot be parallax;
        with zero velocity when the object does not move on its own.
    """
    motion = view.motion
    seen = ~np.isnan(boxes).any(1)
    times, at = fine or (view.times[seen], boxes[seen])
    small = at / np.array([view.size[0] / motion.size[0], view.size[1] / motion.size[1]] * 2)
    one, other = by_points(view.shifts, times, small, motion), by_flow(motion, times, small)
    proven = tuple(
        it
        for it in one.phases
        if agreed(it, other) and by_itself(it, one, motion) and carried(it, times, small, motion)
    )
    grows = float("nan") if fine else growth(times, small, motion.size)
    plain = Track(label, view.times, boxes, scores, (0.0, 0.0), grows, masks=masks)
    sways = one.sway if other.sway and not one.phases else None
    first = _moved(plain, replace(one, phases=proven, sway=sways), motion)
    return replace(first, second=_moved(plain, other if proven or sways else apart(other, motion), motion))


def _moved(plain: Track, own: Own, motion: Motion) -> Track:
    """The track with an own motion: its speed, when it moves, and its path."""
    width, height = motion.size
    goes = own.times[own.velocity != 0]
    if len(goes) < 2 or goes[-1] - goes[0] < MOVING_S:
        return plain
    # Of an object with a path, the speed is that with which it goes along it.
    spans = [(it.start, it.end) for it in own.phases] or [(goes[0], goes[-1])]
    during = np.any([(own.times >= start) & (own.times <= end) for start, end in spans], axis=0)
    mean = complex(own.velocity[during].mean())
    speed = float(np.abs(own.velocity[during]).mean() / np.hypot(width, height))
    path = tuple((it.start, it.end, it.velocity.real / width, it.velocity.imag / height) for it in own.phases)
    velocity, span = (mean.real / width, mean.imag / height), (float(goes[0]), float(goes[-1]))
    return replace(plain, velocity=velocity, speed=speed, moving=span, phases=path, sway=own.sway)


def carry(box: np.ndarray, step: Step, motion: Motion) -> np.ndarray:
    """Compute how far the flow carries a box in a step: the median flow of what moves in it, or of all of it.

    Returns:
        (4,) float64, to be added to the box.
    """
    area = cells(box, step.flow.shape)
    flow, mask = step.flow[area], moving(step, motion)[area]
    chosen = flow[mask] if mask.any() else flow.ravel()
    shift = complex(np.median(chosen.real), np.median(chosen.imag))
    return np.array([shift.real, shift.imag, shift.real, shift.imag])


def growth(times: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> float:
    """Measure how fast an object grows in the frame, from boxes clear of the frame's edges.

    A box cut off by the frame does not show the object's size.

    Args:
        times: (T,) seconds.
        boxes: (T, 4) float.
        size: Width and height of the working frame, pixels.

    Returns:
        E-folds of the square root of the area per second; 0 with fewer than five such boxes, and when their
        sizes fluctuate rather than grow or shrink.
    """
    margin = 0.02 * max(size)
    inside = (boxes[:, :2] > margin).all(1) & (boxes[:, 2:] < np.array(size) - margin).all(1)
    areas = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1)
    if inside.sum() < 5 or np.ptp(sides := 0.5 * np.log(areas[inside])) == 0:
        return 0.0
    if np.ptp(times[inside]) < GROWTH_S or abs(np.corrcoef(times[inside], sides)[0, 1]) < FLUCTUATES:
        return 0.0
    return float(np.polyfit(times[inside], sides, 1)[0])
