"""Ranks, their composite, and how many clips become preference data."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.split.settings import Weights
from stages.split.tiers import best, composite, ranks


def test_ranks_are_shares_of_what_is_not_greater() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, np.nan])).tolist() == [1.0, 1 / 3, 1.0, 0.0]
    assert ranks(np.array([])).tolist() == []


def test_a_weight_of_zero_takes_a_number_out_of_the_composite() -> None:
    up, down = np.array([1.0, 2.0]), np.array([2.0, 1.0])
    only_quality = Weights(quality=1, motion=0, alignment=0)
    assert np.argmax(composite(up, down, down, down, only_quality)) == 1
    assert composite(up, up, up, up, Weights(quality=0, motion=0, alignment=0)).tolist() == [0.0, 0.0]


@given(st.integers(0, 200), st.floats(0, 1), st.integers(0, 200))
def test_no_more_preference_clips_than_the_share_and_the_eligible(
    n: int, share: float, eligible: int
) -> None:
    scores = {f"{i:03d}": i / 7 % 1 for i in range(n)}
    chosen = best(scores, set(list(scores)[:eligible]), set(), share)
    assert len(chosen) <= math.ceil(share * n)
    assert len(chosen) == min(math.ceil(round(share * n, 6)), eligible, n)
