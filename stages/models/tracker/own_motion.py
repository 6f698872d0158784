"""What an object does by itself: the motion in its boxes, the camera's taken out.

Velocities are complex, x + iy, pixels of the working frame per second, y down.
"""

from collections.abc import Sequence

import numpy as np

from filters.camera.grid import CELL
from filters.camera.grid import positions as grid
from filters.camera.motion import Motion, Step, moving, residual
from filters.evidence import Track
from stages.models.protocols import View
from stages.video.masks import Rle

PHASE_S = 0.75  # seconds: shorter stretches are no direction that a person would name
CONFIRMED = 0.5  # of `Step.change`, where a track was: less, and nothing there has gone away
STEADY = 0.6  # of `steady`: an object that moves this much one way
STILL_CAMERA = 0.25  # pixels of the working frame a step
SPEED_MIN = 0.01  # frame diagonals per second: what is slower stands still
SHARE_MIN = 0.05  # of a box that must move before the object does: less is something else, or noise
MOVING_S = 0.4  # seconds: shorter movements are noise


def measured(
    label: str, view: View, boxes: np.ndarray, scores: np.ndarray, masks: tuple[Rle | None, ...] = ()
) -> Track:
    """A track from boxes (T, 4) float32, pixels of the view's frames, NaN where unseen, and scores (T,).

    At least one box is seen. What the flow shows in the boxes fills the other fields; an object in which it
    shows no movement of its own gets zeros and no phases.
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
    # A moment of movement counts where half of those around it move too.
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
    """As `own_velocity`, but 0 where too little of the box moves, or too slowly."""
    area = cells(box, step.flow.shape)
    if all(moving(s, motion)[area].mean() < SHARE_MIN for s in (step, slow) if s is not None):
        return 0j
    velocity = own_velocity(box, step, slow, motion)
    return velocity if abs(velocity) >= SPEED_MIN * np.hypot(*motion.size) else 0j


def headings(
    times: np.ndarray, own: np.ndarray, motion: Motion
) -> tuple[tuple[float, float, float, float], ...]:
    """The phases of velocities (T,) in the form and units of `Track.phases`."""
    width, height = motion.size
    return tuple((start, end, v.real / width, v.imag / height) for start, end, v in phases(times, own))


def cells(box: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the motion grid (h, w) under a box, xyxy pixels of the working frame."""
    x0, y0 = np.floor(box[:2] / CELL).astype(int).clip(0)
    x1, y1 = np.ceil(box[2:] / CELL).astype(int)
    return slice(min(y0, shape[0] - 1), max(y1, y0 + 1)), slice(min(x0, shape[1] - 1), max(x1, x0 + 1))


def carry(box: np.ndarray, step: Step, motion: Motion) -> np.ndarray:
    """How far (4,) the flow takes a box in a step, pixels: the middle flow of what moves in it, or of all."""
    area = cells(box, step.flow.shape)
    flow, mask = step.flow[area], moving(step, motion)[area]
    chosen = flow[mask] if mask.any() else flow.ravel()
    shift = complex(np.median(chosen.real), np.median(chosen.imag))
    return np.array([shift.real, shift.imag, shift.real, shift.imag])


def own_velocity(box: np.ndarray, step: Step, slow: Step | None, motion: Motion) -> complex:
    """Own velocity of what is in a box, pixels of the working frame per second, the camera taken out.

    From the longer baseline where the step between neighbours shows less than a pixel.
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
    """Whether the movement of an object (times, boxes (T, 4), velocities (T,)) is no error of the flow."""
    # Under a moving camera what keeps to no direction may as well be an error of the camera's fit.
    still = np.median([np.abs(step.b) for step in motion.steps]) < STILL_CAMERA
    return changed(times, boxes, motion) > CONFIRMED and bool(still or steady(own) > STEADY)


def changed(
    times: Sequence[float] | np.ndarray, boxes: Sequence[np.ndarray] | np.ndarray, motion: Motion
) -> float:
    """How unlike the picture is, 0 to 1, where an object was (times, boxes (T, 4)) and a long step later.

    Flow errs at edges and in flat areas, and an error lasts; but there the picture stays the same.
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
    """How far velocities (T,) keep to one direction, 0 to 1."""
    return float(abs(own.mean()) / max(np.abs(own).mean(), 1e-9))


def areas(boxes: np.ndarray) -> np.ndarray:
    """Areas (T,) of boxes (T, 4) xyxy, at least 1."""
    return np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1)


def growth(times: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> float:
    """E-folds per second of a track's size (square root of the area), from boxes (T, 4) clear of the edges.

    0 when fewer than five are clear (a box that the frame cuts off says nothing of the object's size), or
    when they waver rather than grow or shrink.
    """
    margin = 0.02 * max(size)
    inside = (boxes[:, :2] > margin).all(1) & (boxes[:, 2:] < np.array(size) - margin).all(1)
    if inside.sum() < 5 or np.ptp(sides := 0.5 * np.log(areas(boxes[inside]))) == 0:
        return 0.0
    if np.ptp(times[inside]) < PHASE_S or abs(np.corrcoef(times[inside], sides)[0, 1]) < 0.7:
        return 0.0  # it wavers, rather than grows or shrinks
    return float(np.polyfit(times[inside], sides, 1)[0])


def phases(times: np.ndarray, own: np.ndarray) -> list[tuple[float, float, complex]]:
    """Stretches of at least PHASE_S in which velocities (T,) complex keep within 45 degrees of their mean.

    times: (T,) seconds. The velocities are averaged over PHASE_S first; slow stretches, under a third of the
    mean speed, have no direction. Neighbours that head the same way are joined.
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
