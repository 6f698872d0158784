"""Scenes with depth: what is drawn is where the camera model says, and the truth follows from it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.schema import CAMERA_LABELS
from stages.demo.depth.camera import poses
from stages.demo.depth.cases import DEMO_DEPTH, depth_cases
from stages.demo.depth.recipe import Card, DepthRecipe, Leg, arc
from stages.demo.depth.render import depth_frames, drawn, render_depth
from stages.demo.depth.truth import card_boxes, decoys, movers, segments

CASES = {recipe.name: recipe for recipe in depth_cases()}
NEAR, FAR = 4.0, 12.0  # metres
POINTS = {"near": (-0.5, 0.4, NEAR), "far": (1.8, -1.2, FAR)}


def two_cards(*legs: Leg, seconds: float = 1.0) -> DepthRecipe:
    """A far wall and, before its lower left part, a near one."""
    cards = (Card("gravel", (0.0, 0.0, FAR), (30.0, 20.0), tile=(4.0, 4.0)), near_card())
    return DepthRecipe("two", cards, legs or (Leg(),), seconds=seconds, fps=12)


def near_card() -> Card:
    return Card("gravel", (-1.2, 0.8, NEAR), (2.4, 1.6), tile=(1.6, 1.6))


def displaced(recipe: DepthRecipe, point: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """How far a point of the world goes from the first frame to the last: as drawn, and by the model."""
    frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in drawn(recipe)]
    way = poses(recipe)
    places = [pose.project(np.array(point), recipe.width, recipe.height) for pose in way]
    at = places[0].astype(np.float32).reshape(1, 1, 2)
    for before, after in pairwise(frames):
        at, _, _ = cv2.calcOpticalFlowPyrLK(before, after, at, None, winSize=(21, 21))
    return at.ravel() - places[0], places[-1] - places[0]


MOVES = {
    "truck": Leg(right=0.15),
    "pedestal": Leg(down=-0.15),
    "dolly": Leg(forward=0.6),
    "pan": Leg(yaw=3),
    "tilt": Leg(pitch=-3),
    "roll": Leg(roll=5),
    "zoom": Leg(zoom=0.1),
    "arc": arc(3, 8.0),
}


def turned(x: float, y: float, degrees: float) -> tuple[float, float]:
    """(x, y) turned from the first axis to the second."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return x * cos - y * sin, x * sin + y * cos


# Where a point at (x, y, z) of the world is in the camera's axes after t seconds.
LAWS: dict[str, Callable[..., tuple[float, float, float]]] = {
    "truck": lambda x, y, z, t: (x - 0.15 * t, y, z),
    "pedestal": lambda x, y, z, t: (x, y + 0.15 * t, z),
    "dolly": lambda x, y, z, t: (x, y, z - 0.6 * t),
    "pan": lambda x, y, z, t: (turned(x, z, 3 * t)[0], y, turned(x, z, 3 * t)[1]),
    "tilt": lambda x, y, z, t: (x, *turned(y, z, -3 * t)),
    "roll": lambda x, y, z, t: (*turned(x, y, -5 * t), z),
    "zoom": lambda x, y, z, t: (x, y, z * np.exp(-0.1 * t)),
}


@pytest.mark.parametrize("move", LAWS)
def test_a_camera_moves_as_its_labels_say(move: str) -> None:
    recipe = two_cards(MOVES[move])
    x, y, z = LAWS[move](*POINTS["near"], recipe.times[-1])
    focal = recipe.width / 2 / np.tan(np.radians(recipe.view / 2))
    expected = (recipe.width - 1) / 2 + focal * x / z, (recipe.height - 1) / 2 + focal * y / z
    found = poses(recipe)[-1].project(np.array(POINTS["near"]), recipe.width, recipe.height)
    assert found == pytest.approx(expected, abs=1e-6)


def test_an_arc_keeps_its_centre_in_the_middle_and_as_far_away() -> None:
    recipe = two_cards(arc(20, 8.0))
    for pose in poses(recipe):
        assert (np.array((0, 0, 8.0)) - pose.place) @ pose.axes.T == pytest.approx((0, 0, 8), abs=1e-3)


@pytest.mark.parametrize("depth", POINTS)
@pytest.mark.parametrize("move", MOVES)
def test_what_is_drawn_moves_as_the_camera_says(move: str, depth: str) -> None:
    drawn_shift, shift = displaced(two_cards(MOVES[move]), POINTS[depth])
    assert np.hypot(*shift) > 1
    assert drawn_shift == pytest.approx(shift, abs=0.3)


def test_travelling_moves_near_things_further_and_turning_does_not() -> None:
    def ratio(leg: Leg) -> float:
        near, far = (displaced(two_cards(leg), point)[0] for point in POINTS.values())
        return float(near[0] / far[0])

    assert ratio(Leg(right=0.15)) == pytest.approx(FAR / NEAR, rel=0.05)
    assert ratio(Leg(yaw=3)) == pytest.approx(1, abs=0.05)


def test_zooming_keeps_near_and_far_things_aligned_and_travelling_forward_does_not() -> None:
    def ratio(leg: Leg) -> float:
        """How much more the near point recedes from the middle than the far one, each by its distance."""
        recipe = two_cards(leg)
        middle = (recipe.width - 1) / 2, (recipe.height - 1) / 2
        near, far = (
            np.hypot(*displaced(recipe, point)[0])
            / np.hypot(*poses(recipe)[0].project(np.array(point), recipe.width, recipe.height) - middle)
            for point in POINTS.values()
        )
        return float(near / far)

    way = poses(two_cards(Leg(forward=0.6)))[-1].place[2]
    assert ratio(Leg(zoom=0.1)) == pytest.approx(1, abs=0.05)
    assert ratio(Leg(forward=0.6)) == pytest.approx((FAR - way) / (NEAR - way), rel=0.05)


