"""A few videos in Parquet, which viewers play."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stages.split.publish import publish
from tests.plans import a_plan


def test_a_preview_has_the_videos_themselves_and_what_is_asked_of_them(videos: Path, dataset: Path) -> None:
    rows = [row for path in dataset.glob("preview/*.parquet") for row in pq.read_table(path).to_pylist()]
    assert sorted(row["clip_id"] for row in rows) == [f"{n:016x}" for n in range(12)]  # each once
    for row in rows:
        file = videos / f"clip {int(row['clip_id'], 16)} é.MP4"
        assert row["video"] == {"bytes": file.read_bytes(), "path": f"{row['clip_id']}.mp4"}
        assert len(row["qa"]) == 2


def test_a_preview_is_in_the_split_of_its_clips(dataset: Path) -> None:
    for path in dataset.glob("preview/*.parquet"):
        split = path.name.split("-")[0]
        own = {
            clip_id
            for tier in ("sft", "dpo")
            for part in dataset.glob(f"{tier}/{split}-*.parquet")
            for clip_id in pq.read_table(part)["clip_id"].to_pylist()
        }
        assert set(pq.read_table(path)["clip_id"].to_pylist()) <= own


def test_a_preview_is_no_larger_than_allowed(videos: Path, tmp_path: Path) -> None:
    size = max(file.stat().st_size for file in videos.iterdir())
    plan, config = a_plan(videos, preview_mb=3.5 * size / 2**20)
    publish(plan, str(tmp_path / "dataset"), config)
    rows = [
        row
        for path in (tmp_path / "dataset").glob("preview/*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    assert 3 <= len(rows) < 12
    assert sum(len(row["video"]["bytes"]) for row in rows) <= 3.5 * size


def test_without_a_preview_the_card_has_none(videos: Path, tmp_path: Path) -> None:
    plan, config = a_plan(videos, 3, preview_mb=0)
    manifest = publish(plan, str(tmp_path / "dataset"), config)
    assert not any(file["path"].startswith("preview/") for file in manifest["files"])
    assert "preview" not in (tmp_path / "dataset/README.md").read_text()


def test_a_folder_loads_without_a_name_and_its_preview_as_videos(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    loaded = datasets.load_dataset(str(dataset), cache_dir=str(tmp_path))
    assert "answer" in loaded["train"].column_names
    clips = datasets.load_dataset(str(dataset), "preview", cache_dir=str(tmp_path))["train"]
    assert isinstance(clips.features["video"], datasets.Video)
    (row,) = clips.cast_column("video", datasets.Video(decode=False)).select([0])
    assert row["video"]["bytes"][4:8] == b"ftyp"
