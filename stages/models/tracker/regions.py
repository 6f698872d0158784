"""A tracker without weights: boxes carried by optical flow and matched over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import Field

from filters.camera.motion import Motion, Step
from filters.evidence import Track
from stages.models.backend import TrackerBackend
from stages.models.protocols import Detections, View
from stages.models.tracker.own_motion import believable, carry, growth, headings, own_velocity
from stages.video.boxes import iou, matches


class FlowTrackerConfig(TrackerBackend):
    """When two moving regions are the same object, and which objects are kept."""

    backend: Literal["regions"] = "regions"
    iou_min: float = Field(
        0.25, gt=0, lt=1, description="smallest overlap (IoU) with the carried box that is a match"
    )
    lost_s: float = Field(
        5.0, gt=0, description="an object that pauses for longer is treated as another one, seconds"
    )
    life_min_s: float = Field(0.4, ge=0, description="objects seen for less are noise, seconds")
    most: int = Field(4, ge=1, description="most objects kept per clip, the most salient")

    def build(self) -> "FlowTracker":
        """Build the tracker."""
        return FlowTracker(self)


@dataclass
class _Path:
    """An object, while the clip is gone through: when and where it was detected, and its own velocity there.

    carried: (4,) its latest box, carried on by the flow. Boxes are in pixels of the working frame.
    """

    label: str
    times: list[float] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    own: list[complex] = field(default_factory=list)
    carried: np.ndarray = field(default_factory=lambda: np.zeros(4))


class FlowTracker:
    """Matches each sample's detections greedily, by IoU, with the boxes that the flow has carried there."""

    name = "flow_tracker"
    version = "1"

    def __init__(self, config: FlowTrackerConfig) -> None:
        self._config = config

    def track(self, view: View, found: Mapping[float, Detections]) -> list[Track]:
        """Track the detected regions.

        Args:
            view: The frames, their times and the clip's motion.
            found: The detections, by the time of a sample in seconds.

        Returns:
            Tracks at the view's times, the most salient (side times time seen times speed) first.
        """
        motion = view.motion
        scale = np.array([view.size[0] / motion.size[0], view.size[1] / motion.size[1]] * 2, np.float32)
        slow = {step.i: step for step in motion.long}
        live: list[_Path] = []
        ended: list[_Path] = []
        for step in motion.steps:
            now = float(motion.times[step.i])
            ended += [path for path in live if now - path.times[-1] > self._config.lost_s]
            live = [path for path in live if now - path.times[-1] <= self._config.lost_s]
            self._match(live, found.get(now), step, slow.get(step.i), motion, scale)
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
        step: Step,
        slow: Step | None,
        motion: Motion,
        scale: np.ndarray,
    ) -> None:
        """Extend the live objects by the detections of a sample, and add those that match none."""
        if found is None or not len(found.boxes):
            return
        boxes = found.boxes / scale
        overlap = np.array([[iou(path.carried, box) for box in boxes] for path in live]).reshape(
            len(live), len(boxes)
        )
        pairs = matches(overlap, self._config.iou_min)
        now = float(motion.times[step.i])
        own = [own_velocity(box, step, slow, motion) for box in boxes]
        for p, b in pairs:
            _extend(live[p], boxes[b], float(found.scores[b]), now, own[b])
        for b in sorted(set(range(len(boxes))) - {b for _, b in pairs}):
            path = _Path(found.labels[b])
            _extend(path, boxes[b], float(found.scores[b]), now, own[b])
            live.append(path)


def _extend(path: _Path, box: np.ndarray, score: float, now: float, own: complex) -> None:
    """Add a detection, and its own velocity, to an object."""
    path.times.append(now)
    path.boxes.append(box)
    path.scores.append(score)
    path.own.append(own)
    path.carried = box.astype(np.float64)


def salience(path: _Path) -> float:
    """Rate how salient an object is: mean side of its boxes times times seen times own velocity."""
    sides = np.sqrt([np.prod(box[2:] - box[:2]) for box in path.boxes])
    return float(np.mean(sides) * len(path.times) * abs(np.mean(path.own)))


def _track(path: _Path, view: View, scale: np.ndarray) -> Track:
    """The track of an object, interpolated to the view's times. scale: from working frame to view."""
    times, boxes = np.array(path.times), np.array(path.boxes)
    width, height = view.motion.size
    # Seen from its first to its last detection, and a little beyond: the view's times fall between samples.
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
