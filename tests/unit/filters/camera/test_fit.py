import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.camera.fit import fit, stands_still, upper_median
from filters.camera.grid import positions

SIZE = (256, 144)
SHAPE = positions(SIZE).shape


@given(
    st.complex_numbers(max_magnitude=0.2),
    st.complex_numbers(max_magnitude=30),
    st.floats(0, 0.4),
    st.integers(0, 99),
)
@settings(deadline=None)
def test_the_fit_finds_the_motion_that_most_of_the_scene_follows(
    a: complex, b: complex, outliers: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    z = positions(SIZE).ravel()
    flow = a * z + b + 0.02 * (rng.normal(size=len(z)) + 1j * rng.normal(size=len(z)))
    stray = rng.random(len(z)) < outliers
    flow[stray] += 60 * np.exp(2j * np.pi * rng.random(stray.sum()))
    found_a, found_b, share = fit(flow, np.ones(len(z)), z, np.full(len(z), 0.5), (0j, 0j))
    assert abs(found_a - a) < 0.01
    assert abs(found_b - b) < 0.5
    assert share >= 0.9 * (1 - outliers)


def test_without_weight_or_with_too_few_cells_there_is_no_fit() -> None:
    z = positions(SIZE).ravel()
    ones = np.ones(len(z))
    assert fit(ones + 0j, 0 * ones, z, 0.5 * ones, (0j, 0j)) == (0j, 0j, 0.0)
    assert fit(ones[:7] + 0j, ones[:7], z[:7], 0.5 * ones[:7], (0j, 0j)) == (0j, 0j, 0.0)


def test_a_camera_known_to_stand_still_is_not_carried_along_by_what_fills_the_frame() -> None:
    z = positions(SIZE).ravel()
    ones = np.ones(len(z))
    flow = np.where(np.abs(z.real) < 0.4 * SIZE[0], 5 + 0j, 0j)  # an object over most of the frame
    assert abs(fit(flow, ones, z, 0.5 * ones, (0j, 0j))[1] - 5) < 0.1
    assert abs(fit(flow, ones, z, 0.5 * ones, (0j, 0j), still=True)[1]) < 0.1


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=20))
def test_the_upper_median_is_the_middle_one_or_the_upper_of_the_middle_two(values: list[float]) -> None:
    assert upper_median(np.array(values)) == sorted(values)[len(values) // 2]


def test_one_side_at_rest_means_a_camera_at_rest_and_a_followed_subject_does_not() -> None:
    weight = np.ones(SHAPE)
    nothing, left, middle, corners = (np.zeros(SHAPE, bool) for _ in range(4))
    left[:, : SHAPE[1] // 4] = True
    middle[:, SHAPE[1] // 3 : -SHAPE[1] // 3] = True
    corners[: SHAPE[0] // 4, : SHAPE[1] // 4] = True
    assert not stands_still(nothing, weight)
    assert stands_still(left, weight)
    assert not stands_still(middle, weight)
    assert not stands_still(corners, weight)
