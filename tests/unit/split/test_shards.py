"""Parquet files, tars and indexes: every row is in one, with its video, where the index says."""

import itertools
import json
import shutil
import tarfile
from pathlib import Path

import av
import pandas as pd
import pytest

from stages.split.publish import publish
from stages.split.settings import SplitConfig
from tests import clocks
from tests.plans import a_plan, bytes_of
from tests.tables import annotation, clip, plan_of, question, score


def test_webdataset_gives_the_source_bytes_and_all_rows_of_a_clip(dataset: Path, videos: Path) -> None:
    import webdataset

    tars = sorted(str(path) for path in dataset.glob("sft/*.tar"))
    samples = {s["__key__"]: s for s in webdataset.WebDataset(tars, shardshuffle=False, empty_check=False)}
    sft = pd.concat(pd.read_parquet(path) for path in dataset.glob("sft/*.parquet"))
    assert samples.keys() == set(sft["clip_id"])
    for n in range(12):
        sample = samples[f"{n:016x}"]
        assert sample["mp4"] == (videos / f"clip {n} é.MP4").read_bytes()
        content = json.loads(sample["json"])
        assert {qa["id"] for qa in content["qa"]} == set(sft["id"][sft["clip_id"] == sample["__key__"]])


def test_tars_depend_on_their_contents_alone(dataset: Path) -> None:
    for path in dataset.glob("*/*.tar"):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
        assert {(m.mode, m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {
            (0o644, 0, 0, "", "", 0)
        }
        keys = [Path(m.name).stem for m in members]
        assert keys == sorted(keys)
        assert [Path(m.name).suffix for m in members] == [".mp4", ".json"] * (len(members) // 2)


def test_webdataset_shuffles_with_two_workers_and_loses_nothing(dataset: Path) -> None:
    import webdataset

    tars = sorted(str(path) for path in dataset.glob("sft/*.tar"))
    shuffled = webdataset.WebDataset(tars, shardshuffle=len(tars), seed=1).shuffle(100)
    keys = [key for (key,) in webdataset.WebLoader(shuffled.to_tuple("__key__"), num_workers=2, batch_size=1)]
    assert sorted(itertools.chain.from_iterable(keys)) == [f"{n:016x}" for n in range(12)]


def test_the_index_says_where_in_the_tars_a_clip_is(dataset: Path, videos: Path) -> None:
    index = pd.concat(pd.read_parquet(path) for path in dataset.glob("index/*.parquet"))
    assert len(index) == 12 + 3
    for row in index.to_dict("records"):
        with (dataset / row["tar"]).open("rb") as tar:
            tar.seek(row["offset"])
            n = int(row["clip_id"], 16)
            assert tar.read(row["size"]) == (videos / f"clip {n} é.MP4").read_bytes()
            tar.seek(row["json_offset"])
            assert json.loads(tar.read(row["json_size"]))["clip_id"] == row["clip_id"]
        assert row["tar"].startswith(f"{row['tier']}/{row['split']}-")


def test_a_shot_of_a_longer_video_is_cut_out(videos: Path, tmp_path: Path) -> None:
    rows = [
        clip("a", uri=str(videos / "clip 0 é.MP4"), start_s=0.3, end_s=0.6),
        clip("b", uri=str(videos / "clip 1 é.MP4")),
    ]
    plan = plan_of(
        rows, [score(i) for i in "ab"], [annotation(i, question()) for i in "ab"], preference_share=0
    )
    publish(plan, str(tmp_path / "dataset"), SplitConfig(preference_share=0))
    for path in (tmp_path / "dataset/sft").glob("*.tar"):
        with tarfile.open(path) as tar:
            tar.extractall(tmp_path / "out", filter="data")
    with av.open(str(tmp_path / "out/a.mp4")) as container:
        levels = [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]
    assert abs(levels[0] - 15) < 3
    assert max(levels) < 28


def test_a_shot_that_cannot_be_copied_is_encoded_again_and_the_manifest_says_so(tmp_path: Path) -> None:
    source = str(clocks.plain(tmp_path / "a.avi", bf="3"))  # without presentation times
    rows = [clip("a", uri=source, start_s=0.5, end_s=1.5), clip("b", uri=source)]
    plan = plan_of(
        rows, [score(i) for i in "ab"], [annotation(i, question()) for i in "ab"], preference_share=0
    )
    for _ in range(2):  # the second time, nothing is written anew
        manifest = publish(plan, str(tmp_path / "dataset"), SplitConfig(preference_share=0))
        assert [i for file in manifest["files"] for i in file.get("encoded", [])] == ["a"]
    (tar,) = (tmp_path / "dataset/sft").glob("*.tar")
    with tarfile.open(tar) as archive:
        archive.extract("a.mp4", tmp_path, filter="data")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 24


def test_a_missing_video_is_named_and_leaves_no_row(videos: Path, tmp_path: Path) -> None:
    shutil.copytree(videos, tmp_path / "videos")
    plan, config = a_plan(tmp_path / "videos")
    (tmp_path / "videos" / "clip 0 é.MP4").unlink()
    manifest = publish(plan, str(tmp_path / "dataset"), config)
    assert [(m["clip_id"], "no such file" in m["reason"]) for m in manifest["missing"]] == [
        (f"{0:016x}", True)
    ]
    assert "0000000000000000" not in "".join(
        str(pd.read_parquet(path).to_dict()) for path in (tmp_path / "dataset").rglob("*.parquet")
    )
    assert not any("0000000000000000" in path.read_text() for path in (tmp_path / "dataset").glob("llava/*"))


def test_with_a_fixed_number_of_shards_new_clips_leave_old_rows_where_they_are(
    videos: Path, tmp_path: Path
) -> None:
    def shard_of(count: int) -> dict[str, str]:
        plan, config = a_plan(videos, count, shards=3, preference_share=0.0)
        publish(plan, str(tmp_path / str(count)), config)
        return {
            row: path.name
            for path in (tmp_path / str(count)).glob("sft/*.parquet")
            for row in pd.read_parquet(path)["id"]
        }

    few, many = shard_of(6), shard_of(12)
    assert len(few) == 12
    assert few.items() <= many.items()


def test_more_shards_than_clips_can_be_read(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets
    import webdataset

    plan, config = a_plan(videos, 3, shards=9, preference_share=0.0)
    publish(plan, str(tmp_path / "dataset"), config)
    loaded = datasets.load_dataset(str(tmp_path / "dataset"), "sft", cache_dir=str(tmp_path / "cache"))
    assert sum(part.num_rows for part in loaded.values()) == 6
    tars = sorted(str(path) for path in tmp_path.glob("dataset/sft/*.tar"))
    assert len(list(webdataset.WebDataset(tars, shardshuffle=False, empty_check=False))) == 3


def test_only_what_changed_is_written_again(videos: Path, tmp_path: Path) -> None:
    def inodes() -> dict[str, int]:
        return {str(path.relative_to(tmp_path)): path.stat().st_ino for path in tmp_path.rglob("*-*.[tp]a*")}

    folder = str(tmp_path / "dataset")
    few, config = a_plan(videos, 8, shards=4, hashed=True)
    publish(few, folder, config)
    before = inodes()
    more, config = a_plan(videos, 9, shards=4, hashed=True)
    publish(more, folder, config)
    after = inodes()
    kept = {path for path in before if after.get(path) == before[path]}
    tars = {path for path in before if path.endswith(".tar")}
    assert tars & kept
    assert tars - kept
    fresh = str(tmp_path / "fresh")
    publish(more, fresh, config)
    assert bytes_of(tmp_path / "dataset") == bytes_of(tmp_path / "fresh")


def test_a_damaged_file_is_not_taken_over(videos: Path, tmp_path: Path) -> None:
    plan, config = a_plan(videos, 4, hashed=True)
    publish(plan, str(tmp_path / "dataset"), config)
    whole = bytes_of(tmp_path / "dataset")
    tar = next(tmp_path.glob("dataset/sft/*.tar"))
    tar.write_bytes(tar.read_bytes()[:-512])
    publish(plan, str(tmp_path / "dataset"), config)
    assert bytes_of(tmp_path / "dataset") == whole
