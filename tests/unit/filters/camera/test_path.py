from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filters.camera.path import integrated, jitter, smoothed, swings


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(3, 40))
def test_a_steady_path_has_no_jitter(x: float, y: float, count: int) -> None:
    times = np.arange(count) / 8
    path = np.outer(times, [x, y])
    assert np.allclose(smoothed(path, times, 1.0), path, atol=1e-9)
    assert jitter(path, times, 1.0) < 1e-9


@given(st.floats(-1, 1), st.integers(2, 40))
def test_constant_rates_integrate_to_a_steady_path(rate: float, count: int) -> None:
    times = np.arange(count) / 8
    path = integrated(np.full((3, 1), rate), np.array([0.1, 0.2, 0.9]), times)
    assert np.allclose(path[:, 0], rate * times)


PATHS = hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1, 1))


@given(PATHS, st.floats(0.05, 1))
@example(np.array([1, 0.02, 1, 0]), 1)  # it nearly ends, comes back and goes again
def test_swings_are_as_long_as_they_must_be_and_turn_in_turn(path: np.ndarray, least: float) -> None:
    found = swings(path, least)
    ways = [path[j] - path[i] for i, j in found]
    assert all(abs(way) >= 0.9 * least for way in ways)
    assert all(i < j for i, j in found)
    assert all(one * other < 0 for one, other in pairwise(ways))
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    if np.ptp(path) >= 2 * least:
        assert found, "what is twice as far apart is not at rest"


@given(PATHS, st.floats(0.05, 1))
def test_a_path_upside_down_swings_the_other_way_at_the_same_times(path: np.ndarray, least: float) -> None:
    assert swings(-path, least) == swings(path, least)


def test_a_move_is_timed_by_its_main_part() -> None:
    still_then_moves = np.concatenate([np.zeros(20), np.linspace(0, 1, 11), np.ones(9)])
    assert swings(still_then_moves, 0.1) == [(20, 30)]
