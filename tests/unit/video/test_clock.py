from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from stages.video import source
from stages.video.clock import FrameTimes
from stages.video.frames import Clip, DecodeConfig, Wanted
from tests import clocks, videos
from tests.clocks import FRAMES, RATE, WRAP, joined, moved, packed, plain, retimed

STEP = 90000 // RATE  # ticks of MPEG-TS from frame to frame
HOURS = 2 * 3600 * 90000  # ticks


def pictures(clip: Clip) -> np.ndarray:
    wanted = Wanted(range(len(clip.probe.times)), (96, 64), False)
    return clip.read([wanted], DecodeConfig())[0].pictures


def later(source: Path, target: Path, ticks: int) -> Path:
    """Let the clock jump in the middle of a video without B-frames."""
    return retimed(
        source,
        target,
        lambda n, it: (it.pts + ticks * (n >= FRAMES // 2), it.dts + ticks * (n >= FRAMES // 2)),
    )


def same_order(source: Path, target: Path) -> Path:
    """Time the packets in the order in which they are coded, as old Matroska files do."""
    return retimed(source, target, lambda n, _: (n * STEP, n * STEP))


def recording(folder: Path, **options: str) -> Path:
    return plain(folder / f"recording{len(options)}.ts", **options)


# A name, how the file is made, how many recordings are in it, and what is said of its clock.
BROKEN: dict[str, tuple[Callable[[Path], Path], int, str]] = {
    "AVI, H.264 with B-frames": (lambda at: plain(at / "a.avi", bf="3"), 1, "those of decoding"),
    "AVI, packed B-frames": (
        lambda at: packed(plain(at / "m.avi", "mpeg4", bf="2"), at / "a.avi"),
        1,
        "those of decoding",
    ),
    "raw H.264": (lambda at: plain(at / "a.h264", bf="3"), 1, "24 a second"),
    "raw H.265": (
        lambda at: plain(at / "a.hevc", "libx265", **{"x265-params": "log-level=none"}),
        1,
        "24 a second",
    ),
    "a clock that starts again": (
        lambda at: joined(at / "a.ts", *[recording(at)] * 2),
        2,
        "jumps at 2.000 s",
    ),
    "a clock that starts again twice": (
        lambda at: joined(at / "a.ts", *[recording(at)] * 3),
        3,
        "jumps at 2.000, 4.000 s",
    ),
    "a clock that goes on hours later": (
        lambda at: joined(at / "a.ts", recording(at), moved(recording(at), at / "b.ts", HOURS)),
        2,
        "jumps at 2.000 s",
    ),
    "a clock that goes back by hours": (
        lambda at: joined(at / "a.ts", moved(recording(at), at / "b.ts", HOURS), recording(at)),
        2,
        "jumps at 2.000 s",
    ),
    "Matroska whose clock jumps": (
        lambda at: later(recording(at, bf="0"), at / "a.mkv", HOURS),
        1,
        "jumps at 1.000 s",
    ),
    "MP4 whose clock jumps": (
        lambda at: later(recording(at, bf="0"), at / "a.mp4", HOURS),
        1,
        "jumps at 1.000 s",
    ),
    "Matroska timed in coding order": (
        lambda at: same_order(recording(at), at / "a.mkv"),
        1,
        "no usable timestamps",
    ),
}
SOUND: dict[str, Callable[[Path], Path]] = {
    "MPEG-TS that wraps": lambda at: moved(recording(at), at / "a.ts", WRAP - 20 * STEP - 133500),
    "AVI, MPEG-4 with B-frames": lambda at: plain(at / "a.avi", "mpeg4", bf="2"),
    "FLV": lambda at: plain(at / "a.flv"),
    "MPEG-PS": lambda at: plain(at / "a.mpg", "mpeg2video", bf="2"),
    "WMV": lambda at: plain(at / "a.wmv", "wmv2"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_clock_costs_no_frame_and_is_noted(tmp_path: Path, name: str) -> None:
    make, recordings, note = BROKEN[name]
    path = make(tmp_path)
    clip = Clip(str(path))
    assert clip.probe.times == pytest.approx(np.arange(recordings * FRAMES) / RATE, abs=0.003)
    assert clip.probe.duration_s == pytest.approx(recordings * FRAMES / RATE, abs=0.003)
    assert note in clip.probe.clock_repair
    shown = pictures(clip)
    # The camera pans evenly from frame to frame: none stands out of the order.
    steps = np.abs(np.diff(shown.astype(int), axis=0)).mean((1, 2))
    inside = np.delete(steps, [FRAMES * k - 1 for k in range(1, recordings)])
    assert inside.max() < 2 * np.median(inside)


@pytest.mark.parametrize("name", [*BROKEN, *SOUND])
def test_a_part_has_the_frames_of_the_whole(tmp_path: Path, name: str) -> None:
    path = str((BROKEN[name][0] if name in BROKEN else SOUND[name])(tmp_path))
    whole = pictures(Clip(path))
    times = Clip(path).probe.times
    for first, past in ((0, 5), (7, 30), (20, FRAMES)):
        part = Clip(path, times[first] - 0.001, times[past] - 0.001 if past < len(times) else None)
        assert np.array_equal(pictures(part), whole[first : past if past < len(times) else None])


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_clock_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    probe = Clip(str(SOUND[name](tmp_path))).probe
    assert probe.clock_repair == ""
    assert probe.times == pytest.approx(np.arange(FRAMES) / RATE, abs=0.003)


def test_pictures_that_avi_leaves_out_take_their_time(tmp_path: Path) -> None:
    times = [k / 24 + (k >= 24) * 0.5 for k in range(FRAMES)]
    path = videos.write(tmp_path / "a.avi", FRAMES, 96, 64, "mpeg4", times=times)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames > 10 * FRAMES  # the container counts what it leaves out
    probe = Clip(str(path)).probe
    assert probe.times == pytest.approx(times, abs=0.001)
    assert probe.clock_repair == ""


def test_a_slide_show_and_a_long_still_are_no_jumps(tmp_path: Path) -> None:
    slides = plain(tmp_path / "slides.mkv", frames=6, bf="0")
    minutes = retimed(slides, tmp_path / "minutes.mkv", lambda n, _: (n * 900_000, n * 900_000))
    assert Clip(str(minutes)).probe.times == pytest.approx(np.arange(6) * 900)
    still = retimed(slides, tmp_path / "still.mkv", lambda n, _: (n * 40 + (n > 2) * 60_000,) * 2)
    assert Clip(str(still)).probe.duration_s == pytest.approx(60.24, abs=0.01)


def test_frames_at_one_time_count_as_one(tmp_path: Path) -> None:
    """As players show them; a file does not lose its clock for a few of them."""
    source = plain(tmp_path / "a.mkv", bf="0")
    double = retimed(source, tmp_path / "b.mkv", lambda n, it: (it.pts,) * 2 if n != 7 else (6 * 42 - 2,) * 2)
    probe = Clip(str(double)).probe
    assert len(probe.times) == FRAMES - 1
    assert probe.clock_repair == ""


def test_times_are_measured_alike_by_one_process_and_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = str(joined(tmp_path / "a.ts", *[recording(tmp_path)] * 2))
    alone = Clip(path).source.frame_times()
    monkeypatch.setattr("stages.video.source.LARGE", 0)
    found: list[FrameTimes] = []
    for _ in range(2):
        source._known.cache_clear()
        found.append(source.locate(path).frame_times())
    for other in found:
        assert np.array_equal(other.times, alone.times)
        assert (other.end_s, other.zero_s, other.repair) == (alone.end_s, alone.zero_s, alone.repair)


def test_a_file_without_a_picture_that_can_be_decoded_says_so(tmp_path: Path) -> None:
    content = bytearray(plain(tmp_path / "a.h264").read_bytes())
    content[40:] = bytes(len(content) - 40)
    (tmp_path / "b.h264").write_bytes(content)
    with pytest.raises(ClipError) as caught:
        Clip(str(tmp_path / "b.h264"))
    assert caught.value.code in {"decode_error", "not_a_video", "no_video_stream"}


def test_making_packed_frames_packs_them(tmp_path: Path) -> None:
    path = packed(plain(tmp_path / "m.avi", "mpeg4", bf="2"), tmp_path / "a.avi")
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    assert sizes.count(6) > 10
    assert len(sizes) == clocks.FRAMES
