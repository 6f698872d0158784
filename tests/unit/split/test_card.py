"""The dataset card."""

import shutil
from pathlib import Path

import yaml

from stages.split.format import FORMATS
from stages.split.publish import publish
from stages.split.settings import SplitConfig
from tests.plans import a_plan
from tests.tables import annotation, clip, plan_of, question, score


def test_the_card_has_a_header_that_hugging_face_knows(dataset: Path) -> None:
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    hub = DatasetCard.load(dataset / "README.md").data
    assert hub.pretty_name == "MotionVid-QA"
    assert set(MetadataConfigs.from_dataset_card_data(hub)) == {"sft", "dpo"}
    _, header, body = (dataset / "README.md").read_text().split("---\n", 2)
    metadata = yaml.safe_load(header)
    assert metadata["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in metadata["configs"]] == ["sft", "dpo"]
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
