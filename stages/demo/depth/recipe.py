"""What a scene with depth is: cards at known places, and a pinhole camera on a known path.

The world is in metres: x right, y down, z forward, as seen by a level camera at the start, the origin. A
recipe is the ground truth: its labels follow from its parameters, not from pixels.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.schema import CAMERA_LABELS
from stages.demo.recipe import Shot

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Leg:
    """A stretch of the camera's path with constant rates, until the next one starts.

    The camera travels along its own axes. It pans about the vertical of the world and tilts about its own
    right axis, as on a tripod, and rolls about its line of sight.

    Attributes:
        start: Seconds from the start of the clip.
        right: Metres per second to the right (truck).
        down: Metres per second down (pedestal).
        forward: Metres per second forward (dolly).
        yaw: Degrees per second to the right (pan).
        pitch: Degrees per second down (tilt).
        roll: Degrees per second clockwise, of the camera.
        zoom: E-folds of the focal length per second.
    """

    start: float = 0.0
    right: float = 0.0
    down: float = 0.0
    forward: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    zoom: float = 0.0

    @property
    def travel(self) -> tuple[float, float, float]:
        """Metres per second right, down and forward."""
        return self.right, self.down, self.forward

    @property
    def turn(self) -> tuple[float, float, float]:
        """Radians per second of yaw, pitch and roll."""
        return math.radians(self.yaw), math.radians(self.pitch), math.radians(self.roll)

    @property
    def labels(self) -> tuple[str, ...]:
        """Its moves, from `pipeline.schema.CAMERA_LABELS` and in its order; none for a camera at rest.

        A camera that trucks one way and pans the other keeps facing the point that is right / yaw ahead: an
        arc, counterclockwise seen from above when it goes to its right.
        """
        arc = self.right if self.right * self.yaw < 0 else 0.0
        moves = (
            ("pan_left", "pan_right", 0.0 if arc else self.yaw),
            ("tilt_up", "tilt_down", self.pitch),
            ("roll_counterclockwise", "roll_clockwise", self.roll),
            ("zoom_out", "zoom_in", self.zoom),
            ("truck_left", "truck_right", 0.0 if arc else self.right),
            ("pedestal_up", "pedestal_down", self.down),
            ("dolly_out", "dolly_in", self.forward),
            ("arc_clockwise", "arc_counterclockwise", arc),
        )
        return _ordered(after if rate > 0 else before for before, after, rate in moves if rate)


@dataclass(frozen=True)
class Card:
    """A flat picture in the world.

    Attributes:
        texture: One of `textures.TEXTURES`.
        centre: Of the picture, metres.
        size: Width and height, metres.
        facing: "camera" stands upright, across the line of sight of the start; "side" is a wall along it;
            "up" lies on the ground.
        tile: Width and height of one copy of the texture, metres, where it is repeated, every other one
            mirrored; None stretches a single one over the card.
        path: (seconds, (x, y, z)) of the centre relative to `centre`, linear between them, at rest before and
            after; empty for a card at rest.
        boil: How its texture changes all the time without getting anywhere.
        attached: It is fixed to the camera, and `centre` counts in the camera's axes: a car's bonnet.
    """

    texture: str
    centre: Point
    size: tuple[float, float]
    facing: Literal["camera", "side", "up"] = "camera"
    tile: tuple[float, float] | None = None
    path: tuple[tuple[float, Point], ...] = ()
    boil: Literal["sway", "waves", "flames", "static"] | None = None
    attached: bool = False

    @property
    def is_mover(self) -> bool:
        """Whether it is an object that moves in the world: not a shadow, nor a pool of light."""
        return bool(self.path) and self.texture not in SHADES

    def at(self, time: float) -> np.ndarray:
        """Its centre, (3,) float64 metres, at a time in seconds."""
        if not self.path:
            return np.array(self.centre)
        times, places = zip(*self.path, strict=True)
        moved = [np.interp(time, times, axis) for axis in zip(*places, strict=True)]
        return np.array(self.centre) + moved


SHADES = ("shadow", "light")  # textures that only darken or lighten what is below


@dataclass(frozen=True)
class DepthRecipe(Shot):
    """A scene with depth, and the camera's way through it.

    Attributes:
        name: File name of the clip without its suffix.
        cards: The scene and what moves in it.
        legs: The camera's path; the first leg starts at 0.
        view: Horizontal field of view at the start, degrees.
        pitch: By how much the camera looks down at the start, degrees.
        shake: Root mean square of the trembling about each axis, degrees.
    """

    name: str
    cards: tuple[Card, ...]
    legs: tuple[Leg, ...] = (Leg(),)
    view: float = 60.0
    pitch: float = 0.0
    shake: float = 0.0

    @property
    def segments(self) -> tuple[tuple[float, float, Leg], ...]:
        """The legs, each with its start and its end in seconds."""
        starts = [leg.start for leg in self.legs]
        return tuple(zip(starts, [*starts[1:], self.seconds], self.legs, strict=True))

    def labels_of(self, leg: Leg) -> tuple[str, ...]:
        """Labels of a leg, from `CAMERA_LABELS` and in its order, those of a camera at rest too."""
        return leg.labels or (("shake",) if self.shake else ("static",))

    @property
    def camera_labels(self) -> tuple[str, ...]:
        """Every move of the clip; that of a camera at rest only if it rests throughout."""
        return _ordered(label for leg in self.legs for label in leg.labels) or self.labels_of(self.legs[0])

    @property
    def movers(self) -> tuple[Card, ...]:
        """What moves in the world on its own."""
        return tuple(card for card in self.cards if card.is_mover)


def arc(rate: float, distance: float, start: float = 0.0) -> Leg:
    """Circle a point straight ahead.

    Args:
        rate: Degrees per second, positive counterclockwise as seen from above.
        distance: Of the point at the start, metres.
        start: As in `Leg`.
    """
    return Leg(start, right=math.radians(rate) * distance, yaw=-rate)


def _ordered(labels: Iterable[str]) -> tuple[str, ...]:
    found = set(labels)
    return tuple(label for label in CAMERA_LABELS if label in found)
