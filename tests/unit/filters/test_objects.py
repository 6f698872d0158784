import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.camera.motion import Motion
from filters.objects import Own, Phase, agreed, apart, by_itself, by_points, carried, phases, shifts, sway
from tests.unit.filters.tracks import SIZE, block, moving, spread

TIMES = np.arange(0, 6, 0.125)


def held(*legs: tuple[float, complex]) -> np.ndarray:
    """Velocities at TIMES: each until its time, 0 afterwards."""
    velocity = np.zeros(len(TIMES), complex)
    since = 0.0
    for until, value in legs:
        velocity[(since <= TIMES) & (until > TIMES)] = value
        since = until
    return velocity


def test_a_path_is_told_by_its_stretches_and_not_by_where_it_ends() -> None:
    there_and_back = phases(TIMES, held((2, 30j), (3, 0), (5, -30j)), 15)
    assert [phase.shift.imag for phase in there_and_back] == pytest.approx([60, -60], rel=0.05)
    assert [round(phase.start) for phase in there_and_back] == [0, 3]
    (around,) = phases(TIMES, held((1.5, 30), (2, 0), (4, 30)), 15)
    assert around.shift.real == pytest.approx(105, abs=5)


def test_a_stretch_in_which_an_object_is_seldom_seen_to_move_is_no_path() -> None:
    eddies = np.where(np.arange(len(TIMES)) % 4 < 2, 20.0, 0.0).astype(complex)
    assert phases(TIMES, eddies, 15) == ()
    assert phases(TIMES, eddies + 10, 15)


def thing(goes: complex, camera: float = 0.0, at: complex = 0j) -> Motion:
    """A clip of a thing that begins at a place and goes by itself, pixels per second."""
    return moving([lambda t, z=z: z + (goes + camera) * t for z in block(at)], 2.0, shift=camera)


def frame(motion: Motion, goes: complex, at: complex = 0j, side: float = 40.0) -> np.ndarray:
    """Boxes (T, 4) that go from a place, cut off by the frame's edges."""
    middle = 128 + 72j + at + goes * motion.times
    x, y = middle.real, middle.imag
    boxes = np.stack([x - side / 2, y - side / 2, x + side / 2, y + side / 2], axis=1)
    return boxes.clip(0, np.array([*SIZE, *SIZE]))


WAY = Phase(0.0, 1.0, 30 + 0j)


@pytest.mark.parametrize(
    ("goes", "bears"),
    [(30 + 0j, True), (15 + 0j, True), (2 + 0j, False), (-30 + 0j, False), (30 + 30j, False)],
)
@pytest.mark.parametrize("camera", [0, -40])
def test_a_stretch_along_which_a_thing_does_not_go_is_no_path(
    goes: complex, bears: bool, camera: int
) -> None:
    motion = thing(goes, camera)
    assert carried(WAY, motion.times, frame(motion, goes + camera), motion) is bears


def test_what_passes_from_point_to_point_is_no_path_though_its_box_goes_along() -> None:
    ripples = thing(4)
    assert not carried(WAY, ripples.times, frame(ripples, 30), ripples)


def test_points_show_the_way_of_what_the_frame_cuts_off() -> None:
    enters = thing(30, at=-118)
    at_edge = np.tile([0.0, 50.0, 45.0, 94.0], (len(enters.times), 1))
    assert carried(WAY, enters.times, at_edge, enters)
    assert not carried(WAY, enters.times, at_edge + np.array([10, 0, 10, 0]), enters)


@given(st.floats(0, 2 * np.pi), st.floats(10, 60))
def test_a_steady_path_is_one_stretch_in_its_direction(angle: float, speed: float) -> None:
    (phase,) = phases(TIMES, held((4, speed * np.exp(1j * angle))), 15)
    assert abs(np.angle(phase.shift * np.exp(-1j * angle))) < 0.02


def test_trembling_is_no_path_and_going_to_and_fro_is_told_as_such() -> None:
    swing = 25 * np.cos(2 * np.pi * TIMES)
    assert phases(TIMES, swing.astype(complex), 15) == ()
    start, end = sway(TIMES, swing.astype(complex), SIZE)
    assert start < 0.6
    assert end > 5
    assert sway(TIMES, 0.05 * swing.astype(complex), SIZE) is None
    assert sway(TIMES, swing + 30, SIZE) is None


def test_the_points_in_a_box_tell_its_own_motion_whatever_the_camera_does() -> None:
    car = [lambda t, at=at: at + (20 - 40) * t for at in block(20 + 0j)]
    behind = [lambda t, at=at: at - 40 * t for at in spread(150)]
    motion = moving([*car, *behind], 3.0, shift=-40)
    boxes = np.array([[128 + 20 - 20 * t - 25, 47, 128 + 20 - 20 * t + 25, 97] for t in motion.times])
    own = by_points(shifts(motion), motion.times, boxes, motion)
    assert own.phases[0].velocity == pytest.approx(20, abs=2)


@pytest.mark.parametrize(
    ("own", "itself"),
    [
        (20j, True),  # across the scene's way
        (-20 + 0j, False),  # the scene's way: it may be near, and at rest
        (-120 + 0j, True),  # so near that it would be three times nearer
        (40 + 0j, False),  # it keeps its place in the frame: the camera may circle it
        (80 + 0j, True),  # ahead of the camera
    ],
)
def test_what_parallax_may_explain_does_not_move_by_itself(own: complex, itself: bool) -> None:
    motion = moving([], 2.0, shift=-40)
    one = Own(motion.times, np.full(len(motion.times), own), np.zeros(len(motion.times)))
    assert by_itself(Phase(0.0, 1.0, own), one, motion) is itself


def test_what_parallax_may_explain_is_left_out_half_second_by_half_second() -> None:
    motion = moving([], 4.0, shift=-40)
    velocity = np.where(motion.times < 2, -20, 20j)  # the scene's way at first, then across it
    own = apart(Own(motion.times, velocity, np.zeros(len(motion.times))), motion)
    assert not own.velocity[motion.times < 2].any()
    assert (own.velocity[motion.times >= 2] == 20j).all()
    still = moving([], 4.0)
    assert (apart(Own(still.times, velocity, np.zeros(len(still.times))), still).velocity == velocity).all()


def test_a_camera_at_rest_needs_no_such_proof() -> None:
    motion = moving([], 2.0)
    one = Own(motion.times, np.full(len(motion.times), -20.0), np.zeros(len(motion.times)))
    assert by_itself(Phase(0.0, 1.0, -20 + 0j), one, motion)


@pytest.mark.parametrize(
    ("other", "bears"), [(20, True), (9, True), (2, False), (-20, False), (20j, False), (0, False)]
)
def test_another_measurement_bears_a_stretch_out_if_it_goes_the_same_way(other: complex, bears: bool) -> None:
    second = Own(TIMES, np.full(len(TIMES), complex(other)), np.zeros(len(TIMES)))
    assert agreed(Phase(1.0, 3.0, 40 + 0j), second) is bears
