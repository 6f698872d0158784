from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ClipError
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.pixels import fitted
from stages.video.probe import middles, nearest, sample_times
from tests import videos


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return videos.good(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    return videos.bad(tmp_path_factory.mktemp("bad"))


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


@pytest.mark.parametrize("name", ["odd", "10bit", "vp9", "av1", "h265", "sound", "gif"])
def test_the_brightness_is_the_same_in_every_format(clips: dict[str, Path], name: str) -> None:
    clip = Clip(str(clips[name]))
    seen = clip.read([Wanted([0], (64, 48), False)], DecodeConfig())[0].pictures[0].astype(float)
    plain = Clip(str(clips["spaces"]))
    meant = plain.read([Wanted([0], (64, 48), False)], DecodeConfig())[0].pictures[0].astype(float)
    # A GIF has eight levels a colour.
    assert np.abs(seen - meant).mean() < (6 if name == "gif" else 4)


def test_a_clip_rotated_by_metadata_is_turned_upright(clips: dict[str, Path]) -> None:
    clip = Clip(str(clips["rotated"]))
    assert (clip.probe.width, clip.probe.height) == (240, 320)
    turned = clip.read([Wanted([0], (240, 320), False)], DecodeConfig())[0].pictures[0].astype(float)
    plain = (
        Clip(str(clips["spaces"]))
        .read([Wanted([0], (320, 240), False)], DecodeConfig())[0]
        .pictures[0]
        .astype(float)
    )
    clockwise = np.rot90(plain, -1)
    assert np.abs(turned - clockwise).mean() < 3 < np.abs(turned - clockwise[::-1, ::-1]).mean()


def test_a_broken_file_gets_its_code(broken: dict[str, tuple[Path, str]]) -> None:
    found = {}
    for name, (path, _) in broken.items():
        with pytest.raises(ClipError) as caught:
            Clip(str(path)).read([Wanted([0, 1], (64, 48), False)], DecodeConfig())
        found[name] = caught.value.code
        assert "\n" not in caught.value.detail
    assert found == {name: code for name, (_, code) in broken.items()}


def test_damage_in_the_middle_never_raises_anything_but_a_clip_error(tmp_path: Path) -> None:
    content = videos.write(tmp_path / "whole.mp4", 48).read_bytes()
    rng = np.random.default_rng(0)
    for k in range(40):
        spoilt = bytearray(content)
        for at in rng.integers(0, len(spoilt), 30):
            spoilt[at] = rng.integers(0, 256)
        path = tmp_path / f"{k}.mp4"
        path.write_bytes(spoilt)
        try:
            clip = Clip(str(path))
            clip.read([Wanted(sample_times(clip.probe, 8, 1200), (64, 48), False)], DecodeConfig())
        except ClipError as error:
            assert error.code in {"not_a_video", "no_video_stream", "decode_error", "too_few_frames"}  # noqa: PT017


def test_a_piece_of_a_video_holds_the_frames_between_its_times(tmp_path: Path) -> None:
    path = str(videos.write(tmp_path / "long.mp4", 96, rate=24, options={"g": "12"}))
    whole, piece = Clip(path), Clip(path, 1.0, 3.0)
    assert len(piece.probe.times) == 48
    assert piece.probe.duration_s == pytest.approx(2.0, abs=0.03)
    every = whole.read([Wanted(range(96), (64, 48), False)], DecodeConfig())[0].pictures
    part = piece.read([Wanted(range(48), (64, 48), False)], DecodeConfig())[0].pictures
    assert np.array_equal(part, every[24:72])


def test_reading_some_frames_gives_the_same_pictures_as_reading_all(tmp_path: Path) -> None:
    path = str(videos.write(tmp_path / "a.mp4", 30))
    every = Clip(path).read([Wanted(range(30), (64, 48), False)], DecodeConfig())[0].pictures
    some = Clip(path).read([Wanted([3, 7, 29], (64, 48), False)], DecodeConfig())[0].pictures
    assert np.array_equal(some, every[[3, 7, 29]])


def test_reference_frames_alone_still_give_every_sample(tmp_path: Path) -> None:
    clip = Clip(str(videos.write(tmp_path / "a.mp4", 48, rate=24)))
    indices = sample_times(clip.probe, 8, 1200)
    (taken,) = clip.read([Wanted(indices, (64, 48), False)], DecodeConfig(frames="reference"))
    (every,) = Clip(clip.uri).read([Wanted(range(48), (64, 48), False)], DecodeConfig())
    assert len(taken.pictures) == len(indices)
    assert np.array_equal(taken.pictures, every.pictures[taken.indices])
    assert (np.abs(taken.indices - indices) <= 3).all()
    assert not np.array_equal(taken.indices, indices)


def test_a_long_clip_is_sampled_at_a_lower_rate(tmp_path: Path) -> None:
    probe = Clip(str(videos.write(tmp_path / "a.mp4", 48, rate=24))).probe
    assert len(sample_times(probe, 24, 10)) <= 11


def test_the_middles_are_the_middle_frames_of_equal_segments(tmp_path: Path) -> None:
    probe = Clip(str(videos.write(tmp_path / "a.mp4", 48, rate=24))).probe
    assert middles(probe, 4).tolist() == [6, 18, 30, 42]
    assert middles(probe, 1).tolist() == [24]


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=30, unique=True),
    st.lists(st.floats(-10, 1100), min_size=1, max_size=10),
)
def test_nearest_is_never_farther_than_any_other(times: list[int], wanted: list[float]) -> None:
    rising, asked = np.array(sorted(times), float), np.array(wanted)
    found = nearest(rising, asked)
    assert np.allclose(np.abs(rising[found] - asked), np.abs(rising[None] - asked[:, None]).min(1))


@given(st.integers(1, 10000), st.integers(1, 10000))
def test_a_fitted_size_keeps_the_longer_side_and_never_gets_too_thin(width: int, height: int) -> None:
    w, h = fitted(width, height, 256)
    assert max(w, h) == 256
    assert min(w, h) >= 32


@pytest.mark.parametrize("name", ["odd", "vfr", "rotated", "h265", "unicode", "colon"])
def test_decord_gives_the_pictures_that_pyav_gives(clips: dict[str, Path], name: str) -> None:
    pytest.importorskip("decord")

    def read(backend: str, start_s: float | None = None) -> list[np.ndarray]:
        clip = Clip(str(clips[name]), start_s)
        size = clip.probe.width, clip.probe.height
        wanted = [Wanted([0, 5, 9], size, False), Wanted([2], size, True)]
        config = DecodeConfig.model_validate({"backend": backend})
        return [taken.pictures.astype(int) for taken in clip.read(wanted, config)]

    for start_s in (None, 0.5):
        for ours, theirs in zip(read("pyav", start_s), read("decord", start_s), strict=True):
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs).mean() < 4  # chroma is sampled and rounded in other ways


def test_what_decord_cannot_read_is_a_decode_error(clips: dict[str, Path]) -> None:
    pytest.importorskip("decord")
    clip = Clip(str(clips["av1"]))
    with pytest.raises(ClipError, match="decord cannot read it") as failed:
        clip.read([Wanted([0], (64, 64), False)], DecodeConfig(backend="decord"))
    assert failed.value.code == "decode_error"
