import hashlib
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import fsspec
import numpy as np
import pytest

from stages.ingest.settings import IngestConfig
from stages.ingest.shots import shots
from stages.ingest.stage import Fingerprint
from stages.video.frames import Clip, DecodeConfig, Wanted
from tests import videos

COLOURS = ((200, 40, 40), (40, 180, 60), (60, 60, 220), (220, 200, 40))
LENGTHS = (31, 47, 40, 53)  # frames of each shot
CONFIG = IngestConfig(shots="content", shot_min_s=0.1)


def film(path: Path, rate: Fraction = Fraction(30)) -> Path:
    """Write a film whose shots differ in colour."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 36
        for colour, length in zip(COLOURS, LENGTHS, strict=True):
            picture = np.full((48, 64, 3), colour, np.uint8)
            for _ in range(length):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def shown(uri: str, start_s: float, end_s: float) -> list[int]:
    """The number of the colour of each frame of a shot."""
    clip = Clip(uri, start_s, end_s)
    (taken,) = clip.read([Wanted(range(len(clip.probe.times)), (64, 48), True)], DecodeConfig())
    assert taken.indices.tolist() == list(range(len(clip.probe.times)))
    apart = np.abs(taken.pictures[:, 24, 32, None].astype(int) - np.array(COLOURS)).sum(2)
    return apart.argmin(1).tolist()


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("rate", ["24", "25", "30000/1001", "30", "50", "60000/1001"])
def test_every_frame_is_in_its_shot_and_in_no_other(tmp_path: Path, rate: str, kind: str) -> None:
    uri = str(film(tmp_path / f"film.{kind}", Fraction(rate)))
    expected = [[k] * length for k, length in enumerate(LENGTHS)]
    assert [shown(uri, *times) for times in shots(uri, CONFIG)] == expected
    pieces = shots(uri, CONFIG.model_copy(update={"shot_max_s": 0.317}))
    assert len(pieces) > len(expected)
    assert [*chain.from_iterable(shown(uri, *times) for times in pieces)] == [*chain.from_iterable(expected)]


def test_a_shot_as_long_as_allowed_stays_whole_and_one_as_short_as_allowed_stays(tmp_path: Path) -> None:
    uri = str(film(tmp_path / "film.mp4"))
    found = shots(uri, CONFIG.model_copy(update={"shot_max_s": 53 / 30, "shot_min_s": 53 / 30}))
    assert found == [(pytest.approx(118 / 30), pytest.approx(171 / 30))]
    assert shots(uri, CONFIG.model_copy(update={"shot_min_s": 1.8})) == []


def test_a_remote_video_and_a_member_of_a_tar_are_cut_as_a_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data = film(tmp_path / "film.mp4").read_bytes()
    videos.write_tar(tmp_path / "films.tar", a=data)
    store = fsspec.filesystem("memory")
    store.pipe_file("/shots/film.mp4", data)
    store.pipe_file("/shots/films.tar", (tmp_path / "films.tar").read_bytes())
    found = [
        shots(uri, CONFIG)
        for uri in (
            str(tmp_path / "film.mp4"),
            f"{tmp_path}/films.tar::a.mp4",
            "memory://shots/film.mp4",
            "memory://shots/films.tar::a.mp4",
        )
    ]
    assert len(found[0]) == 4
    assert found == [found[0]] * 4


def test_a_fingerprint_has_the_shots_of_whole_videos_only(tmp_path: Path) -> None:
    data = film(tmp_path / "film.mp4").read_bytes()
    videos.write_tar(tmp_path / "films.tar", a=data, b=b"no video")
    stage = Fingerprint(CONFIG)
    stage.setup()
    row = {"clip_id": "", "uri": f"{tmp_path}/films.tar::a.mp4", "start_s": None, "end_s": None}
    whole, part, none = (
        stage.work(row | changed)
        for changed in ({}, {"start_s": 1.0}, {"uri": f"{tmp_path}/films.tar::b.mp4"})
    )
    assert len(whole["shots"]) == 4
    assert part["shots"] is None
    assert not none["shots"]
    assert (part["sha256"], part["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
