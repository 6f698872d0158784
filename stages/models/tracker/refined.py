"""A tracker that repairs itself: detections at key frames correct what is carried from frame to frame.

Object referring of MotionSight. A confident detection is believed, and starts a track where there is none;
an unsure one only pulls the box of a track that it overlaps, the more the surer it is beside the track. A
track that no detection supports fades, is lost, and comes back when one is found where it was or was heading.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from pydantic import Field

from filters.evidence import Track
from stages.models.backend import TrackerBackend
from stages.models.protocols import Detections, View
from stages.models.tracker.own_motion import carry, measured
from stages.video.boxes import iou, matches
from stages.video.masks import Rle

GONE = 0.1  # of a box inside the frame: less, and the object has left
TRAIL_S = 2.0  # seconds over which the pace of an object is taken


class RefinedConfig(TrackerBackend):
    """When a detection and a track are one object, and how long a track lives without any."""

    iou_min: float = Field(
        0.3, gt=0, lt=1, description="overlap of a detection with a track that makes a match"
    )
    confident: float = Field(
        0.35, ge=0, le=1, description="score of detections that are believed, and may start a track"
    )
    refine: bool = Field(True, description="let less confident detections correct and revive tracks")
    fade_s: float = Field(
        1.0, gt=0, description="in which a track without detections loses half of its confidence, seconds"
    )
    lost: float = Field(0.15, gt=0, lt=1, description="confidence under which a track is not shown")
    lost_s: float = Field(
        5.0, gt=0, description="what is not detected for longer is taken for another object, seconds"
    )
    most: int = Field(6, ge=1, description="objects kept in each clip, the most salient")


@dataclass(frozen=True)
class Carried:
    """Where a carrier sees an object: box (4,) xyxy pixels, score 0 to 1, and its mask if it has one."""

    box: np.ndarray
    score: float = 1.0
    mask: Rle | None = None


class Carriage(Protocol):
    """The objects of one clip, each under a number, and where they are in the frame that was come to last."""

    def put(self, key: int, box: np.ndarray) -> Carried:
        """Take up an object at a box of this frame, or correct it. Returns what the carrier makes of it."""
        ...

    def advance(self, frame: int, boxes: Mapping[int, np.ndarray]) -> dict[int, Carried]:
        """Go to the next frame of the view, with those objects alone that `boxes` (where they were) names.

        Returns those that can be seen there.
        """
        ...


class Carrier(Protocol):
    """Takes boxes from frame to frame."""

    name: str
    version: str

    def begin(self, view: View) -> Carriage:
        """At the view's first frame, with no objects."""
        ...


@dataclass
class _Path:
    """An object. box: where it is held to be. support, at: its box when last detected, and the time.

    trail: the times and centres of its latest supports. velocity: theirs, pixels per second.
    """

    label: str
    confidence: float
    box: np.ndarray
    at: float
    seen: Carried | None = None
    support: np.ndarray = field(default_factory=lambda: np.zeros(4))
    trail: list[tuple[float, np.ndarray]] = field(default_factory=list)
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    boxes: dict[int, np.ndarray] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)
    masks: dict[int, Rle | None] = field(default_factory=dict)

    def heading(self, now: float) -> np.ndarray:
        """The box (4,) if it went on from where it was last detected, whatever the carrier says."""
        return self.support + np.tile(self.velocity * (now - self.at), 2)

    def move(self, carried: Carried | None, now: float, faded: float) -> None:
        """To the next frame, where the carrier sees it, or does not."""
        self.seen, self.confidence = carried, self.confidence * faded
        self.box = carried.box if carried else self.heading(now)

    def meet(self, carried: Carried, confidence: float, now: float) -> None:
        """With a detection, by which the carrier has it there."""
        self.seen, self.confidence, self.at = carried, confidence, now
        self.box = self.support = carried.box
        # Not what the carrier made of it: while something comes before an object, its flow comes to a halt.
        self.trail = [(at, where) for at, where in self.trail if now - at <= TRAIL_S]
        self.trail.append((now, centre(self.box)))
        if len(self.trail) > 1:
            times, centres = zip(*self.trail, strict=True)
            self.velocity = np.polyfit(times, centres, 1)[0]


