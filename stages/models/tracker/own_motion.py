"""The own motion of an object: the motion in its boxes, with the camera's removed.

Velocities are complex, x + iy, in pixels of the working frame per second, y down. Boxes are xyxy in pixels of
the working frame unless stated otherwise. T counts the times at which an object was seen.
"""

from collections.abc import Sequence

import numpy as np

from filters.camera.grid import CELL
from filters.camera.grid import positions as grid
from filters.camera.motion import Motion, Step, moving, residual
from filters.evidence import Track
from stages.models.protocols import View
from stages.video.masks import Rle

PHASE_S = 0.75  # seconds: a direction kept for less is none that a person would name
CONFIRMED = 0.5  # of `Step.change` where an object was: below it, nothing has left that place
STEADY = 0.6  # of `steady`: above it, an object moves mainly one way
STILL_CAMERA = 0.25  # pixels of the working frame per step
SPEED_MIN = 0.01  # frame diagonals per second: slower objects stand still
SHARE_MIN = 0.05  # of a box that must move for its object to move: less is another object, or noise
MOVING_S = 0.4  # seconds: shorter movements are noise


def measured(
    label: str, view: View, boxes: np.ndarray, scores: np.ndarray, masks: tuple[Rle | None, ...] = ()
) -> Track:
    """Make a track of an object's boxes, with the own motion that the flow shows in them.

    Args:
        label: The detector's name for it.
        view: The frames, their times and the clip's motion.
        boxes: (T, 4) float32, xyxy pixels of the view's frames, one for each of its times, NaN where unseen;
            at least one is seen.
        scores: (T,) float32, 0 to 1.
        masks: (T,) masks, or none.

    Returns:
        The track; with zero velocity and no phases when the object does not move on its own.
    """
    motion = view.motion
    width, height = motion.size
    seen = ~np.isnan(boxes).any(1)
    small = boxes / (np.array([*view.size] * 2) / [width, height, width, height])
    slow = {k: step for step in motion.long for k in range(step.i, step.j)}
    near = [int(np.abs(view.times - motion.times[step.i]).argmin()) for step in motion.steps]
    steps = [s for s, k in zip(motion.steps, near, strict=True) if seen[k] and s.j not in motion.cuts]
    times = np.array([motion.times[step.i] for step in steps])
    where = np.stack([np.interp(times, view.times[seen], side) for side in small[seen].T], axis=1)
    own = np.array(
        [movement(box, s, slow.get(s.i), motion) for box, s in zip(where, steps, strict=True)], np.complex128
    )
    # A movement counts where the object also moves at half of the times around it.
    moves = np.array([np.mean(own[np.abs(times - t) <= PHASE_S / 2] != 0) >= 0.5 for t in times], bool) & (
        own != 0
    )
    start, end = (float(t) for t in times[moves][[0, -1]]) if moves.any() else (0.0, 0.0)
    grown = growth(view.times[seen], small[seen], motion.size)
    if end - start < MOVING_S or not believable(times[moves], where[moves], own[moves], motion):
        return Track(label, view.times, boxes, scores, (0.0, 0.0), grown, masks=masks)
    during = (times >= start) & (times <= end)
    velocity = complex(own[during].mean())
    return Track(
        label,
        view.times,
        boxes,
        scores,
        (velocity.real / width, velocity.imag / height),
        grown,
        float(np.abs(own[during]).mean() / np.hypot(width, height)),
        (start, end),
        headings(times[during], own[during], motion),
        masks,
    )


def movement(box: np.ndarray, step: Step, slow: Step | None, motion: Motion) -> complex:
    """Measure as `own_velocity` does, but return 0 where too little of the box moves, or too slowly."""
    area = cells(box, step.flow.shape)
    if all(moving(s, motion)[area].mean() < SHARE_MIN for s in (step, slow) if s is not None):
        return 0j
    velocity = own_velocity(box, step, slow, motion)
    return velocity if abs(velocity) >= SPEED_MIN * np.hypot(*motion.size) else 0j


def headings(
    times: np.ndarray, own: np.ndarray, motion: Motion
) -> tuple[tuple[float, float, float, float], ...]:
    """Find the phases of velocities (T,), in the form and units of `Track.phases`."""
    width, height = motion.size
    return tuple((start, end, v.real / width, v.imag / height) for start, end, v in phases(times, own))


