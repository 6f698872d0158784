"""Videos of clips as files of their own."""

import os
from pathlib import Path
from typing import Any

import av
import pytest

from stages.review.videos import write_videos
from tests import videos
from tests.tables import clip


def ignore(_: int) -> None:
    """What `write_videos` calls."""


def frames(path: Path) -> int:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec.canonical_name == "h264"
        return sum(1 for _ in container.decode(video=0))


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    """Two shots of a film, a clip that browsers play, one that they do not, and one that is no video."""
    film = videos.write(tmp_path / "film.mp4", 48)
    (tmp_path / "text.mp4").write_text("no video at all")
    return [
        clip("first", uri=str(film), start_s=0.0, end_s=1.0),
        clip("second", uri=str(film), start_s=2.0, end_s=None),
        clip("whole", uri=str(film), start_s=None, end_s=None),
        clip("other", uri=str(videos.write(tmp_path / "x.avi", codec="mpeg4")), start_s=None, end_s=None),
        clip("text", uri=str(tmp_path / "text.mp4"), start_s=None, end_s=None),
    ]


def test_each_clip_gets_a_file_that_browsers_play_and_a_bad_one_costs_itself(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    done: list[int] = []
    folder = tmp_path / "a folder" / "videos"
    names, failed = write_videos(rows, folder, done.append)
    assert names == {name: f"{name}.mp4" for name in ("first", "second", "whole", "other")}
    assert (list(failed), failed["text"].code, done[-1]) == (["text"], "not_a_video", 5)
    assert sorted(path.name for path in folder.iterdir()) == sorted(names.values())
    assert {name: frames(folder / file) for name, file in names.items()} == {
        "first": 12,
        "second": 24,
        "whole": 48,
        "other": 24,
    }
    assert (folder / "whole.mp4").samefile(tmp_path / "film.mp4")


def test_files_are_made_once_and_anew_when_the_clip_is_another_file(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    def made() -> dict[str, int]:
        names, _ = write_videos(rows[:4], tmp_path / "videos", ignore)
        return {name: (tmp_path / "videos" / file).stat().st_ctime_ns for name, file in names.items()}

    before = made()
    assert made() == before
    videos.write(tmp_path / "x.avi", 36, codec="mpeg4")
    os.utime(tmp_path / "x.avi", (0, 0))
    assert {name for name, at in made().items() if before[name] != at} == {"other"}
    assert frames(tmp_path / "videos" / "other.mp4") == 36
