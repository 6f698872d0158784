import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.camera.fit import fit
from filters.camera.grid import positions, upper_median

SIZE = (256, 144)


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


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=20))
def test_the_upper_median_is_the_middle_one_or_the_upper_of_the_middle_two(values: list[float]) -> None:
    assert upper_median(np.array(values)) == sorted(values)[len(values) // 2]