class RefinedTracker:
    """Detections corrected over time, on any `Carrier`."""

    def __init__(self, config: RefinedConfig, carrier: Carrier) -> None:
        self._config, self._carrier = config, carrier
        self.name, self.version = carrier.name, carrier.version

    def track(self, view: View, found: Mapping[float, Detections]) -> list[Track]:
        """Tracks at the view's times, the most salient (size times time times confidence) first.

        found: what was detected, by time; it counts for the shown frame nearest to it. A cut ends all tracks.
        """
        config, times = self._config, view.times
        detections = {int(np.abs(times - t).argmin()): given for t, given in found.items()}
        cuts = np.searchsorted(times, [view.motion.times[k] - 1e-6 for k in view.motion.cuts])
        carriage = self._carrier.begin(view)
        live: dict[int, _Path] = {}
        every: list[_Path] = []
        for k, now in enumerate(times):
            if k in cuts:
                live = {}
            if k:
                live = {key: path for key, path in live.items() if now - path.at <= config.lost_s}
                carried = carriage.advance(k, {key: path.box for key, path in live.items()})
                for key, path in live.items():
                    path.move(carried.get(key), now, 0.5 ** ((now - times[k - 1]) / config.fade_s))
            for key, path in self._meet(detections.get(k), now, carriage, live, len(every)).items():
                live[key] = path
                every.append(path)
            for path in live.values():
                if path.seen and path.confidence >= config.lost:
                    path.boxes[k] = within(path.seen.box, view.size)
                    path.scores[k] = path.confidence * path.seen.score
                    path.masks[k] = path.seen.mask
        paths = sorted((path for path in every if path.boxes), key=salience, reverse=True)
        return [_track(path, view) for path in paths[: config.most]]

    def _meet(
        self,
        found: Detections | None,
        now: float,
        carriage: Carriage,
        live: Mapping[int, _Path],
        next_key: int,
    ) -> dict[int, _Path]:
        """Correct the live tracks by what was detected in a frame. Returns new ones."""
        config = self._config
        if found is None:
            return {}
        sure = found.scores >= config.confident
        paths = list(live.items())
        overlap = np.array(
            [[_overlap(path, found, b, now) for b in range(len(found.boxes))] for _, path in paths]
        ).reshape(len(paths), len(found.boxes))
        if not config.refine:
            overlap[:, ~sure] = 0
        for p, b in matches(overlap, config.iou_min):
            key, path = paths[p]
            box, score = found.boxes[b].astype(np.float64), float(found.scores[b])
            if not sure[b]:
                held = max((path.box, path.heading(now)), key=lambda held: iou(held, box))
                box = merged(held, path.confidence, box, score)
                score = max(score, path.confidence)
            path.meet(carriage.put(key, box), score, now)
        new: dict[int, _Path] = {}
        for b in np.flatnonzero(sure).tolist():
            known = [path for _, path in paths] + list(new.values())
            if all(_overlap(path, found, b, now) < config.iou_min for path in known):
                key, box = next_key + len(new), found.boxes[b].astype(np.float64)
                new[key] = _Path(found.labels[b], 0.0, box, now)
                new[key].meet(carriage.put(key, box), float(found.scores[b]), now)
        return new


def _overlap(path: _Path, found: Detections, b: int, now: float) -> float:
    """Of a detection with where a track is or was heading, 0 to 1; 0 if they are not called the same."""
    if path.label != found.labels[b]:
        return 0.0
    return max(iou(path.box, found.boxes[b]), iou(path.heading(now), found.boxes[b]))


def merged(a: np.ndarray, weight_a: float, b: np.ndarray, weight_b: float) -> np.ndarray:
    """The mean (4,) of two boxes by their weights, of which one is above 0."""
    return (weight_a * a + weight_b * b) / (weight_a + weight_b)


def centre(box: np.ndarray) -> np.ndarray:
    """The middle (2,) of a box (4,)."""
    return (box[:2] + box[2:]) / 2


def within(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A box (4,) cut to a frame (width, height)."""
    return np.clip(box, 0, [*size, *size])


def salience(path: _Path) -> float:
    """The sum of the scores times the mean side of the boxes."""
    sides = [np.sqrt(np.prod(box[2:] - box[:2])) for box in path.boxes.values()]
    return float(np.mean(sides) * sum(path.scores.values()))


def _track(path: _Path, view: View) -> Track:
    boxes = np.full((len(view.times), 4), np.nan, np.float32)
    scores = np.zeros(len(view.times), np.float32)
    for k, box in path.boxes.items():
        boxes[k], scores[k] = box, path.scores[k]
    masks = tuple(path.masks.get(k) for k in range(len(view.times)))
    return measured(path.label, view, boxes, scores, masks if any(masks) else ())


class FlowCarrierConfig(RefinedConfig):
    """Boxes carried by the optical flow: no model, no masks."""

    backend: Literal["flow"] = "flow"

    def build(self) -> RefinedTracker:
        """The tracker."""
        return RefinedTracker(self, FlowCarrier())


class FlowCarrier:
    """Moves a box by the middle flow of what moves in it; it cannot tell when the object is hidden."""

    name = "flow_carrier"
    version = "1"

    def begin(self, view: View) -> "_Flow":
        """At the view's first frame, with no objects."""
        return _Flow(view)


class _Flow:
    def __init__(self, view: View) -> None:
        self._view = view
        motion = view.motion
        self._scale = np.array([view.size[0] / motion.size[0], view.size[1] / motion.size[1]] * 2)
        self._samples = [int(np.abs(motion.times - t).argmin()) for t in view.times]

    def put(self, key: int, box: np.ndarray) -> Carried:
        return Carried(box)

    def advance(self, frame: int, boxes: Mapping[int, np.ndarray]) -> dict[int, Carried]:
        motion = self._view.motion
        carried = {}
        for key, box in boxes.items():
            small = box / self._scale
            for step in motion.steps[self._samples[frame - 1] : self._samples[frame]]:
                small = small + carry(small, step, motion)
            box = small * self._scale
            if np.prod(np.ptp(within(box, self._view.size).reshape(2, 2), axis=0)) > GONE * np.prod(
                box[2:] - box[:2]
            ):
                carried[key] = Carried(box)
        return carried