@pytest.mark.parametrize(
    ("leg", "labels", "provable"),
    [
        (Leg(), ("static",), True),
        (Leg(right=0.5), ("truck_right",), True),
        (Leg(right=-0.5, yaw=-3), ("pan_left", "truck_left"), True),
        (arc(9, FAR), ("arc_counterclockwise",), True),
        (Leg(down=0.4, forward=-0.5), ("pedestal_down", "dolly_out"), True),
        (Leg(roll=-9), ("roll_counterclockwise",), True),
        (Leg(right=0.02), ("truck_right",), False),
    ],
)
def test_labels_and_what_can_be_proven_follow_from_the_path(
    leg: Leg, labels: tuple[str, ...], provable: bool
) -> None:
    (segment,) = segments(two_cards(leg))
    assert segment.labels == labels
    assert segment.provable is provable


def test_before_a_single_wall_nothing_proves_travelling() -> None:
    recipe = two_cards(Leg(right=0.5))
    (segment,) = segments(replace(recipe, cards=recipe.cards[:1]))
    assert segment.parallax == pytest.approx(0, abs=1e-6)
    assert not segment.provable


def test_the_path_of_an_object_is_told_without_the_camera_s() -> None:
    walker = Card(
        "walker", (0.0, 0.5, 6.0), (0.8, 1.8), path=((0.0, (0, 0, 0)), (1.0, (1, 0, 0)), (2.0, (1, 0, 0)))
    )
    recipe = two_cards(Leg(yaw=6), seconds=2.0)
    (mover,) = movers(replace(recipe, cards=(*recipe.cards, walker)))
    first, second = mover.stretches
    assert (first.direction, first.depth, round(first.end_s, 1)) == ("right", None, 1.0)
    assert (second.direction, second.depth) == (None, None)
    assert np.diff(mover.boxes[:, 0])[-5:].max() < 0  # at rest, it drifts to the left in the frame


@pytest.mark.parametrize("name", ["car_comes_closer", "roll_walker", "pan_left_rider_right"])
def test_the_box_of_an_object_holds_all_that_is_drawn_of_it_and_no_more(name: str) -> None:
    recipe = replace(CASES[name], seconds=0.2)
    number = recipe.cards.index(recipe.movers[0])
    gone = replace(recipe.cards[number], centre=(0.0, 0.0, -1e4))  # behind the camera
    without = replace(recipe, cards=(*recipe.cards[:number], gone, *recipe.cards[number + 1 :]))
    frames = zip(drawn(recipe), drawn(without), card_boxes(recipe, number), strict=True)
    for frame, empty, box in frames:
        places = np.argwhere((frame != empty).any(-1))[:, ::-1]
        assert (places >= box[:2] - 1).all()
        assert (places <= box[2:] + 1).all()
        assert np.ptp(places[:, 1]) > 0.8 * (box[3] - box[1])


@pytest.mark.parametrize(("z", "depth"), [(-3.0, "closer"), (3.0, "away")])
def test_an_object_comes_closer_or_goes_away_whatever_the_camera_does(z: float, depth: str) -> None:
    walker = Card("walker", (0.5, 0.5, 7.0), (0.8, 1.8), path=((0.0, (0, 0, 0)), (1.0, (0, 0, z))))
    recipe = two_cards(Leg(yaw=15, forward=2.0))
    (mover,) = movers(replace(recipe, cards=(*recipe.cards, walker)))
    assert {stretch.depth for stretch in mover.stretches} == {depth}


def test_there_are_enough_cases_with_every_label_and_every_decoy() -> None:
    assert len(CASES) == len(depth_cases()) >= 80
    assert {label for recipe in CASES.values() for label in recipe.camera_labels} == set(CAMERA_LABELS)
    found = {decoy.split(":")[0] for recipe in CASES.values() for decoy in decoys(recipe)}
    assert found == {"boil", "shadow", "light", "attached", "overlay", "flicker", "parallax"}
    assert set(DEMO_DEPTH) <= CASES.keys()


def test_another_seed_gives_other_clips_with_the_same_labels() -> None:
    for one, other in zip(depth_cases(), depth_cases(1), strict=True):
        assert one != other
        assert one.camera_labels == other.camera_labels


@pytest.mark.parametrize("name", ["car_crosses", "leaves_truck_right", "portrait_format_drive"])
def test_a_clip_is_drawn_the_same_each_time_in_its_size(name: str) -> None:
    recipe = replace(CASES[name], seconds=0.25)
    one, other = (np.stack([*depth_frames(recipe)]) for _ in range(2))
    assert one.shape == (len(recipe.times), recipe.height, recipe.width, 3)
    assert (one == other).all()
    assert one.std() > 10


def test_a_file_is_small_and_has_every_frame(tmp_path: Path) -> None:
    recipe = CASES["drive_road"]
    render_depth(recipe, tmp_path / "drive.mp4")
    assert (tmp_path / "drive.mp4").stat().st_size < 1_000_000
    with av.open(str(tmp_path / "drive.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == len(recipe.times)
