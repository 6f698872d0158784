from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ClipError
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.pixels import fitted
from stages.video.probe import sample_times
from stages.video.pyav_reader import PyavReader
from stages.video.source import locate
from tests import videos

UNUSUAL = (
    *("4k", "odd", "vfr", "rotated", "10bit", "vp9", "av1", "h265", "gif", "sound", "tiny", "portrait"),
    *("spaces", "newline", "unicode", "dots", "dash", "colon"),
)


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_clip_is_read(clips: dict[str, Path], name: str) -> None:
    clip = Clip(str(clips[name]))
    indices = sample_times(clip.probe, 8, 1200)
    size = fitted(clip.probe.width, clip.probe.height, 128)
    wanted = [Wanted(indices, size, False), Wanted([0, 3], size, True)]
    gray, colour = (taken.pictures for taken in clip.read(wanted, DecodeConfig()))
    assert gray.shape == (len(indices), size[1], size[0])
    assert colour.shape == (2, size[1], size[0], 3)
    assert gray.dtype == colour.dtype == np.uint8
    expected = 14 if name == "4k" else 24
    assert len(clip.probe.times) == expected
    assert clip.probe.duration_s == pytest.approx(1.5 if name == "vfr" else expected / 12, abs=0.09)


def test_a_broken_file_gets_its_code(broken: dict[str, tuple[Path, str]]) -> None:
    found = {}
    for name, (path, _) in broken.items():
        with pytest.raises(ClipError) as caught:
            Clip(str(path)).read([Wanted([0, 1], (64, 48), False)], DecodeConfig())
        found[name] = caught.value.code
        assert "\n" not in caught.value.detail
    assert found == {name: code for name, (_, code) in broken.items()}


@pytest.mark.parametrize("rough", [False, True])
def test_damage_in_the_middle_never_raises_anything_but_a_clip_error(tmp_path: Path, rough: bool) -> None:
    content = videos.write(tmp_path / "whole.mp4", 48).read_bytes()
    rng = np.random.default_rng(0)
    for k in range(40):
        spoilt = bytearray(content)
        for at in rng.integers(0, len(spoilt), 30):
            spoilt[at] = rng.integers(0, 256)
        path = tmp_path / f"{k}.mp4"
        path.write_bytes(spoilt)
        try:
            clip = Clip(str(path), rough=rough)
            wanted = Wanted(sample_times(clip.probe, 8, 1200), (64, 48), False)
            clip.read([wanted], DecodeConfig(frames="reference" if rough else "all"))
        except ClipError as error:
            assert error.code in {"not_a_video", "no_video_stream", "decode_error", "too_few_frames"}  # noqa: PT017


def test_a_part_of_a_video_holds_the_frames_between_its_times(tmp_path: Path) -> None:
    path = str(videos.write(tmp_path / "long.mp4", 96, rate=24, options={"g": "12"}))
    whole, part = Clip(path), Clip(path, 1.0, 3.0)
    assert len(part.probe.times) == 48
    assert part.probe.duration_s == pytest.approx(2.0, abs=0.03)
    every = whole.read([Wanted(range(96), (64, 48), False)], DecodeConfig())[0].pictures
    some = part.read([Wanted(range(48), (64, 48), False)], DecodeConfig())[0].pictures
    assert np.array_equal(some, every[24:72])


def test_reading_some_frames_gives_the_same_pictures_as_reading_all(tmp_path: Path) -> None:
    path = str(videos.write(tmp_path / "a.mp4", 30))
    every = Clip(path).read([Wanted(range(30), (64, 48), False)], DecodeConfig())[0].pictures
    wanted = [Wanted([3, 7, 7, 29], (64, 48), False), Wanted([], (64, 48), True)]
    some, none = Clip(path).read(wanted, DecodeConfig())
    assert np.array_equal(some.pictures, every[[3, 7, 7, 29]])
    assert some.indices.tolist() == [3, 7, 7, 29]
    assert none.pictures.shape == (0, 48, 64, 3)