def cells(box: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of the motion grid (h, w) under a box (4,)."""
    x0, y0 = np.floor(box[:2] / CELL).astype(int).clip(0)
    x1, y1 = np.ceil(box[2:] / CELL).astype(int)
    return slice(min(y0, shape[0] - 1), max(y1, y0 + 1)), slice(min(x0, shape[1] - 1), max(x1, x0 + 1))


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


def own_velocity(box: np.ndarray, step: Step, slow: Step | None, motion: Motion) -> complex:
    """Measure the own velocity of what is in a box.

    Args:
        box: (4,) float.
        step: The step between neighbouring samples.
        slow: The step over the long baseline around it; used where `step` shows less than a pixel.
        motion: The clip's motion.

    Returns:
        Pixels of the working frame per second, complex.
    """
    z = grid(motion.size)
    area = cells(box, step.flow.shape)
    result = 0j
    for candidate in (step, slow):
        if candidate is None:
            continue
        mask = moving(candidate, motion)[area]
        own = residual(candidate, z)[area]
        chosen = own[mask] if mask.any() else own.ravel()
        middle = complex(np.median(chosen.real), np.median(chosen.imag))
        result = middle / (motion.times[candidate.j] - motion.times[candidate.i])
        if abs(middle) >= 1:
            break
    return result


def believable(
    times: Sequence[float] | np.ndarray,
    boxes: Sequence[np.ndarray] | np.ndarray,
    own: np.ndarray,
    motion: Motion,
) -> bool:
    """Decide whether the movement of an object is real rather than an error of the flow.

    Args:
        times: (T,) seconds.
        boxes: (T, 4) float.
        own: (T,) complex, its own velocities.
        motion: The clip's motion.

    Returns:
        True when it is real.
    """
    # Under a moving camera, movement without a direction may just as well be an error of the camera's fit.
    still = np.median([np.abs(step.b) for step in motion.steps]) < STILL_CAMERA
    return changed(times, boxes, motion) > CONFIRMED and bool(still or steady(own) > STEADY)


def changed(
    times: Sequence[float] | np.ndarray, boxes: Sequence[np.ndarray] | np.ndarray, motion: Motion
) -> float:
    """Measure how unlike the picture is where an object was, compared to one long baseline later.

    Flow errs at edges and in flat areas, and keeps doing so; but there the picture stays the same.

    Args:
        times: (T,) seconds.
        boxes: (T, 4) float.
        motion: The clip's motion.

    Returns:
        The median of `Step.change` where the boxes move, 0 to 1; 1 for a clip too short for a long baseline.
    """
    if not motion.long:
        return 1.0
    slow = {motion.times[step.i]: step for step in motion.long}
    values = []
    for at, box in zip(times, boxes, strict=True):
        step = slow.get(at)
        if step is not None and step.change is not None:
            area = cells(box, step.change.shape)
            mask = moving(motion.steps[step.i], motion)[area]
            values.append(step.change[area][mask])
    seen = np.concatenate(values) if values else np.array([])
    return float(np.nanmedian(seen)) if np.isfinite(seen).any() else 0.0


def steady(own: np.ndarray) -> float:
    """Rate how consistently velocities (T,) keep to one direction: 0 not at all, 1 always."""
    return float(abs(own.mean()) / max(np.abs(own).mean(), 1e-9))


def areas(boxes: np.ndarray) -> np.ndarray:
    """Compute the areas (T,) of boxes (T, 4), at least 1 pixel."""
    return np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1)


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
    if inside.sum() < 5 or np.ptp(sides := 0.5 * np.log(areas(boxes[inside]))) == 0:
        return 0.0
    if np.ptp(times[inside]) < PHASE_S or abs(np.corrcoef(times[inside], sides)[0, 1]) < 0.7:
        return 0.0  # it fluctuates
    return float(np.polyfit(times[inside], sides, 1)[0])


def phases(times: np.ndarray, own: np.ndarray) -> list[tuple[float, float, complex]]:
    """Find the intervals of at least PHASE_S in which velocities stay within 45 degrees of their mean.

    Velocities are averaged over PHASE_S first. Below a third of the mean speed they have no direction.
    Adjacent intervals in the same direction are joined.

    Args:
        times: (T,) seconds.
        own: (T,) complex.

    Returns:
        Start, end and mean velocity of each interval.
    """
    smooth = np.array([own[np.abs(times - t) <= PHASE_S / 2].mean() for t in times])
    fast = np.abs(smooth) > np.abs(own).mean() / 3
    runs: list[list[int]] = []
    for k in range(len(times)):
        if not fast[k]:
            continue
        mean = smooth[runs[-1]].mean() if runs else 0j
        if runs and abs(np.angle(smooth[k] * np.conj(mean))) <= np.pi / 4:
            runs[-1].append(k)
        else:
            runs.append([k])
    found: list[list[int]] = []
    for run in (run for run in runs if times[run[-1]] - times[run[0]] >= PHASE_S):
        if found and abs(np.angle(smooth[run].mean() * np.conj(smooth[found[-1]].mean()))) <= np.pi / 4:
            found[-1] += run
        else:
            found.append(run)
    return [(float(times[run[0]]), float(times[run[-1]]), complex(own[run].mean())) for run in found]
