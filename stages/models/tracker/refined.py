"""A self-correcting tracker: detections at key frames correct the boxes carried from frame to frame.

This is the object referring of MotionSight. A confident detection is trusted, and starts a track where there
is none. An uncertain one only pulls the box of a track that it overlaps, in proportion to its confidence. A
track without detections fades, is lost, and comes back when a detection is found where it was or was heading.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from pydantic import Field

from filters.evidence import Track
from stages.models.backend import TrackerBackend
from stages.models.protocols import Detections, View
from stages.models.tracker.own_motion import measured
from stages.video.boxes import iou, matches
from stages.video.masks import Rle

GONE = 0.1  # share of a box inside the frame: below it, the object has left
TRAIL_S = 2.0  # seconds over which the velocity of an object is estimated


class RefinedConfig(TrackerBackend):
    """When a detection belongs to a track, and how long a track lives without detections."""

    iou_min: float = Field(
        0.3, gt=0, lt=1, description="smallest overlap (IoU) at which a detection matches a track"
    )
    confident: float = Field(
        0.35, ge=0, le=1, description="smallest score at which a detection is trusted and may start a track"
    )
    refine: bool = Field(True, description="let uncertain detections correct and revive tracks")
    fade_s: float = Field(
        1.0, gt=0, description="time in which a track without detections loses half its confidence, seconds"
    )
    lost: float = Field(0.15, gt=0, lt=1, description="confidence below which a track is not shown")
    lost_s: float = Field(
        5.0, gt=0, description="an object undetected for longer is treated as another one, seconds"
    )
    most: int = Field(6, ge=1, description="most objects kept per clip, the most salient")


@dataclass(frozen=True)
class Carried:
    """Where a carrier sees an object.

    Attributes:
        box: (4,) float64, xyxy pixels.
        score: 0 to 1.
        mask: Its mask, if the carrier makes masks.
    """

    box: np.ndarray
    score: float = 1.0
    mask: Rle | None = None


class Carriage(Protocol):
    """The objects of one clip, by number, and where they are in the current frame."""

    def put(self, key: int, box: np.ndarray) -> Carried:
        """Add an object at a box of the current frame, or correct it.

        Args:
            key: The object's number.
            box: (4,) float64, xyxy pixels.

        Returns:
            Where the carrier now sees it.
        """
        ...

    def advance(self, frame: int, boxes: Mapping[int, np.ndarray]) -> dict[int, Carried]:
        """Go to the next frame.

        Args:
            frame: Its index in the view.
            boxes: The objects to carry, and where they were, (4,) float64 each; all others are dropped.

        Returns:
            The objects that can be seen there.
        """
        ...


class Carrier(Protocol):
    """Carries boxes from frame to frame."""

    name: str
    version: str

    def begin(self, view: View) -> Carriage:
        """Start at the view's first frame, without objects."""
        ...


@dataclass
class _Path:
    """An object, while the clip is gone through.

    Attributes:
        label: The detector's name for it.
        confidence: 0 to 1, fading since the last detection.
        box: (4,) where it is assumed to be.
        at: When it was last detected, seconds.
        seen: Where the carrier sees it in the current frame.
        support: (4,) its box when last detected.
        trail: Times and centres of its latest detections.
        velocity: (2,) of the trail, pixels per second.
        boxes: Its boxes by frame; `scores` and `masks` likewise.
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
        """Extrapolate the box (4,) from where it was last detected, whatever the carrier says."""
        return self.support + np.tile(self.velocity * (now - self.at), 2)

    def move(self, carried: Carried | None, now: float, faded: float) -> None:
        """Go to the next frame, where the carrier may see it. faded: the factor on the confidence."""
        self.seen, self.confidence = carried, self.confidence * faded
        self.box = carried.box if carried else self.heading(now)

    def meet(self, carried: Carried, confidence: float, now: float) -> None:
        """Take in a detection, which the carrier has turned into `carried`."""
        self.seen, self.confidence, self.at = carried, confidence, now
        self.box = self.support = carried.box
        # Detections only: while something passes in front of an object, the flow in its box stops.
        self.trail = [(at, where) for at, where in self.trail if now - at <= TRAIL_S]
        self.trail.append((now, centre(self.box)))
        if len(self.trail) > 1:
            times, centres = zip(*self.trail, strict=True)
            self.velocity = np.polyfit(times, centres, 1)[0]


class RefinedTracker:
    """Tracks objects with any `Carrier`, corrected by detections."""

    def __init__(self, config: RefinedConfig, carrier: Carrier) -> None:
        self._config, self._carrier = config, carrier
        self.name, self.version = carrier.name, carrier.version

    def track(self, view: View, found: Mapping[float, Detections]) -> list[Track]:
        """Track the detected objects; a cut ends all tracks.

        Args:
            view: The frames, their times and the clip's motion.
            found: The detections, by time in seconds; they are assigned to the nearest frame.

        Returns:
            Tracks at the view's times, the most salient (size times time times confidence) first.
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
                    path.boxes[k] = clip_to_frame(path.seen.box, view.size)
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
        """Correct the live tracks by the detections of a frame; returns the new tracks."""
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
    """IoU of detection b with where a track is or was heading, the larger; 0 if their labels differ."""
    if path.label != found.labels[b]:
        return 0.0
    return max(iou(path.box, found.boxes[b]), iou(path.heading(now), found.boxes[b]))


def merged(a: np.ndarray, weight_a: float, b: np.ndarray, weight_b: float) -> np.ndarray:
    """Compute the weighted mean (4,) of two boxes; the weights are not both 0."""
    return (weight_a * a + weight_b * b) / (weight_a + weight_b)


def centre(box: np.ndarray) -> np.ndarray:
    """Compute the centre (2,) of a box (4,)."""
    return (box[:2] + box[2:]) / 2


def clip_to_frame(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Clip a box (4,) to a frame of this width and height."""
    return np.clip(box, 0, [*size, *size])


def salience(path: _Path) -> float:
    """Rate how salient an object is: the sum of its scores times the mean side of its boxes."""
    sides = [np.sqrt(np.prod(box[2:] - box[:2])) for box in path.boxes.values()]
    return float(np.mean(sides) * sum(path.scores.values()))


def _track(path: _Path, view: View) -> Track:
    """The track of an object that was shown at least once."""
    boxes = np.full((len(view.times), 4), np.nan, np.float32)
    scores = np.zeros(len(view.times), np.float32)
    for k, box in path.boxes.items():
        boxes[k], scores[k] = box, path.scores[k]
    masks = tuple(path.masks.get(k) for k in range(len(view.times)))
    return measured(path.label, view, boxes, scores, masks if any(masks) else ())
