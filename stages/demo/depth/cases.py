"""Clips with depth, by what they are to show. Another seed gives other clips of the same kinds."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from stages.demo.depth.recipe import Card, DepthRecipe, Leg, Point, arc
from stages.demo.depth.scenes import (
    EYES,
    Cards,
    bare,
    camp,
    corridor,
    desk,
    gravel,
    lake,
    park,
    road,
    room,
    stand,
    street,
    vista,
    wall,
    wood,
)
from stages.demo.recipe import Finish

VARIATION = 0.2  # rates and paths are scaled by up to this share of them, up or down
SIZES = ((480, 270), (480, 320), (426, 240), (480, 360))  # pixels, in turn
DEMO_DEPTH = (
    "truck_right_street",
    "arc_left_park",
    "drive_road",
    "dolly_zoom_room",
    "crane_up_street",
    "car_overtakes",
)


class Sketch(NamedTuple):
    """A clip before its numbers are varied.

    Attributes:
        name: File name without its suffix.
        scene: Makes its cards.
        legs: The camera's path.
        more: Cards beside those of the scene: objects that move, and what looks like them.
        look: Other attributes of `DepthRecipe`.
    """

    name: str
    scene: Callable[[np.random.Generator], Cards]
    legs: tuple[Leg, ...] = (Leg(),)
    more: Cards = ()
    look: Mapping[str, Any] = MappingProxyType({})


def moving(card: Card, *path: tuple[float, Point]) -> Card:
    """The card on a path: (seconds, (x, y, z)) relative to where it stands."""
    return replace(card, path=path)


def steady(card: Card, velocity: Point, seconds: float = 3.0) -> Card:
    """The card with a constant velocity in metres per second, where it stands at half-time."""
    x, y, z = (seconds / 2 * rate for rate in velocity)
    return moving(card, (0.0, (-x, -y, -z)), (seconds, (x, y, z)))


def finish(**settings: Any) -> dict[str, Any]:
    """The `look` of a clip with these settings of `Finish`."""
    return {"finish": Finish(**settings)}


DOWN = {"pitch": 15.0}  # as the desk is looked at

TRAVEL = (
    Sketch("truck_right_street", street, (Leg(right=1.8),)),
    Sketch("truck_left_park", park, (Leg(right=-1.5),)),
    Sketch("truck_right_room", room, (Leg(right=0.5),)),
    Sketch("truck_left_desk", desk, (Leg(right=-0.1),), look=DOWN),
    Sketch("truck_right_lake", lake, (Leg(right=1.0),)),
    Sketch("dolly_in_street", street, (Leg(forward=1.3),)),
    Sketch("dolly_out_room", room, (Leg(forward=-0.6),)),
    Sketch("dolly_in_park", park, (Leg(forward=1.0),)),
    Sketch("dolly_out_corridor", corridor, (Leg(forward=-1.0),)),
    Sketch("dolly_in_desk", desk, (Leg(forward=0.09),), look=DOWN),
    Sketch("pedestal_up_street", street, (Leg(down=-0.9),)),
    Sketch("pedestal_down_park", park, (Leg(down=0.4),)),
    Sketch("pedestal_up_desk", desk, (Leg(down=-0.09),), look=DOWN),
    Sketch("pedestal_down_room", room, (Leg(down=0.35),)),
    Sketch("arc_left_park", park, (arc(-8, 9),)),
    Sketch("arc_right_park", park, (arc(9, 9),)),
    Sketch("arc_right_desk", desk, (arc(10, 0.85),), look=DOWN),
    Sketch("arc_left_room", room, (arc(-8, 3.5),)),
    Sketch("arc_right_street", street, (arc(7, 13),)),
)
TURN = (
    Sketch("pan_right_street", street, (Leg(yaw=10),)),
    Sketch("pan_left_park", park, (Leg(yaw=-9),)),
    Sketch("pan_right_room", room, (Leg(yaw=7),)),
    Sketch("pan_left_desk", desk, (Leg(yaw=-7),), look=DOWN),
    Sketch("pan_right_corridor", corridor, (Leg(yaw=6),)),
    Sketch("tilt_up_street", street, (Leg(pitch=-6),)),
    Sketch("tilt_down_park", park, (Leg(pitch=6),)),
    Sketch("tilt_up_desk", desk, (Leg(pitch=-5),), look=DOWN),
    Sketch("tilt_down_room", room, (Leg(pitch=5),)),
    Sketch("zoom_in_street", street, (Leg(zoom=0.18),)),
    Sketch("zoom_out_room", room, (Leg(zoom=-0.15),), look={"view": 45.0}),
    Sketch("zoom_in_park", park, (Leg(zoom=0.15),)),
    Sketch("zoom_out_corridor", corridor, (Leg(zoom=-0.16),), look={"view": 45.0}),
    Sketch("roll_clockwise_street", street, (Leg(roll=8),)),
    Sketch("roll_counterclockwise_room", room, (Leg(roll=-9),)),
    Sketch("static_street", street),
    Sketch("static_room", room),
    Sketch("static_park", park),
    Sketch("handheld_street", street, look={"shake": 0.35}),
    Sketch("handheld_room", room, look={"shake": 0.5}),
)
COMBINED = (
    Sketch("truck_and_pan_right_street", street, (Leg(right=1.2, yaw=6),)),
    Sketch("truck_and_pan_left_park", park, (Leg(right=-1.0, yaw=-6),)),
    Sketch("dolly_zoom_room", room, (Leg(forward=-0.55, zoom=0.16),)),
    Sketch("dolly_in_zoom_out_park", park, (Leg(forward=1.2, zoom=-0.16),), look={"view": 50.0}),
    Sketch("crane_up_street", street, (Leg(down=-1.0, pitch=5),)),
    Sketch("crane_down_park", park, (Leg(down=0.4, pitch=-3),)),
    Sketch("pan_right_while_driving", road, (Leg(forward=5, yaw=7),)),
    Sketch("truck_and_zoom_in_street", street, (Leg(right=1.2, zoom=0.15),)),
    Sketch("truck_and_tilt_up_street", street, (Leg(right=1.2, pitch=-4),)),
    Sketch("dolly_and_roll_corridor", corridor, (Leg(forward=1.2, roll=7),)),
    Sketch("rising_drone_park", park, (Leg(forward=1.0, down=-0.9),)),
    Sketch("pan_and_tilt_room", room, (Leg(yaw=6, pitch=-4),)),
    Sketch("pan_and_zoom_street", street, (Leg(yaw=-8, zoom=0.15),)),
    Sketch("handheld_truck_street", street, (Leg(right=1.4),), look={"shake": 0.25}),
    Sketch("handheld_pan_park", park, (Leg(yaw=9),), look={"shake": 0.3}),
    Sketch("handheld_walk_corridor", corridor, (Leg(forward=1.2),), look={"shake": 0.35}),
)
DRIVES = (
    Sketch("drive_road", road, (Leg(forward=8),)),
    Sketch(
        "drive_fast_road",
        road,
        (Leg(forward=16),),
        (Card("bonnet", (0, 0.62, 1.1), (1.35, 0.3), attached=True),),
    ),
    Sketch("drive_backwards_road", road, (Leg(forward=-2.5),)),
    Sketch("drive_round_bend", road, (Leg(forward=5, yaw=-6),)),
    Sketch("walk_corridor", corridor, (Leg(forward=1.4),)),
)
IN_TIME = (
    Sketch("still_then_fast_tilt_down", street, (Leg(), Leg(2.0, pitch=18)), look={"seconds": 3.2}),
    Sketch("pan_right_then_left", park, (Leg(yaw=12), Leg(1.75, yaw=-12)), look={"seconds": 3.5}),
    Sketch(
        "whip_pan_at_the_end", street, (Leg(), Leg(2.4, yaw=60)), look={"seconds": 3.0} | finish(exposures=3)
    ),
    Sketch("truck_then_still", street, (Leg(right=1.8), Leg(2.0)), look={"seconds": 4.0}),
    Sketch("zoom_in_then_out", room, (Leg(zoom=0.2), Leg(1.8, zoom=-0.2)), look={"seconds": 3.6}),
    Sketch("dolly_in_then_pan_left", corridor, (Leg(forward=1.5), Leg(2.0, yaw=-9)), look={"seconds": 4.0}),
    Sketch("still_pan_right_still", room, (Leg(), Leg(1.2, yaw=12), Leg(2.6)), look={"seconds": 3.8}),
    Sketch(
        "truck_right_then_left", desk, (Leg(right=0.12), Leg(1.7, right=-0.12)), look={"seconds": 3.4} | DOWN
    ),
    Sketch("pedestal_up_then_dolly_in", park, (Leg(down=-0.8), Leg(1.8, forward=1.2)), look={"seconds": 3.6}),
    Sketch("tilt_up_then_pan_right", street, (Leg(pitch=-7), Leg(1.8, yaw=9)), look={"seconds": 3.6}),
    Sketch("zoom_in_then_still", park, (Leg(zoom=0.3), Leg(1.5)), look={"seconds": 3.5}),
)
WALKER = stand("walker", 0.3, 5.8)
CAR = stand("car", 0, 11.8)
RIDER = stand("motorcycle", 0, 9)
MOVERS = (
    Sketch("car_crosses", street, more=(steady(CAR, (4, 0, 0)),)),
    Sketch(
        "walker_turns_round",
        street,
        more=(moving(WALKER, (0, (-1, 0, 0)), (1.5, (1.2, 0, 0)), (3, (-1, 0, 0))),),
    ),
    Sketch("car_stops", street, more=(moving(CAR, (0, (-6, 0, 0)), (1.6, (1, 0, 0))),)),
    Sketch(
        "walker_to_and_fro",
        room,
        more=(
            moving(
                stand("walker", 0, 3.6),
                *((k, ((0.9 if k % 2 else -0.9), 0, 0)) for k in range(5)),
            ),
        ),
        look={"seconds": 4.0},
    ),
    Sketch("car_comes_closer", road, more=(steady(stand("car_front", -1.8, 26), (0, 0, -9)),)),
    Sketch("walker_goes_away", corridor, more=(steady(stand("walker", 0.3, 6), (0, 0, 1.5)),)),
    Sketch("rider_leaves_the_frame", street, more=(moving(RIDER, (0, (0, 0, 0)), (2.4, (9, 0, 0))),)),
    Sketch("horse_enters", park, more=(moving(stand("horse", 0, 7.5), (0, (-7.5, 0, 0)), (3, (0.5, 0, 0))),)),
    Sketch("walker_passes_diagonally", park, more=(steady(stand("walker", 0, 6.5), (1.0, 0, -1.0)),)),
    Sketch("balloon_rises", park, more=(steady(Card("balloon", (1.5, -5, 28), (4.5, 6)), (-1.5, -1.8, 0)),)),
    Sketch(
        "two_walkers_meet",
        street,
        more=(steady(WALKER, (1.1, 0, 0)), steady(stand("walker", 0, 5.2), (-1, 0, 0))),
    ),
    Sketch("pan_follows_car", street, (Leg(yaw=11.5),), (moving(CAR, (0, (-0.5, 0, 0)), (3, (8, 0, 0))),)),
    Sketch("truck_beside_rider", street, (Leg(right=3),), (moving(RIDER, (0, (0, 0, 0)), (3, (9, 0, 0))),)),
    Sketch("truck_past_walker", park, (Leg(right=-1.2),), (steady(stand("walker", -1, 6), (1.1, 0, 0)),)),
    Sketch(
        "drive_towards_oncoming_car",
        road,
        (Leg(forward=5),),
        (moving(stand("car_front", -1.8, 52), (0, (0, 0, 0)), (3, (0, 0, -21))),),
    ),
    Sketch(
        "car_overtakes",
        road,
        (Leg(forward=5),),
        (moving(stand("car_front", 1.7, 9), (0, (0, 0, 0)), (3, (0, 0, 36))),),
    ),
    Sketch(
        "drive_behind_car",
        road,
        (Leg(forward=7),),
        (moving(stand("car_front", 1.6, 11), (0, (0, 0, 0)), (3, (0, 0, 21))),),
    ),
    Sketch("arc_past_walker", park, (arc(7, 9),), (steady(stand("walker", 0, 6.2), (-0.9, 0, 0)),)),
    Sketch("handheld_walker", street, more=(steady(WALKER, (-1.2, 0, 0)),), look={"shake": 0.3}),
    Sketch("tilt_down_horse", park, (Leg(pitch=4),), (steady(stand("horse", 0, 7.5), (-1.6, 0, 0)),)),
    Sketch("zoom_in_car_starts", street, (Leg(zoom=0.15),), (moving(CAR, (1.2, (0, 0, 0)), (3, (6, 0, 0))),)),
    Sketch("pan_left_rider_right", street, (Leg(yaw=-7),), (steady(RIDER, (2.2, 0, 0)),)),
    Sketch("roll_walker", room, (Leg(roll=6),), (steady(stand("walker", 0, 3.8), (0.6, 0, 0)),)),
)
PORTRAIT = Card("person", (0.05, 0.3, 1.5), (1.35, 1.35))
LARGE_SUBJECTS = (
    Sketch("portrait_at_rest", park, more=(PORTRAIT,)),
    Sketch(
        "portrait_sways", room, more=(moving(PORTRAIT, *((k, (0.06 * (-1) ** k, 0, 0)) for k in range(4))),)
    ),
    Sketch(
        "portrait_walk_and_talk",
        street,
        (Leg(right=1.2),),
        (moving(PORTRAIT, (0, (0, 0, 0)), (3, (3.6, 0, 0))),),
    ),
    Sketch(
        "portrait_background_goes_by",
        road,
        (Leg(forward=-1.5),),
        (moving(PORTRAIT, (0, (0, 0, 0)), (3, (0, 0, -4.5))),),
    ),
    Sketch("portrait_comes_closer", room, more=(moving(PORTRAIT, (0, (0, 0, 1.2)), (3, (0, 0, 0.1))),)),
    Sketch("portrait_pan_right", park, (Leg(yaw=6),), (PORTRAIT,)),
)
SCREEN = Card("screen", (-0.1, -0.1, 5.9), (1.4, 0.8), boil="static")
DECOYS = (
    Sketch("lake_static", lake),
    Sketch("lake_pan_right", lake, (Leg(yaw=8),)),
    Sketch("lake_dolly_in", lake, (Leg(forward=0.9),)),
    Sketch("leaves_static", wood),
    Sketch("leaves_truck_right", wood, (Leg(right=1.0),)),
    Sketch("leaves_tilt_up", wood, (Leg(pitch=-6),)),
    Sketch("fire_static", camp, look=finish(light=(0.6, 0.6))),
    Sketch("fire_truck_left", camp, (Leg(right=-0.8),), look=finish(light=(0.6, 0.6))),
    Sketch("empty_channel_static", room, more=(SCREEN,)),
    Sketch("flicker_static", room, look={"flicker": 0.12}),
    Sketch("flicker_truck_left", room, (Leg(right=-0.4),), look={"flicker": 0.1, "bands": 1.5}),
    Sketch(
        "shadow_static",
        street,
        more=(steady(Card("shadow", (0, EYES - 0.02, 4.5), (6, 4.8), "up"), (4, 0, 0)),),
    ),
    Sketch(
        "shadow_on_wall_static", room, more=(steady(Card("shadow", (0, 0, 5.5), (2.4, 3)), (-1.2, 0, 0)),)
    ),
    Sketch("light_static", room, more=(steady(Card("light", (0, 0, 5.9), (1.6, 1.6)), (1.4, 0, 0)),)),
    Sketch(
        "fence_truck_right",
        park,
        (Leg(right=1.0),),
        (Card("fence", (0, EYES - 0.6, 3.4), (40, 1.2), tile=(1.2, 1.2)),),
    ),
    Sketch(
        "columns_truck_left",
        street,
        (Leg(right=-1.3),),
        tuple(stand("column", x, 3.2) for x in (-6.3, -3.9, -1.5, 0.9)),
    ),
    Sketch("subtitle_truck_right", street, (Leg(right=1.3),), look=finish(caption="subtitle")),
    Sketch("subtitle_static", park, look=finish(caption="subtitle")),
    Sketch("ticker_dolly_in", road, (Leg(forward=4),), look=finish(caption="ticker")),
    Sketch("ticker_static", street, look=finish(caption="ticker")),
    Sketch("subtitle_pan_left", room, (Leg(yaw=-6),), look=finish(caption="subtitle", bars=0.08)),
)
NOISY, COARSE, NIGHT = finish(noise=7.0), finish(crf=40), finish(light=(0.2, 0.2), noise=5.0)
HARD = (
    Sketch("bare_truck_left", bare, (Leg(right=-0.4),)),
    Sketch("bare_pan_right", bare, (Leg(yaw=6),)),
    Sketch("bare_dolly_in", bare, (Leg(forward=0.5),)),
    Sketch("bare_static", bare),
    Sketch("far_truck_right", vista, (Leg(right=45),)),
    Sketch("far_pan_left", vista, (Leg(yaw=-5),)),
    Sketch("far_dolly_in", vista, (Leg(forward=60),)),
    Sketch("far_zoom_out", vista, (Leg(zoom=-0.12),), look={"view": 40.0}),
    Sketch("far_static", vista),
    Sketch("wall_truck_right", wall, (Leg(right=0.4),)),
    Sketch("wall_pan_left", wall, (Leg(yaw=-7),)),
    Sketch("wall_dolly_in", wall, (Leg(forward=0.4),)),
    Sketch("wall_zoom_in", wall, (Leg(zoom=0.15),)),
    Sketch("wall_pedestal_up", wall, (Leg(down=-0.35),)),
    Sketch("from_above_truck_left", gravel, (Leg(right=-0.25),), look={"pitch": 90.0}),
    Sketch("from_above_roll_clockwise", gravel, (Leg(roll=9),), look={"pitch": 90.0}),
    Sketch("telephoto_truck_right", street, (Leg(right=1.0),), look={"view": 22.0}),
    Sketch("telephoto_pan_left", street, (Leg(yaw=-3),), look={"view": 22.0}),
    Sketch("wide_pan_right", room, (Leg(yaw=10),), look={"view": 95.0}),
    Sketch("wide_dolly_in", road, (Leg(forward=5),), look={"view": 95.0}),
    Sketch("slow_truck_right", park, (Leg(right=0.3),), look={"seconds": 4.0}),
    Sketch("slow_pan_left", street, (Leg(yaw=-1.8),), look={"seconds": 4.0}),
    Sketch(
        "portrait_format_tilt_up", street, (Leg(pitch=-9),), look={"width": 270, "height": 480, "view": 40.0}
    ),
    Sketch(
        "portrait_format_truck_left",
        park,
        (Leg(right=-1.0),),
        look={"width": 270, "height": 480, "view": 40.0},
    ),
    Sketch(
        "portrait_format_drive", road, (Leg(forward=6),), look={"width": 360, "height": 480, "view": 45.0}
    ),
    Sketch("12_fps_truck_right", street, (Leg(right=1.5),), look={"fps": 12}),
    Sketch("30_fps_drive", road, (Leg(forward=7),), look={"fps": 30}),
    Sketch("60_fps_pan_left", park, (Leg(yaw=-10),), look={"fps": 60}),
    Sketch("60_fps_arc_right", desk, (arc(9, 0.85),), look={"fps": 60} | DOWN),
    Sketch("12_fps_walker", street, more=(steady(WALKER, (1.3, 0, 0)),), look={"fps": 12}),
    Sketch("noisy_truck_left", room, (Leg(right=-0.4),), look=NOISY),
    Sketch("noisy_static", street, look=NOISY),
    Sketch("coarse_truck_right", park, (Leg(right=1.2),), look=COARSE),
    Sketch("coarse_static", room, look=COARSE),
    Sketch("coarse_drive", road, (Leg(forward=7),), look=COARSE),
    Sketch("night_drive", road, (Leg(forward=6),), look=NIGHT),
    Sketch("night_pan_right", street, (Leg(yaw=8),), look=NIGHT),
    Sketch("blurred_truck_right", street, (Leg(right=4.0),), look=finish(exposures=4)),
    Sketch("repeated_frames_dolly_in", park, (Leg(forward=0.9),), look=finish(hold=2)),
)
SKETCHES = (*TRAVEL, *TURN, *COMBINED, *DRIVES, *IN_TIME, *MOVERS, *LARGE_SUBJECTS, *DECOYS, *HARD)


def depth_cases(seed: int = 0) -> list[DepthRecipe]:
    """Make a recipe of each sketch: lay out its scene and vary its rates.

    Args:
        seed: Another one gives other clips with the same labels.

    Returns:
        One recipe for each of SKETCHES, in that order.
    """
    return [_recipe(sketch, number, seed) for number, sketch in enumerate(SKETCHES)]


def _recipe(sketch: Sketch, number: int, seed: int) -> DepthRecipe:
    rng = np.random.default_rng((seed, number))
    scale = rng.uniform(1 - VARIATION, 1 + VARIATION)
    width, height = SIZES[number % len(SIZES)]
    shape = {"width": width, "height": height, "seed": 1000 * seed + number}
    cards = (*sketch.scene(rng), *(_scaled_path(card, scale) for card in sketch.more))
    legs = tuple(_scaled_rates(leg, scale) for leg in sketch.legs)
    return DepthRecipe(sketch.name, cards, legs, **{**shape, **sketch.look})


def _scaled_rates(leg: Leg, scale: float) -> Leg:
    rates = {name: scale * rate for name, rate in vars(leg).items() if name != "start"}
    return replace(leg, **rates)


def _scaled_path(card: Card, scale: float) -> Card:
    return replace(
        card, path=tuple((time, (scale * x, scale * y, scale * z)) for time, (x, y, z) in card.path)
    )
