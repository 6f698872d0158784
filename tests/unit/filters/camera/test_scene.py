import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.camera.points import Pairs
from filters.camera.scene import Fits, fit_scene, sums
from tests.unit.filters.tracks import SIZE, Path, points, spread


def scene(paths: list[Path], seconds: float) -> tuple[Fits, Fits]:
    found, times = points(paths, seconds)
    near = [(k, k + 1) for k in range(len(times) - 1)]
    far = [(k, k + 8) for k in range(0, len(times) - 8, 2)]
    steps, windows = fit_scene([(each, found.pairs(each)) for each in (near, far)], SIZE)
    return steps, windows


@given(
    st.complex_numbers(max_magnitude=12),
    st.floats(-0.08, 0.08),
    st.floats(-0.1, 0.1),
    st.floats(0, 0.35),
    st.integers(0, 99),
)
@settings(deadline=None, max_examples=40)
def test_the_scene_is_what_most_points_follow(
    shift: complex, zoom: float, roll: float, strays: float, seed: int
) -> None:
    turn = complex(zoom, roll)
    rng = np.random.default_rng(seed)

    def path(start: complex) -> Path:
        if rng.random() < strays:
            own = 20 * np.exp(2j * np.pi * rng.random())
            return lambda t: start + own * t
        return lambda t: start * np.exp(turn * t) + shift * t

    steps, windows = scene([path(start) for start in spread(220, seed)], 2.0)
    assert np.allclose(np.median(steps.a), np.exp(turn / 8) - 1, atol=0.004)
    assert abs(np.median(windows.a) - (np.exp(turn) - 1)) < 0.01
    assert np.median(windows.share(windows.followed() > 0.5)) > 0.8 * (1 - strays)


def test_a_subject_with_most_of_the_points_is_not_the_scene_if_it_does_not_keep_to_one_motion() -> None:
    behind = [lambda t, at=at: at for at in spread(60)]
    body = [lambda t, at=at: at + 8 * np.sin(2 * t) + 3j * np.sin(5 * t) for at in spread(60, 1) * 0.6]
    arms = [lambda t, at=at: at - 9 * np.sin(3 * t) for at in spread(60, 2) * 0.6]
    _, windows = scene([*behind, *body, *arms], 5.0)
    assert np.abs(windows.b).max() < 0.5
    assert np.abs(windows.a).max() < 0.01


def test_without_points_the_scene_does_not_move() -> None:
    steps, windows = scene([], 2.0)
    assert not steps.b.any()
    assert not windows.share(windows.followed() > 0.5).any()


def test_spans_without_points_sum_to_nothing() -> None:
    pairs = Pairs(np.array([1, 1, 3]), np.arange(3), np.zeros(3), np.zeros(3), 5)
    assert sums(np.array([1.0, 2.0, 4.0]), pairs).tolist() == [0, 3, 0, 4, 0]
