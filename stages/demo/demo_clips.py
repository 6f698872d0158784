"""The clips of `motionsight demo`: every camera label and every direction, alone and combined."""

import itertools
import math
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from stages.demo.photos import SCENES, SPRITES
from stages.demo.recipe import DIRECTIONS, Camera, Mover, Recipe

# Those of `demo --quick`, by name: some that stand for the rest.
QUICK = frozenset(
    [
        *("00_static_a", "11_pan_left", "12_pan_right", "13_tilt_up", "14_tilt_down", "17_zoom_in"),
        *("38_object_right", "42_object_left"),
    ]
)


class Heading(NamedTuple):
    """A moving object, before variation.

    Attributes:
        direction: One of `recipe.DIRECTIONS`.
        speed: Relative to the scene, frame widths per second.
        size: As in `Mover`; not varied.
        start: As in `Mover`.
    """

    direction: str
    speed: float
    size: float
    start: tuple[float, float] = (0.5, 0.5)


class Sketch(NamedTuple):
    """A clip, before `recipes` varies its numbers and chooses the pictures.

    Attributes:
        name: Without the number that it gets by its place in SKETCHES.
        camera: Rates that are 0 stay 0.
        objects: What moves over the scene, the main object first.
    """

    name: str
    camera: Camera = Camera()
    objects: tuple[Heading, ...] = ()


VARIATION = 0.1  # numbers are varied by up to this share of them, up or down
SIZES = ((480, 320), (480, 270), (640, 360), (480, 360), (480, 320), (360, 640))  # pixels, in turn
# Suffix of the name; pan or tilt; zoom; roll.
PACES = (("_slow", 0.055, 0.07, 5.5), ("", 0.15, 0.15, 12.0), ("_fast", 0.33, 0.33, 23.0))

STATIC = (Sketch("static_a"), Sketch("static_b"), Sketch("static_c"))
SINGLE_MOVES = tuple(
    Sketch(f"{label}{suffix}", camera)
    for suffix, speed, zoom, roll in PACES
    for label, camera in (
        ("pan_left", Camera(pan=-speed)),
        ("pan_right", Camera(pan=speed)),
        ("tilt_up", Camera(tilt=-speed)),
        ("tilt_down", Camera(tilt=speed)),
        ("roll_clockwise", Camera(roll=roll)),
        ("roll_counterclockwise", Camera(roll=-roll)),
        ("zoom_in", Camera(zoom=zoom)),
        ("zoom_out", Camera(zoom=-zoom)),
    )
)
SHAKE = (
    Sketch("shake_slight", Camera(shake=0.006)),
    Sketch("shake_handheld", Camera(shake=0.010)),
    Sketch("shake_rough", Camera(shake=0.016)),
)
COMBINED_MOVES = (
    Sketch("pan_right_tilt_up", Camera(pan=0.15, tilt=-0.15)),
    Sketch("pan_left_tilt_down", Camera(pan=-0.2, tilt=0.12)),
    Sketch("pan_right_zoom_in", Camera(pan=0.15, zoom=0.15)),
    Sketch("pan_left_zoom_out", Camera(pan=-0.12, zoom=-0.15)),
    Sketch("tilt_up_zoom_in", Camera(tilt=-0.15, zoom=0.15)),
    Sketch("pan_left_roll_clockwise", Camera(pan=-0.15, roll=10.0)),
    Sketch("zoom_in_roll_counterclockwise", Camera(zoom=0.15, roll=-10.0)),
    Sketch("pan_left_handheld", Camera(pan=-0.15, shake=0.003)),
)
OBJECTS = (
    Sketch("object_right", objects=(Heading("right", 0.2, 0.22),)),
    Sketch("object_down-right", objects=(Heading("down-right", 0.12, 0.28),)),
    Sketch("object_down", objects=(Heading("down", 0.08, 0.22),)),
    Sketch("object_down-left", objects=(Heading("down-left", 0.1, 0.28),)),
    Sketch("object_left", objects=(Heading("left", 0.16, 0.22),)),
    Sketch("object_up-left", objects=(Heading("up-left", 0.12, 0.28),)),
    Sketch("object_up", objects=(Heading("up", 0.1, 0.22),)),
    Sketch("object_up-right", objects=(Heading("up-right", 0.07, 0.28),)),
)
OBJECTS_AND_CAMERA = (
    Sketch("object_right_pan_right", Camera(pan=0.12), (Heading("right", 0.14, 0.22),)),
    Sketch("object_left_pan_right", Camera(pan=0.1), (Heading("left", 0.08, 0.22),)),
    Sketch("object_up_pan_left", Camera(pan=-0.12), (Heading("up", 0.09, 0.24),)),
    Sketch("object_left_tilt_down", Camera(tilt=0.1), (Heading("left", 0.14, 0.24),)),
    Sketch("object_down-right_tilt_up", Camera(tilt=-0.08), (Heading("down-right", 0.08, 0.22),)),
    Sketch("object_right_zoom_in", Camera(zoom=0.12), (Heading("right", 0.12, 0.2),)),
    Sketch("object_down_zoom_out", Camera(zoom=-0.12), (Heading("down", 0.09, 0.24),)),
    Sketch(
        "two_objects",
        objects=(Heading("right", 0.1, 0.24, (0.35, 0.25)), Heading("up", 0.08, 0.2, (0.8, 0.6))),
    ),
    Sketch("object_left_shake", Camera(shake=0.008), (Heading("left", 0.14, 0.26),)),
    Sketch("large_object_left", objects=(Heading("left", 0.1, 0.45),)),
    Sketch("large_object_up-right", objects=(Heading("up-right", 0.09, 0.45),)),
)
SKETCHES = (*STATIC, *SINGLE_MOVES, *SHAKE, *COMBINED_MOVES, *OBJECTS, *OBJECTS_AND_CAMERA)


def recipes(seed: int = 0) -> list[Recipe]:
    """Make a recipe of each sketch: choose its pictures and frame size, and vary its numbers.

    Args:
        seed: Another one gives other clips with the same labels and directions; 0 gives those of the demo.

    Returns:
        One recipe for each of SKETCHES, in that order.
    """
    rng = np.random.default_rng(seed)
    scenes = itertools.cycle(rng.permutation(SCENES).tolist())
    sprites = itertools.cycle(rng.permutation(list(SPRITES)).tolist())

    def varied(value: float) -> float:
        return round(value * rng.uniform(1 - VARIATION, 1 + VARIATION), 4)

    def mover(heading: Heading, photo: str, aspect: float) -> Mover:
        sprite = next(sprite for sprite in sprites if SPRITES[sprite][0] != photo)
        angle = DIRECTIONS.index(heading.direction) * math.pi / 4
        speed = varied(heading.speed)
        velocity = round(speed * math.cos(angle), 4), round(speed * math.sin(angle) * aspect, 4)
        return Mover(velocity, heading.size, sprite, (varied(heading.start[0]), varied(heading.start[1])))

    made = []
    choices = zip(SKETCHES, scenes, itertools.cycle(SIZES), strict=False)
    for number, (sketch, photo, (width, height)) in enumerate(choices):
        movers = tuple(mover(heading, photo, width / height) for heading in sketch.objects)
        rates = {rate: varied(value) for rate, value in asdict(sketch.camera).items() if value}
        made.append(
            Recipe(
                f"{number:02d}_{sketch.name}",
                photo,
                Camera(**rates),
                movers,
                width=width,
                height=height,
                seed=1000 * seed + number,
            )
        )
    return made
