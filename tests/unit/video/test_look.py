from pathlib import Path

import numpy as np

from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.look import CloserLook
from tests import videos


def test_a_look_shows_every_frame_of_each_part(tmp_path: Path) -> None:
    path = videos.write(tmp_path / "clip.mp4", frames=48, rate=24)
    clip = Clip(str(path))
    whole = clip.read([Wanted(range(48), (128, 96), False)], DecodeConfig())[0].pictures
    parts = CloserLook(str(path), None, None, 1)([(0.25, 0.5), (1.0, 1.25)], 128, False)
    for (pictures, times), first in zip(parts, (6, 24), strict=True):
        assert np.allclose(times, np.arange(first, first + 6) / 24)
        assert np.array_equal(pictures, whole[first : first + 6])


def test_a_look_stays_inside_its_clip_and_counts_from_its_start(tmp_path: Path) -> None:
    path = videos.write(tmp_path / "clip.mp4", frames=48, rate=24)
    ((pictures, times),) = CloserLook(str(path), 0.5, 1.0, 1)([(0.25, 5.0)], 64, True)
    assert np.allclose(times, np.arange(6, 12) / 24)
    assert pictures.shape == (6, 48, 64, 3)


def test_where_nothing_can_be_decoded_there_is_nothing_to_see(tmp_path: Path) -> None:
    (tmp_path / "none.mp4").write_bytes(b"no video")
    parts = CloserLook(str(tmp_path / "none.mp4"), None, None, 1)([(0.0, 1.0), (2.0, 3.0)], 64, True)
    assert [len(times) for _, times in parts] == [0, 0]
