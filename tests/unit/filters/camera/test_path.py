import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.camera.motion import Step
from filters.camera.path import jitter, rates, smoothed, travel


def test_the_rates_are_the_cameras_not_the_scenes() -> None:
    blank = np.zeros((2, 2), complex)

    def one(a: complex, b: complex) -> np.ndarray:
        return rates(Step(0, 1, blank, blank, a, b, 1.0), np.array([0.0, 0.5]), (200, 100))

    assert one(0j, -20 + 0j) == pytest.approx([0.2, 0, 0, 0])  # the scene goes left: the camera pans right
    assert one(0j, -20j) == pytest.approx([0, 0.4, 0, 0])  # the scene goes up: the camera tilts down
    assert one(np.e - 1, 0j) == pytest.approx([0, 0, 2, 0])
    # Positive angles turn clockwise where y points down: the scene clockwise, the camera counterclockwise.
    assert one(np.exp(1j * np.radians(10)) - 1, 0j) == pytest.approx([0, 0, 0, -20])


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(3, 40))
def test_a_steady_path_has_no_jitter(x: float, y: float, count: int) -> None:
    times = np.arange(count) / 8
    path = np.outer(times, [x, y])
    assert np.allclose(smoothed(path, times, 1.0), path, atol=1e-9)
    assert jitter(path, times, 1.0) < 1e-9


@given(st.floats(-1, 1), st.integers(3, 40))
def test_a_steady_path_travels_one_way_only(rate: float, count: int) -> None:
    times = np.arange(count) / 8
    fall, rise = travel(np.outer(times, [rate]), times, 1.0)
    assert rise - fall == pytest.approx([rate * times[-1]], abs=1e-9)
    assert np.minimum(fall, rise) == pytest.approx([0], abs=1e-9)
