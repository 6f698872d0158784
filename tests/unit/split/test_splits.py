"""The split of a source video is a hash with the right shares, and never changes."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.split.schema import SPLITS
from stages.split.settings import Shares
from stages.split.splits import split_of


@given(st.lists(st.text(), unique=True), st.integers())
def test_a_share_of_one_takes_every_video(videos: list[str], seed: int) -> None:
    shares = Shares(train=0, validation=0, test=1)
    assert {split_of(video, seed, shares) for video in videos} <= {"test"}


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_splits_hold_their_shares_within_sampling_error(seed: int) -> None:
    n, shares = 20000, Shares(train=0.7, validation=0.2, test=0.1)
    counts = Counter(split_of(f"video {i}", seed, shares) for i in range(n))
    for name in SPLITS:
        share = getattr(shares, name)
        assert abs(counts[name] / n - share) < 4 * math.sqrt(share * (1 - share) / n)


def test_split_of_never_changes() -> None:
    got = [split_of(f"v{i}", 0, Shares(train=0.4, validation=0.3, test=0.3)) for i in range(6)]
    assert got == ["validation", "test", "test", "validation", "train", "train"]
