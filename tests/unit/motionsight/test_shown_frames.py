"""Which frames of a clip the model sees."""

import numpy as np
import pytest

from stages.motionsight.observe import shown_frames
from stages.motionsight.settings import FramesConfig
from stages.video.probe import Probe


def clip(frames: int, rate: float = 25.0) -> Probe:
    return Probe(64, 48, rate, frames / rate, "h264", np.arange(frames) / rate)


def test_frames_are_the_middles_of_equal_segments_or_go_from_the_first_to_the_last() -> None:
    assert shown_frames(clip(100), FramesConfig(count=4)).tolist() == [12, 37, 62, 87]
    assert shown_frames(clip(100), FramesConfig(count=4, spread="ends")).tolist() == [0, 33, 66, 99]
    assert shown_frames(clip(3), FramesConfig(count=16)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("seconds", "rate", "count"),
    [(10, 1, 10), (11, 1, 10), (2, 1, 4), (10, 2.5, 24), (60, 24, 768), (0.08, 1, 2)],
)
def test_at_a_rate_their_number_is_even_and_four_at_least(seconds: float, rate: float, count: int) -> None:
    shown = shown_frames(clip(int(seconds * 25)), FramesConfig(fps=rate, spread="ends"))
    assert len(shown) == count
    assert (shown[0], shown[-1]) == (0, int(seconds * 25) - 1)
