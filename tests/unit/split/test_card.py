"""The dataset card."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard

from stages.split.card import pinned
from stages.split.format import FORMATS
from stages.split.publish import publish
from stages.split.settings import SplitConfig
from tests.plans import a_plan
from tests.tables import annotation, clip, plan_of, question, score


def test_the_card_has_a_header_that_hugging_face_knows(dataset: Path) -> None:
    from datasets.utils.metadata import MetadataConfigs

    hub = DatasetCard.load(dataset / "README.md").data
    assert hub.pretty_name == "MotionVid-QA"
    configs = MetadataConfigs.from_dataset_card_data(hub)
    assert set(configs) == {"sft", "dpo", "preview"}
    assert configs.get_default_config_name() == "sft"
    _, header, body = (dataset / "README.md").read_text().split("---\n", 2)
    metadata = yaml.safe_load(header)
    assert metadata["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in metadata["configs"]] == ["sft", "dpo", "preview"]
    assert "| set | 12 | CC-BY-4.0 |" in body


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


def test_the_card_says_what_each_format_that_was_written_is_for(
    dataset: Path, videos: Path, tmp_path: Path
) -> None:
    card = (dataset / "README.md").read_text()
    for kind in FORMATS:
        assert f"| `{kind.folder}/` | {kind.purpose} |\n" in card
    plan, config = a_plan(videos, 3, formats=["trl"])
    publish(plan, str(tmp_path / "dataset"), config)
    card = (tmp_path / "dataset/README.md").read_text()
    assert [kind.name for kind in FORMATS if f"`{kind.folder}/`" in card] == ["trl"]


def test_clips_that_are_left_out_are_counted(videos: Path, tmp_path: Path) -> None:
    def said(*gone: int) -> str:
        folder = tmp_path / f"{len(gone)} gone"
        shutil.copytree(videos, folder / "videos")
        plan, config = a_plan(folder / "videos")
        for n in gone:
            (folder / "videos" / f"clip {n} é.MP4").unlink()
        publish(plan, str(folder / "dataset"), config)
        card = (folder / "dataset/README.md").read_text()
        return "".join(line for line in card.splitlines() if "left out" in line)

    assert said() == ""
    assert said(0).startswith("- 1 clip is left out because")
    assert said(0, 1).startswith("- 2 clips are left out because")


def card_of(folder: Path, *asked: dict[str, Any], **settings: Any) -> str:
    """The card of a dataset of two clips with these questions."""
    models = settings.pop("models", [("mllm", "kinematic 1"), ("baseline", "kinematic 1")])
    files = sorted((folder / "videos").iterdir())
    plan = plan_of(
        [clip(i, uri=str(file)) for i, file in zip("ab", files, strict=False)],
        [score("a"), score("b", camera_motion=[], object_motion=0.0, duration_s=12.0)],
        [annotation(i, *(asked or [question()]), models=models) for i in "ab"],
        **settings,
    )
    made = {"annotations": {"frames.count": 16, "prompt.object": "spotlight", "prompt.camera": "motion_blur"}}
    publish(replace(plan, made=made), str(folder / "dataset"), SplitConfig(**settings))
    return (folder / "dataset/README.md").read_text()


@pytest.fixture
def folder(videos: Path, tmp_path: Path) -> Path:
    (tmp_path / "videos").symlink_to(videos)
    return tmp_path


def test_a_template_is_not_called_a_model_of_language(folder: Path) -> None:
    card = card_of(folder)
    made = card.split("## How it was made")[1].split("## Licenses")[0]
    assert "Answers come from a template, `kinematic 1`" in made
    assert "MLLM" not in card
    assert "visual prompt" not in made
    assert "a spotlight" not in made


def test_a_model_is_named_with_what_it_saw(folder: Path) -> None:
    card = card_of(folder, models=[("mllm", "openai qwen | 7b"), ("vqascore", "clip_flant5 xxl")])
    made = card.split("## How it was made")[1].split("## Licenses")[0]
    assert "Answers are by `openai qwen | 7b`, which saw 16 frames of the clip, as [MotionSight]" in made
    assert (
        "a spotlight on what moves for questions about objects, motion blur for those about the camera"
        in made
    )
    assert "was scored by `clip_flant5 xxl`" in made
    assert "template" not in made


@pytest.mark.parametrize("title", ["Streets", 'a: "b" # c', "rule ---", "-", "[x](y)", "two\nlines"])
def test_any_title_will_do(folder: Path, title: str) -> None:
    card = card_of(folder, title=title)
    own = " ".join(title.split())
    assert f"\n# {own}\n" in card
    for text in (card, pinned(card, ["sft/train-00000-of-00001.parquet"])):
        assert DatasetCard(text).data.pretty_name == own
        assert text.endswith(card[card.index(f"\n# {own}\n") :])


def test_a_title_under_its_former_name() -> None:
    assert SplitConfig.model_validate({"name": "Streets"}).title == "Streets"


def test_every_column_is_in_the_table_and_the_examples_are_rows_of_the_files(dataset: Path) -> None:
    card = (dataset / "README.md").read_text()
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", card, re.DOTALL)]
    assert len(blocks) == 2
    for tier, example in zip(("sft", "dpo"), blocks, strict=True):
        rows = [row for path in dataset.glob(f"{tier}/*.parquet") for row in pq.read_table(path).to_pylist()]
        assert example in rows
        for name in rows[0]:
            assert re.search(rf"^\| `{name}` \|.*\| \S.* \|$", card, re.MULTILINE)


def test_the_motion_is_counted_in_words_and_in_a_picture(folder: Path) -> None:
    card = card_of(folder)
    assert "| Clips by camera motion (a clip may have several) | pan left: 1, not certain: 1 |" in card
    assert "% of the frame diagonal per second | under 0.5: 1, 0.5 to 1: 0, 1 to 2: 0, 2 to 5: 1 |" in card
    assert "| Clips by length, seconds | 2 to 5: 1, 5 to 10: 0, 10 to 20: 1 |" in card
    assert "| Questions by what they are about | camera: 2 |" in card
    picture = ElementTree.parse(folder / "dataset/motion.svg").getroot()
    texts = [element.text for element in picture.iter() if element.text and element.text.strip()]
    assert {"pan left", "not certain", "Clips by length, seconds"} <= set(texts)
    assert "](motion.svg)" in card


def test_what_became_of_the_clips_and_of_the_answers(folder: Path) -> None:
    card = card_of(folder, question(), question("Which way?", motion_check=0.0), preference_share=0.0)
    assert "| 2 | in `sft` |" in card
    assert "Answers that did not pass were dropped: 2 by `motion_check_min`." in card
