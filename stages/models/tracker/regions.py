"""A tracker without weights: boxes carried by the optical flow and matched over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.camera.motion import Motion, Step
from filters.evidence import Track
from stages.models.protocols import Detections, View
from stages.models.tracker.own_motion import believable, carry, growth, headings, own_velocity
from stages.video.boxes import iou, matches


class FlowTrackerConfig(BaseModel):
    """When two moving regions are one object, and when an object counts."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["regions"] = "regions"
    iou_min: float = Field(0.25, gt=0, lt=1, description="overlap with the carried box that makes a match")
    lost_s: float = Field(
        5.0, gt=0, description="what pauses for longer is taken for another object, seconds"
    )
    life_min_s: float = Field(0.4, ge=0, description="shorter appearances are noise, seconds")
    most: int = Field(4, ge=1, description="objects kept in each clip, the most salient")

    def build(self) -> "FlowTracker":
        """The tracker."""
        return FlowTracker(self)


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
        paths = [path for path in paths if believable(path.times, path.boxes, np.array(path.own), motion)]
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
        pairs = matches(overlap, self._config.iou_min)
        for p, b in pairs:
            _extend(live[p], boxes[b], float(found.scores[b]), now, step, slow, motion)
        for b in sorted(set(range(len(boxes))) - {b for _, b in pairs}):
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
        headings(times, np.array(path.own), view.motion),
    )
