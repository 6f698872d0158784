import hashlib
import itertools
import json
import shutil
import tarfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import jsonschema
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from stages.split.plan import Plan, SplitConfig
from stages.split.publish import ExportError, publish
from tests import tiny
from tests.tables import annotation, clip, plan_of, question, score

UNICODE = 'Où va “la caméra” ? 🎥\n| "quoted" \\'


def video(path: Path, brightness: int = 100) -> bytes:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(10):
            picture = np.full((48, 64, 3), brightness + 5 * n, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for n in range(12):
        video(folder / f"clip {n} é.MP4", 10 * n)
    return folder


def a_plan(videos: Path, count: int = 12, hashed: bool = False, **settings: Any) -> tuple[Plan, SplitConfig]:
    """Every clip has one question that makes a pair and one that does not; a quarter is preference data."""
    ids = [f"{n:016x}" for n in range(count)]
    settings = {
        "preference_share": 0.25,
        "rows_per_shard": 5,
        "shares": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "licences": {"set": "CC-BY-4.0"},
        "seed": 3,
    } | settings
    plan = plan_of(
        [
            clip(i, uri=str(videos / f"clip {n} é.MP4"), sha256=i * 4 if hashed else None)
            for n, i in enumerate(ids)
        ],
        [score(i) for i in ids],
        [annotation(i, question(), question(UNICODE, category="both", baseline_check=None)) for i in ids],
        **settings,
    )
    return plan, SplitConfig(**settings)


@pytest.fixture(scope="module")
def dataset(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace") / "dataset"
    plan, config = a_plan(videos)
    publish(plan, str(folder), config, {"config_fingerprint": "abc"})
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


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


def test_trl_prepares_its_rows_with_a_processor_s_chat_template(dataset: Path, tmp_path: Path) -> None:
    import datasets
    from transformers import AutoProcessor
    from trl.data_utils import apply_chat_template, is_conversational

    processor = AutoProcessor.from_pretrained(tiny.qwen2_5_vl(tmp_path / "tiny"))
    for path in dataset.glob("trl/*.parquet"):
        rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
        for row in rows:
            assert is_conversational(row)
            made = apply_chat_template(row, processor)
            asked = made.get("prompt") or made["text"]
            assert asked.count("<|video_pad|>") == len(row["videos"]) == 1
            if "messages" in row:
                assert row["messages"][-1]["content"][0]["text"] in made["text"]
            else:
                for side in ("chosen", "rejected"):
                    assert made[side].startswith(row[side][0]["content"][0]["text"])
                    assert "<|video_pad|>" not in made[side]


def test_webdataset_gives_the_source_bytes_and_all_rows_of_a_clip(dataset: Path, videos: Path) -> None:
    import webdataset

    tars = sorted(str(path) for path in dataset.glob("sft/*.tar"))
    samples = {s["__key__"]: s for s in webdataset.WebDataset(tars, shardshuffle=False, empty_check=False)}
    sft = pd.concat(pd.read_parquet(path) for path in dataset.glob("sft/*.parquet"))
    assert samples.keys() == set(sft["clip_id"])
    for n in range(12):
        sample = samples[f"{n:016x}"]
        assert sample["mp4"] == (videos / f"clip {n} é.MP4").read_bytes()
        told = json.loads(sample["json"])
        assert {qa["id"] for qa in told["qa"]} == set(sft["id"][sft["clip_id"] == sample["__key__"]])


def test_llava_and_trl_files_name_videos_that_are_in_the_tars(dataset: Path) -> None:
    members = set()
    for path in dataset.glob("*/*.tar"):
        with tarfile.open(path) as tar:
            members |= {name for name in tar.getnames() if not name.endswith("json")}
    sft = json.loads((dataset / "llava/sft.json").read_text())
    assert {row["id"] for row in sft} == set(
        itertools.chain.from_iterable(pd.read_parquet(p)["id"] for p in dataset.glob("sft/train-*.parquet"))
    )
    assert [turn["from"] for turn in sft[0]["conversations"]] == ["human", "gpt"]
    assert sft[0]["conversations"][0]["value"].startswith("<video>\n")
    named = {row["video"] for path in dataset.glob("llava/*.json") for row in json.loads(path.read_text())}
    named |= {
        v for path in dataset.glob("trl/*.parquet") for row in pd.read_parquet(path)["videos"] for v in row
    }
    assert named == members
    dpo = [row for path in dataset.glob("llava/dpo*.json") for row in json.loads(path.read_text())]
    assert {frozenset(row) for row in dpo} == {frozenset(("id", "video", "prompt", "chosen", "rejected"))}


LLAVA = {
    "sft": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "video": {"type": "string"},
            "conversations": {
                "type": "array",
                "minItems": 2,
                "items": {
                    "type": "object",
                    "properties": {"from": {"enum": ["human", "gpt"]}, "value": {"type": "string"}},
                    "required": ["from", "value"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["id", "video", "conversations"],
    },
    "dpo": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "video": {"type": "string"},
            "prompt": {"type": "string", "pattern": "^<video>\\n"},
            "chosen": {"type": "string"},
            "rejected": {"type": "string"},
        },
        "required": ["id", "video", "prompt", "chosen", "rejected"],
    },
}


def test_llava_files_have_the_form_that_qwen2_vl_finetune_reads(dataset: Path) -> None:
    for path in dataset.glob("llava/*.json"):
        for row in json.loads(path.read_text()):
            jsonschema.validate(row, LLAVA[path.stem.split("-")[0]])


def test_llama_factory_finds_its_files_columns_and_one_video_token_each(dataset: Path) -> None:
    folder = dataset / "llamafactory"
    info = json.loads((folder / "dataset_info.json").read_text())
    assert {told["file_name"] for told in info.values()} == {
        path.name for path in folder.iterdir() if path.name != "dataset_info.json"
    }
    for name, told in info.items():
        assert told["formatting"] == "sharegpt"
        pairs = "dpo" in name
        assert told.get("ranking", False) is pairs
        for row in json.loads((folder / told["file_name"]).read_text()):
            assert set(told["columns"].values()) == set(row)
            turns = row["conversations"]
            assert [turn["from"] for turn in turns] == (["human"] if pairs else ["human", "gpt"])
            assert turns[0]["value"].count("<video>") == len(row["videos"]) == 1
            assert not pairs or row["chosen"]["value"] != row["rejected"]["value"]


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


def test_webdataset_shuffles_with_two_workers_and_loses_nothing(dataset: Path) -> None:
    import webdataset

    tars = sorted(str(path) for path in dataset.glob("sft/*.tar"))
    shuffled = webdataset.WebDataset(tars, shardshuffle=len(tars), seed=1).shuffle(100)
    keys = [key for (key,) in webdataset.WebLoader(shuffled.to_tuple("__key__"), num_workers=2, batch_size=1)]
    assert sorted(itertools.chain.from_iterable(keys)) == [f"{n:016x}" for n in range(12)]


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


def test_named_versions_outlive_the_dataset_beside_them(videos: Path, tmp_path: Path) -> None:
    plan, config = a_plan(videos, 4)
    publish(plan, str(tmp_path / "dataset"), config)
    publish(plan, str(tmp_path / "dataset" / "v2"), config)
    version = bytes_of(tmp_path / "dataset" / "v2")
    publish(a_plan(videos, 5)[0], str(tmp_path / "dataset"), config)
    assert bytes_of(tmp_path / "dataset" / "v2") == version


def test_no_clip_is_in_two_splits_of_the_files(dataset: Path) -> None:
    seen: dict[str, set[str]] = {}
    for path in [*dataset.glob("sft/*.parquet"), *dataset.glob("dpo/*.parquet")]:
        for clip_id in pd.read_parquet(path)["clip_id"]:
            seen.setdefault(clip_id, set()).add(path.name.split("-")[0])
    assert all(len(splits) == 1 for splits in seen.values())


def test_the_card_has_a_header_that_hugging_face_knows(dataset: Path) -> None:
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    hub = DatasetCard.load(dataset / "README.md").data
    assert hub.pretty_name == "MotionVid-QA"
    assert set(MetadataConfigs.from_dataset_card_data(hub)) == {"sft", "dpo"}
    _, header, body = (dataset / "README.md").read_text().split("---\n", 2)
    told = yaml.safe_load(header)
    assert told["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in told["configs"]] == ["sft", "dpo"]
    assert "| set | 12 | CC-BY-4.0 |" in body


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
    assert "1 clips are left out" in (tmp_path / "dataset/README.md").read_text()


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


def test_an_empty_plan_is_an_empty_dataset(tmp_path: Path) -> None:
    manifest = publish(plan_of([], [], []), str(tmp_path / "dataset"), SplitConfig())
    assert [file["path"] for file in manifest["files"]] == ["README.md", "llamafactory/dataset_info.json"]
    assert manifest["warnings"] == ["SFT has no rows", "DPO has no rows"]


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


def test_odd_sources_do_not_break_the_card(videos: Path, tmp_path: Path) -> None:
    rows = [
        clip("a", uri=str(videos / "clip 0 é.MP4"), source="x | y\n{z}"),
        clip("b", uri=str(videos / "clip 1 é.MP4")),
    ]
    rows[1]["source"] = None
    plan = plan_of(rows, [score(i) for i in "ab"], [annotation(i, question()) for i in "ab"])
    publish(plan, str(tmp_path / "dataset"), SplitConfig())
    card = (tmp_path / "dataset/README.md").read_text()
    assert "| x \\| y {z} | 1 | unknown |" in card
    assert "| unknown | 1 | unknown |" in card


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
