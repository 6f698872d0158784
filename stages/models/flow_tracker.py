"""A tracker without weights: boxes carried by the optical flow and matched over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.camera import CELL, Motion, Step, moving, residual
from filters.camera import positions as grid
from filters.evidence import Track
from stages.models.base import Detections, View

PHASE_S = 0.75  # seconds: shorter stretches are no direction that a person would name
CONFIRMED = 0.5  # of `Step.change`, where a track was: less, and nothing there has gone away


class FlowTrackerConfig(BaseModel):
    """When two boxes are one object, and when an object counts."""

    model_config = ConfigDict(extra="forbid")

    iou_min: float = Field(0.25, gt=0, lt=1, description="overlap with the carried box that makes a match")
    lost_s: float = Field(
        5.0, gt=0, description="what pauses for longer is taken for another object, seconds"
    )
    life_min_s: float = Field(0.4, ge=0, description="shorter appearances are noise, seconds")
    most: int = Field(4, ge=1, description="objects kept in each clip, the most salient")


@dataclass
class _Path:
    label: str
    times: list[float] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    own: list[complex] = field(default_factory=list)
    carried: np.ndarray = field(default_factory=lambda: np.zeros(4))


class FlowTracker:
    """Greedy matching by IoU of each frame's detections with the boxes that the flow carried there."""

    name = "flow_tracker"
    version = "1"

    def __init__(self, config: FlowTrackerConfig) -> None:
        self._config = config

    def track(self, view: View, found: Mapping[float, Detections]) -> list[Track]:
        """Tracks at the view's times, the most salient (area times time seen times speed) first."""
        motion = view.motion
        scale = np.array([view.size[0] / motion.size[0], view.size[1] / motion.size[1]] * 2, np.float32)
        slow = {step.i: step for step in motion.long}
        live: list[_Path] = []
        ended: list[_Path] = []
        for step in motion.steps:
            now = float(motion.times[step.i])
            ended += [path for path in live if now - path.times[-1] > self._config.lost_s]
            live = [path for path in live if now - path.times[-1] <= self._config.lost_s]
            self._match(live, found.get(now), now, step, slow.get(step.i), motion, scale)
            for path in live:
                path.carried = path.carried + carry(path.carried, step, motion)
        paths = [path for path in ended + live if path.times[-1] - path.times[0] >= self._config.life_min_s]
        paths = [path for path in paths if changed(path, motion) > CONFIRMED]
        # Under a moving camera what keeps to no direction may as well be an error of the camera's fit.
        still = np.median([np.abs(step.b) for step in motion.steps]) < 0.25
        paths = [path for path in paths if still or steady(path) > 0.6]
        paths.sort(key=lambda path: (-salience(path), path.times[0], path.boxes[0].tolist()))
        tracks = [_track(path, view, scale) for path in paths]
        return [track for track in tracks if track.scores.any()][: self._config.most]

    def _match(
        self,
        live: list[_Path],
        found: Detections | None,
        now: float,
        step: Step,
        slow: Step | None,
        motion: Motion,
        scale: np.ndarray,
    ) -> None:
        if found is None or not len(found.boxes):
            return
        boxes = found.boxes / scale
        overlap = np.array([[iou(path.carried, box) for box in boxes] for path in live]).reshape(
            len(live), len(boxes)
        )
        fresh = set(range(len(boxes)))
        pairs = sorted(
            ((-overlap[p, b], p, b) for p in range(len(live)) for b in fresh), key=lambda pair: pair
        )
        taken: set[int] = set()
        for gain, p, b in pairs:
            if -gain >= self._config.iou_min and p not in taken and b in fresh:
                taken.add(p)
                fresh.discard(b)
                _extend(live[p], boxes[b], float(found.scores[b]), now, step, slow, motion)
        for b in sorted(fresh):
            path = _Path(found.labels[b])
            _extend(path, boxes[b], float(found.scores[b]), now, step, slow, motion)
            live.append(path)


def _extend(
    path: _Path, box: np.ndarray, score: float, now: float, step: Step, slow: Step | None, motion: Motion
) -> None:
    path.times.append(now)
    path.boxes.append(box)
    path.scores.append(score)
    path.own.append(own_velocity(box, step, slow, motion))
    path.carried = box.astype(np.float64)


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


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union, 0 to 1, of two boxes xyxy."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared, 1e-9)


def changed(path: _Path, motion: Motion) -> float:
    """How unlike the picture is, 0 to 1, where a path was and the longer baseline later.

    Flow errs at edges and in flat areas, and an error lasts; but there the picture stays the same.
    """
    if not motion.long:
        return 1.0
    slow = {motion.times[step.i]: step for step in motion.long}
    values = []
    for at, box in zip(path.times, path.boxes, strict=True):
        step = slow.get(at)
        if step is not None and step.change is not None:
            area = cells(box, step.change.shape)
            mask = moving(motion.steps[step.i], motion)[area]
            values.append(step.change[area][mask])
    seen = np.concatenate(values) if values else np.array([])
    return float(np.nanmedian(seen)) if np.isfinite(seen).any() else 0.0


def steady(path: _Path) -> float:
    """How far a path keeps to one direction, 0 to 1."""
    own = np.array(path.own)
    return float(abs(own.mean()) / max(np.abs(own).mean(), 1e-9))


def salience(path: _Path) -> float:
    """Mean side of the boxes times the number of times seen times the distance it goes by itself."""
    sides = np.sqrt([np.prod(box[2:] - box[:2]) for box in path.boxes])
    return float(np.mean(sides) * len(path.times) * abs(np.mean(path.own)))


def _track(path: _Path, view: View, scale: np.ndarray) -> Track:
    times, boxes = np.array(path.times), np.array(path.boxes)
    width, height = view.motion.size
    # Seen between its first and last sighting, and a little around: the view's times fall between samples.
    seen = (view.times >= times[0] - 0.25) & (view.times <= times[-1] + 0.25)
    at = np.full((len(view.times), 4), np.nan, np.float32)
    for column in range(4):
        at[seen, column] = np.interp(view.times[seen], times, boxes[:, column])
    scores = np.where(seen, np.interp(view.times, times, path.scores), 0).astype(np.float32)
    velocity = complex(np.mean(path.own))
    return Track(
        path.label,
        view.times,
        at * scale,
        scores,
        (velocity.real / width, velocity.imag / height),
        growth(times, boxes, (width, height)),
        float(np.abs(path.own).mean() / np.hypot(width, height)),
        (float(times[0]), float(times[-1])),
        tuple(
            (start, end, v.real / width, v.imag / height)
            for start, end, v in phases(times, np.array(path.own))
        ),
    )


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
