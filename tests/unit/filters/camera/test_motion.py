import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filters.camera.grid import positions
from filters.camera.motion import Motion, Step, compose, moving

SIZE = (64, 48)
Z = positions(SIZE)


@given(
    st.lists(
        st.tuples(st.complex_numbers(max_magnitude=0.1), st.complex_numbers(max_magnitude=9)),
        min_size=1,
        max_size=5,
    )
)
def test_composed_steps_move_a_point_as_the_steps_do_one_by_one(parts: list[tuple[complex, complex]]) -> None:
    blank = np.zeros((1, 1), complex)
    steps = [Step(k, k + 1, blank, blank, a, b, 1.0) for k, (a, b) in enumerate(parts)]
    a, b = compose(steps)
    point = 3 + 4j
    for step in steps:
        point = point + step.a * point + step.b
    assert abs((3 + 4j) + a * (3 + 4j) + b - point) < 1e-9


def moved(weight: float = 1.0, change: float | None = None) -> np.ndarray:
    """`moving` for a camera that pans while four cells move against it."""
    a, b = 0j, -3 + 0j
    flow = np.full(Z.shape, b, np.complex64)
    flow[2:4, 2:4] += 6
    unlike = None if change is None else np.full(Z.shape, change, np.float32)
    step = Step(0, 1, flow, np.full(Z.shape, weight, np.float32), a, b, 1.0, unlike)
    return moving(step, Motion(np.array([0.0, 0.125]), SIZE, [step], [], []))


def test_what_moves_is_what_does_not_follow_the_camera() -> None:
    expected = np.zeros(Z.shape, bool)
    expected[2:4, 2:4] = True
    assert np.array_equal(moved(), expected)
    assert np.array_equal(moved(change=0.8), expected)


def test_without_texture_or_without_a_change_of_the_picture_nothing_moves() -> None:
    assert not moved(weight=0.1).any()
    assert not moved(change=0.1).any()
    assert not moved(change=np.nan).any()


def test_the_longest_shot_is_the_longest_in_seconds() -> None:
    times = np.array([0.0, 0.1, 0.2, 0.3, 1.0, 2.0])
    assert Motion(times, SIZE, [], [4], []).shot() == (4, 5)
    assert Motion(times, SIZE, [], [], []).shot() == (0, 5)