@pytest.mark.parametrize("threads", [0, 2])
def test_more_threads_give_the_same_pictures(tmp_path: Path, threads: int) -> None:
    path = str(videos.write(tmp_path / "a.mp4", 30))
    wanted = [Wanted([0, 7, 29], (64, 48), True)]
    (one,), (more,) = (Clip(path).read(wanted, DecodeConfig(threads=count)) for count in (1, threads))
    assert np.array_equal(one.pictures, more.pictures)


def test_frames_that_nobody_needs_are_not_decoded(tmp_path: Path) -> None:
    path = str(videos.write(tmp_path / "a.mp4", 48, rate=24))

    def decoded(needed: set[int], reference: bool = False) -> list[int]:
        return [
            index for index, _ in PyavReader(locate(path), None, None, False).frames(needed, 1, reference)
        ]

    assert decoded(set(range(48))) == list(range(48))
    bare = decoded(set(), reference=True)
    assert len(bare) < 30
    needed = next(index for index in range(20, 48) if index not in bare)
    assert decoded({needed}) == sorted({0, *bare, needed})


def test_reference_frames_alone_still_give_every_sample(tmp_path: Path) -> None:
    clip = Clip(str(videos.write(tmp_path / "a.mp4", 48, rate=24)))
    indices = sample_times(clip.probe, 8, 1200)
    (taken,) = clip.read([Wanted(indices, (64, 48), False)], DecodeConfig(frames="reference"))
    (every,) = Clip(clip.source).read([Wanted(range(48), (64, 48), False)], DecodeConfig())
    assert len(taken.pictures) == len(indices)
    assert np.array_equal(taken.pictures, every.pictures[taken.indices])
    assert (np.abs(taken.indices - indices) <= 3).all()
    assert not np.array_equal(taken.indices, indices)


@pytest.mark.parametrize("kind", ["ts", "mkv", "mp4"])
def test_a_part_is_whole_wherever_it_starts_and_however_badly_its_container_seeks(
    tmp_path: Path, kind: str
) -> None:
    path = str(videos.write(tmp_path / f"a.{kind}", 96, 64, 48, rate=24, options={"g": "48"}))
    (every,) = Clip(path).read([Wanted(range(96), (64, 48), False)], DecodeConfig())
    for first in (1, 23, 47, 48, 49, 94):
        part = Clip(path, first / 24 - 0.01, None)
        (taken,) = part.read([Wanted(range(96 - first), (64, 48), False)], DecodeConfig())
        assert taken.indices.tolist() == list(range(96 - first))
        assert np.array_equal(taken.pictures, every.pictures[first:])


def test_a_part_of_a_file_without_timestamps_is_counted_from_the_start(tmp_path: Path) -> None:
    path = str(videos.write(tmp_path / "a.m4v", 48, 64, 48, "mpeg4", rate=24))
    (every,) = Clip(path).read([Wanted(range(48), (64, 48), False)], DecodeConfig())
    part = Clip(path, 0.5, 1.5)
    (taken,) = part.read([Wanted(range(len(part.probe.times)), (64, 48), False)], DecodeConfig())
    first = 48 - len(Clip(path, 0.5, None).probe.times)
    assert np.array_equal(taken.pictures, every.pictures[first : first + len(taken.pictures)])


def test_all_frames_come_one_after_another_with_their_times(tmp_path: Path) -> None:
    path = str(videos.write(tmp_path / "a.mp4", 48, rate=24))
    (every,) = Clip(path).read([Wanted(range(12, 36), (64, 48), True)], DecodeConfig())
    pictures, times = zip(*Clip(path, 0.5, 1.5).frames((64, 48)), strict=True)
    assert np.array_equal(np.stack(pictures), every.pictures)
    assert times == pytest.approx(np.arange(24) / 24)
