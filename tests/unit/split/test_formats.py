"""A format is one file; each trainer's files have the form that the trainer reads."""

import itertools
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from stages.split import formats
from stages.split.format import FORMATS
from stages.split.publish import folders, publish
from tests import tiny
from tests.plans import a_plan, bytes_of

PLAIN = """
from stages.split.format import Format


class Plain(Format):
    name = "plain"
    folder = "plain"
    purpose = "people who read"

    def files(self, tier, split, rows):
        return {f"{tier}-{split}.txt": "".join(row["question"] + "\\n" for row in rows).encode()}
"""


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another format, declared in a file of the package."""
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "plain.py").write_text(PLAIN)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path / "formats")])
    vars(FORMATS).pop("_found", None)
    yield
    vars(FORMATS).pop("_found", None)
    sys.modules.pop("stages.split.formats.plain", None)


@pytest.mark.usefixtures("plain")
def test_a_new_format_is_one_file_and_nothing_else(videos: Path, tmp_path: Path) -> None:
    plan, config = a_plan(videos, 6, formats=["plain"])
    manifest = publish(plan, str(tmp_path / "dataset"), config)
    rows = {file["path"]: file["rows"] for file in manifest["files"] if file["path"].startswith("plain/")}
    assert rows == {
        f"plain/{tier}-{split}.txt": count
        for tier, splits in manifest["rows"].items()
        for split, count in splits.items()
        if count
    }
    assert "How does the camera move?\n" in (tmp_path / "dataset/plain/sft-train.txt").read_text()
    assert "| `plain/` | people who read |" in (tmp_path / "dataset/README.md").read_text()
    assert "plain" in folders()


def test_without_a_choice_every_format_is_written(videos: Path, tmp_path: Path) -> None:
    def published(chosen: list[str] | None) -> dict[str, bytes]:
        plan, config = a_plan(videos, 4, formats=chosen)
        publish(plan, str(tmp_path / "dataset"), config)
        return bytes_of(tmp_path / "dataset")

    every = published(None)
    assert published(list(FORMATS.names)) == every
    of_trl = {path for path in every if path.startswith("trl/")}
    of_all = {path for path in every if path.split("/")[0] in FORMATS.names}
    assert of_trl < of_all
    assert published(["trl"]).keys() == every.keys() - of_all | of_trl
    assert published([]).keys() == every.keys() - of_all


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
    assert {entry["file_name"] for entry in info.values()} == {
        path.name for path in folder.iterdir() if path.name != "dataset_info.json"
    }
    for name, entry in info.items():
        assert entry["formatting"] == "sharegpt"
        pairs = "dpo" in name
        assert entry.get("ranking", False) is pairs
        for row in json.loads((folder / entry["file_name"]).read_text()):
            assert set(entry["columns"].values()) == set(row)
            turns = row["conversations"]
            assert [turn["from"] for turn in turns] == (["human"] if pairs else ["human", "gpt"])
            assert turns[0]["value"].count("<video>") == len(row["videos"]) == 1
            assert not pairs or row["chosen"]["value"] != row["rejected"]["value"]


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
