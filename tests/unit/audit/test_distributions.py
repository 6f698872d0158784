import json
import math

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.audit.distributions import BINS, CHART_BINS, histogram, spread

numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, 0.1 + 0.2, 0.3, -0.0])


@settings(deadline=None)
@given(st.lists(numbers, max_size=50), st.lists(st.floats(-100, 100), max_size=2))
def test_a_chart_shows_every_finite_value_and_reaches_to_its_gates(
    values: list[float], limits: list[float]
) -> None:
    values = [value for value in values if not abs(value) > 1e12 or math.isinf(value)]
    shown = spread(np.array(values, float), limits)
    finite = [value for value in values if math.isfinite(value)]
    assert sum(row["count"] for row in shown["bins"]) == len(finite)
    assert shown["missing"] == len(values) - len(finite)
    assert len(shown["bins"]) <= CHART_BINS
    json.dumps(shown, allow_nan=False)
    if finite:
        low, high = shown["bins"][0]["lo"], shown["bins"][-1]["hi"]
        for limit in limits:
            if not shown["log"] or limit > 0:
                near = 1e-5 * max(abs(low), abs(high), 1e-300)
                assert low - near <= limit <= high + near


def test_long_tails_get_bins_of_equal_ratio_and_whole_numbers_bins_of_their_own() -> None:
    rng = np.random.default_rng(0)
    assert spread(rng.lognormal(-3, 2, 5000))["log"]
    assert not spread(rng.normal(50, 10, 5000))["log"]
    cuts = spread(np.array([0.0, 0.0, 1.0, 3.0]), [0])
    assert [row["count"] for row in cuts["bins"]] == [2, 1, 0, 1]
    assert (cuts["bins"][0]["lo"], cuts["bins"][-1]["hi"]) == (-0.5, 3.5)


def test_a_histogram_counts_what_is_finite() -> None:
    found = histogram(pa.chunked_array([[0.0, 1.0, 1.0, None, math.nan, math.inf]]))
    assert (found["count"], found["missing"]) == (3, 3)
    assert (found["min"], found["median"], found["max"]) == (0.0, 1.0, 1.0)
    assert found["bins"] == [1, *[0] * (BINS - 2), 2]


def test_values_apart_by_rounding_alone_are_one_value() -> None:
    durations = [3.0, 2.9999999999999996, 3.0, 3.0]
    assert sum(histogram(pa.chunked_array([durations]))["bins"]) == 4
    assert sum(bin["count"] for bin in spread(np.array(durations), [3.0])["bins"]) == 4
