from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from stages.video import source
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.source import locate
from tests import videos


@pytest.fixture
def demuxed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[None]:
    """One entry for each time that all packets of a file were read."""
    calls: list[None] = []
    real = source.frame_times

    def counted(*arguments: Any) -> Any:
        calls.append(None)
        return real(*arguments)

    monkeypatch.setattr(source, "frame_times", counted)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return calls


def brightness(clip: Clip) -> float:
    (taken,) = clip.read([Wanted(range(len(clip.probe.times)), (64, 48), False)], DecodeConfig())
    return float(taken.pictures.mean())


def test_a_film_is_demuxed_once_for_all_of_its_clips(tmp_path: Path, demuxed: list[None]) -> None:
    path = str(videos.write(tmp_path / "film.mp4", 96, rate=24))
    clips = [Clip(path, k / 2, (k + 1) / 2) for k in range(8)]
    assert sum(len(clip.probe.times) for clip in clips) == 96
    assert len(demuxed) == 1


def test_a_long_film_is_demuxed_by_one_process_for_all(
    tmp_path: Path, demuxed: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "LARGE", 0)
    path = str(videos.write(tmp_path / "film.mp4", 48, rate=24))
    here = Clip(path, 0.5, 1.0)
    source._known.cache_clear()  # as in another process
    there = Clip(path, 0.5, 1.0)
    assert len(demuxed) == 1
    assert np.array_equal(here.probe.times, there.probe.times)
    assert here.probe.duration_s == there.probe.duration_s
    assert brightness(here) == brightness(there)


def test_a_replaced_film_is_demuxed_anew(tmp_path: Path, demuxed: list[None]) -> None:
    path = videos.write(tmp_path / "film.mp4", 48, rate=24)
    assert len(Clip(str(path), 0.0, None).probe.times) == 48
    videos.write(tmp_path / "new.mp4", 36, rate=24).replace(path)
    assert len(Clip(str(path), 0.0, None).probe.times) == 36
    assert len(demuxed) == 2


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The URI of each file that was fetched, whole or piece by piece."""
    calls: list[str] = []
    for name in ("fetch", "read_bytes"):
        real = getattr(source, name)

        def counted(uri: str, *target: Path, real: Any = real) -> Any:
            calls.append(uri)
            return real(uri, *target)

        monkeypatch.setattr(source, name, counted)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return calls


def test_a_remote_film_is_fetched_once_for_all_of_its_clips(tmp_path: Path, fetched: list[str]) -> None:
    path, store = videos.write(tmp_path / "film.mp4", 48, rate=24), fsspec.filesystem("memory")
    store.pipe_file("/films/a.mp4", path.read_bytes())
    uri = "memory://films/a.mp4"
    assert [brightness(Clip(uri, k / 2, (k + 1) / 2)) for k in range(4)] == [
        brightness(Clip(str(path), k / 2, (k + 1) / 2)) for k in range(4)
    ]
    assert fetched == [uri]
    store.pipe_file("/films/a.mp4", videos.write(path, 36, rate=24).read_bytes())
    assert len(Clip(uri, 0.0, None).probe.times) == 36
    assert fetched == [uri, uri]


def test_a_film_that_changes_while_it_is_fetched_is_not_shared(
    tmp_path: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec.filesystem("memory").pipe_file("/films/b.mp4", videos.write(tmp_path / "b.mp4").read_bytes())
    versions = iter(range(100))
    monkeypatch.setattr(source, "version", lambda _: (str(next(versions)), 4))
    for _ in range(2):
        assert len(Clip("memory://films/b.mp4", 0.0, None).probe.times) == 24
    assert len(fetched) == 4
    assert all(path.name == "users" for path in next(tmp_path.glob("motionsight-*")).iterdir())


def test_a_film_of_unknown_version_is_fetched_each_time(
    tmp_path: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec.filesystem("memory").pipe_file("/films/c.mp4", videos.write(tmp_path / "c.mp4").read_bytes())
    monkeypatch.setattr(source, "version", lambda _: (None, 0))
    for _ in range(2):
        assert len(Clip("memory://films/c.mp4", 0.0, 1.0).probe.times) == 12
    assert len(fetched) == 2


def test_a_member_of_a_local_tar_is_read_in_place(tmp_path: Path, fetched: list[str]) -> None:
    film = videos.write(tmp_path / "film.mp4", 48, rate=24)
    tar = tmp_path / "a, b:c.tar"
    videos.write_tar(tar, a=b"x" * 1000, b=film.read_bytes(), c=b"")
    for start_s in (None, 0.5):
        assert brightness(Clip(f"{tar}::b.mp4", start_s)) == brightness(Clip(str(film), start_s))
    assert fetched == []
    assert locate(f"{tar}::c.mp4").size == 0
