"""The truth about a clip follows from its recipe."""

import pytest

from pipeline.schema import CAMERA_LABELS
from stages.demo.hard_cases import hard_cases
from stages.demo.recipe import DIRECTIONS, Camera, Mover, Recipe, direction_of


def test_directions_go_round_clockwise_and_switch_half_way() -> None:
    corners = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]  # y is down
    assert tuple(direction_of(x, y) for x, y in corners) == DIRECTIONS
    assert [direction_of(100, y) for y in (-42, -41, 41, 42)] == ["up-right", "right", "right", "down-right"]


def test_a_direction_is_one_of_pixels_not_of_shares_of_the_frame() -> None:
    mover = Mover((0.1, 0.1), 0.2, "cup")
    assert Recipe("", "coffee", movers=(mover,), width=320, height=320).direction == "down-right"
    assert Recipe("", "coffee", movers=(mover,), width=960, height=320).direction == "right"


@pytest.mark.parametrize(
    ("camera", "labels"),
    [
        (Camera(), ("static",)),
        (Camera(shake=0.01), ("shake",)),
        (Camera(pan=-0.1, shake=0.01), ("pan_left",)),
        (
            Camera(pan=0.1, tilt=-0.1, zoom=-0.1, roll=5.0),
            ("pan_right", "tilt_up", "roll_clockwise", "zoom_out"),
        ),
    ],
)
def test_a_camera_gets_every_label_of_its_motion(camera: Camera, labels: tuple[str, ...]) -> None:
    assert Recipe("", "coffee", camera).camera_labels == labels
    assert list(labels) == sorted(labels, key=CAMERA_LABELS.index)


def test_cuts_add_up_over_shots_and_lie_in_the_middle_of_dissolves() -> None:
    last = Recipe("", "coffee", seconds=1.0)
    middle = Recipe("", "coffee", seconds=2.0, then=last)
    assert last.cuts_s == ()
    assert Recipe("", "coffee", seconds=1.5, then=middle).cuts_s == (1.5, 3.5)
    assert Recipe("", "coffee", seconds=1.5, then=middle, dissolve_s=0.5).cuts_s == (1.25, 3.0)


def test_the_shots_of_a_clip_fit_together() -> None:
    for recipe in hard_cases():
        shot = recipe
        while shot.then:
            assert (shot.then.width, shot.then.height, shot.then.fps) == (shot.width, shot.height, shot.fps)
            assert shot.dissolve_s < min(shot.seconds, shot.then.seconds)
            shot = shot.then
