from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ClipError
from stages.video.clock import frame_times
from stages.video.frames import Clip
from stages.video.probe import Probe, middles, nearest, sample_times
from stages.video.source import locate
from tests import videos


def even(frames: int, rate: float) -> Probe:
    """A clip of evenly spaced frames."""
    return Probe(64, 48, rate, frames / rate, "h264", np.arange(frames) / rate)


@given(st.integers(2, 200), st.sampled_from([12.0, 24.0, 60.0]), st.integers(16, 100))
def test_samples_are_evenly_spread_and_never_more_than_allowed(frames: int, rate: float, most: int) -> None:
    probe = even(frames, rate)
    indices = sample_times(probe, 8, most)
    assert indices[0] == 0
    assert len(indices) <= most + 1
    gaps = set(np.diff(indices).tolist())
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert len(indices) >= min(frames, 8)
    if 9 <= 8 * probe.duration_s < most:
        assert np.diff(probe.times[indices]) == pytest.approx(1 / 8, abs=0.5 / rate + 1e-9)


def test_the_middles_are_the_middle_frames_of_equal_segments() -> None:
    assert middles(even(48, 24), 4).tolist() == [6, 18, 30, 42]
    assert middles(even(48, 24), 1).tolist() == [24]
    assert middles(even(2, 24), 4).tolist() == [0, 1, 1, 1]


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=30, unique=True),
    st.lists(st.floats(-10, 1100), min_size=1, max_size=10),
)
def test_nearest_is_never_farther_than_any_other(times: list[int], wanted: list[float]) -> None:
    ascending, asked = np.array(sorted(times), float), np.array(wanted)
    found = nearest(ascending, asked)
    assert np.allclose(np.abs(ascending[found] - asked), np.abs(ascending[None] - asked[:, None]).min(1))


def test_a_part_of_a_file_knows_how_many_frames_come_before_it(tmp_path: Path) -> None:
    source = locate(str(videos.write(tmp_path / "a.mp4", 96, rate=24)))
    part = frame_times(source.open).part(1.0, 3.0)
    assert part.before == 24
    assert part.times == pytest.approx(np.arange(48) / 24)
    assert part.duration_s == pytest.approx(2.0)


def test_a_part_without_two_frames_is_refused(tmp_path: Path) -> None:
    path = str(videos.write(tmp_path / "a.mp4", 24))
    for start_s, end_s in ((5.0, None), (1.0, 1.01), (1.0, 0.5)):
        with pytest.raises(ClipError, match=r"the clip has [01] frame") as failed:
            Clip(path, start_s, end_s)
        assert failed.value.code == "too_few_frames"
