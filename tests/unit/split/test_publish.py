"""A dataset is whole, the same every time, and replaces the one before or leaves it alone."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from stages.split.publish import ExportError, publish
from stages.split.settings import SplitConfig
from tests.disk import recorded
from tests.plans import UNICODE, a_plan, bytes_of
from tests.tables import plan_of


def test_the_manifest_lists_every_other_file_as_it_is(dataset: Path) -> None:
    manifest = json.loads((dataset / "manifest.json").read_text())
    files = bytes_of(dataset)
    assert {file["path"] for file in manifest["files"]} == files.keys() - {"manifest.json"}
    for file in manifest["files"]:
        assert file["sha256"] == hashlib.sha256(files[file["path"]]).hexdigest()
        assert file["bytes"] == len(files[file["path"]])
        if file["path"].endswith(".parquet"):
            assert file["rows"] == pq.read_metadata(dataset / file["path"]).num_rows
    assert manifest["config_fingerprint"] == "abc"
    assert manifest["seed"] == 3
    assert manifest["models"] == ["mllm 1"]
    rows = {tier: sum(manifest["rows"][tier].values()) for tier in ("sft", "dpo")}
    assert rows == {"sft": 12 + 9, "dpo": 3}
    assert all(manifest["rows"]["sft"].values())


def test_the_same_plan_gives_the_same_bytes(videos: Path, dataset: Path, tmp_path: Path) -> None:
    plan, config = a_plan(videos)

    def backwards(run: Callable[[Any], Any], shards: Iterable[Any]) -> list[Any]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(run, reversed(list(shards))))

    publish(plan, str(tmp_path / "dataset"), config, {"config_fingerprint": "abc"}, backwards)
    assert bytes_of(tmp_path / "dataset") == bytes_of(dataset)


def test_hugging_face_datasets_reads_both_configs(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    manifest = json.loads((dataset / "manifest.json").read_text())
    for tier in ("sft", "dpo"):
        loaded = datasets.load_dataset(str(dataset), tier, cache_dir=str(tmp_path))
        assert {name: part.num_rows for name, part in loaded.items()} == {
            name: rows for name, rows in manifest["rows"][tier].items() if rows
        }
    files = {"train": str(dataset / "sft/train-*.parquet")}
    train = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "2"))["train"]
    row = next(row for row in train if row["question"] == UNICODE)
    assert row["messages"] == [
        {"role": "user", "content": UNICODE},
        {"role": "assistant", "content": "The camera pans left."},
    ]
    trl = datasets.load_dataset(
        "parquet", data_files=str(dataset / "trl/dpo-*.parquet"), cache_dir=str(tmp_path / "3")
    )["train"][0]
    assert [part["type"] for part in trl["prompt"][0]["content"]] == ["video", "text"]
    assert trl["chosen"][0]["content"][0]["text"] == "The camera pans left."
    assert trl["rejected"][0]["content"][0]["text"] == "The camera pans right."


def test_no_clip_is_in_two_splits_of_the_files(dataset: Path) -> None:
    seen: dict[str, set[str]] = {}
    for path in [*dataset.glob("sft/*.parquet"), *dataset.glob("dpo/*.parquet")]:
        for clip_id in pd.read_parquet(path)["clip_id"]:
            seen.setdefault(clip_id, set()).add(path.name.split("-")[0])
    assert all(len(splits) == 1 for splits in seen.values())


def test_when_no_video_can_be_read_the_old_dataset_stays(videos: Path, tmp_path: Path) -> None:
    plan, config = a_plan(videos, 2)
    publish(plan, str(tmp_path / "dataset"), config)
    before = bytes_of(tmp_path / "dataset")
    with pytest.raises(ExportError, match="no such file"):
        publish(a_plan(tmp_path / "gone", 2)[0], str(tmp_path / "dataset"), config)
    assert bytes_of(tmp_path / "dataset") == before
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_second_publish_replaces_the_first_and_repairs_what_a_crash_left(
    videos: Path, tmp_path: Path
) -> None:
    plan, config = a_plan(videos, 4)
    publish(plan, str(tmp_path / "dataset"), config)
    first = bytes_of(tmp_path / "dataset")
    (tmp_path / "dataset").rename(tmp_path / ".dataset.old")
    (tmp_path / ".dataset.new").mkdir()
    with pytest.raises(ExportError):
        publish(a_plan(tmp_path / "gone", 4)[0], str(tmp_path / "dataset"), config)
    assert bytes_of(tmp_path / "dataset") == first
    publish(a_plan(videos, 5)[0], str(tmp_path / "dataset"), config)
    assert bytes_of(tmp_path / "dataset") != first
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_file_url_is_a_path(videos: Path, tmp_path: Path) -> None:
    plan, config = a_plan(videos, 3)
    publish(plan, str(tmp_path / "one"), config)
    publish(plan, f"file://{tmp_path}/other one/", config)
    assert bytes_of(tmp_path / "other one") == bytes_of(tmp_path / "one")


def test_named_versions_outlive_the_dataset_beside_them(videos: Path, tmp_path: Path) -> None:
    plan, config = a_plan(videos, 4)
    publish(plan, str(tmp_path / "dataset"), config)
    publish(plan, str(tmp_path / "dataset" / "v2"), config)
    version = bytes_of(tmp_path / "dataset" / "v2")
    publish(a_plan(videos, 5)[0], str(tmp_path / "dataset"), config)
    assert bytes_of(tmp_path / "dataset" / "v2") == version


def test_where_there_are_no_hard_links_files_are_copied(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    plan, config = a_plan(videos, 4, hashed=True)
    for name in ("dataset", "dataset/v2"):
        publish(plan, str(tmp_path / name), config)
    before = bytes_of(tmp_path / "dataset")
    monkeypatch.setattr("stages.split.shards._written", None)  # nothing is written anew
    publish(plan, str(tmp_path / "dataset"), config)
    assert bytes_of(tmp_path / "dataset") == before
    assert any(path.startswith("v2/") for path in before)


def test_a_dataset_is_on_disk_before_it_gets_its_name(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, named = Path.rename, []
    with recorded(monkeypatch) as synced:

        def renamed(self: Path, target: Path) -> Path:
            assert {one.stat().st_ino for one in (self, *self.rglob("*"))} <= synced
            named.append(target.name)
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", renamed)
        plan, config = a_plan(videos, 3)
        publish(plan, str(tmp_path / "dataset"), config)
        assert named == ["dataset"]
        assert tmp_path.stat().st_ino in synced


def test_an_empty_plan_is_an_empty_dataset(tmp_path: Path) -> None:
    manifest = publish(plan_of([], [], []), str(tmp_path / "dataset"), SplitConfig())
    assert [file["path"] for file in manifest["files"]] == [
        "README.md",
        "llamafactory/dataset_info.json",
        "motion.svg",
    ]
    assert manifest["warnings"] == ["SFT has no rows", "DPO has no rows"]
