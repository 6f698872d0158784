"""A tracker without weights: detections joined over time by the detector's own keys, or by their overlap."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import Field

from filters.evidence import Track
from stages.models.backend import TrackerBackend
from stages.models.protocols import Detections, View
from stages.models.tracker.own_motion import measured
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
    """An object, while the clip is gone through: when and where, pixels of the view, it was detected."""

    label: str
    key: int | None = None
    times: list[float] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def extend(self, time: float, box: np.ndarray, score: float) -> None:
        self.times.append(time)
        self.boxes.append(box)
        self.scores.append(score)


class FlowTracker:
    """Matches detections by their keys or, without keys, greedily by IoU with where the objects were last."""

    name = "flow_tracker"
    version = "2"

    def __init__(self, config: FlowTrackerConfig) -> None:
        self._config = config

    def track(self, view: View, found: Mapping[float, Detections]) -> list[Track]:
        """Track the detected regions.

        Args:
            view: The frames, their times and the clip's motion.
            found: The detections, by time in seconds.

        Returns:
            Tracks at the view's times, the most salient (side times time seen times speed) first.
        """
        live: list[_Path] = []
        ended: list[_Path] = []
        for now, detections in sorted(found.items()):
            ended += [path for path in live if now - path.times[-1] > self._config.lost_s]
            live = [path for path in live if now - path.times[-1] <= self._config.lost_s]
            live += self._match(live, now, detections)
        paths = [path for path in ended + live if path.times[-1] - path.times[0] >= self._config.life_min_s]
        tracks = [_track(path, view) for path in paths]
        tracks = [track for track in tracks if track.scores.any()]
        return sorted(tracks, key=lambda track: (-salience(track), track.moving))[: self._config.most]

    def _match(self, live: list[_Path], now: float, found: Detections) -> list[_Path]:
        """Extend the live objects by the detections of a sample; return those that match none."""
        if found.keys:
            by_key = {path.key: p for p, path in enumerate(live)}
            pairs = [(by_key[key], b) for b, key in enumerate(found.keys) if key in by_key]
        else:
            overlap = np.array([[iou(path.boxes[-1], box) for box in found.boxes] for path in live])
            pairs = matches(overlap.reshape(len(live), len(found.boxes)), self._config.iou_min)
        for p, b in pairs:
            live[p].extend(now, found.boxes[b], float(found.scores[b]))
        new = []
        for b in sorted(set(range(len(found.boxes))) - {b for _, b in pairs}):
            new.append(_Path(found.labels[b], found.keys[b] if found.keys else None))
            new[-1].extend(now, found.boxes[b], float(found.scores[b]))
        return new


def salience(track: Track) -> float:
    """Rate how salient a track is: mean side of its boxes times its way, more if that is proven."""
    seen = track.boxes[~np.isnan(track.boxes).any(1)]
    side = float(np.mean(np.sqrt(np.prod(seen[:, 2:] - seen[:, :2], axis=1))))
    way = track.speed * (track.moving[1] - track.moving[0])
    return side * way * (1 if track.phases else 0.3 if track.sway else 0.1)


def _track(path: _Path, view: View) -> Track:
    """The track of an object, interpolated to the view's times."""
    times, boxes = np.array(path.times), np.array(path.boxes)
    # Seen from its first to its last detection, and a little beyond: the view's times fall between samples.
    seen = (view.times >= times[0] - 0.25) & (view.times <= times[-1] + 0.25)
    at = np.full((len(view.times), 4), np.nan, np.float32)
    for column in range(4):
        at[seen, column] = np.interp(view.times[seen], times, boxes[:, column])
    scores = np.where(seen, np.interp(view.times, times, path.scores), 0).astype(np.float32)
    if not seen.any():
        return Track(path.label, view.times, at, scores, (0.0, 0.0))
    return measured(path.label, view, at, scores, fine=(times, boxes))
