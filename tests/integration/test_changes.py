"""Files that change between runs, and failures that are made again."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from rich.console import Console

from configs.settings import load
from jobs import distill, ingest, score, split
from jobs.options import retry_failed
from jobs.session import Session
from pipeline.errors import CallError
from pipeline.workspace import Workspace
from stages.ingest.identity import touched
from tests import videos

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    yield
    ray.shutdown()


def session(folder: Path) -> Session:
    out = Console(file=(folder / "said").open("a"), width=300)
    return Session(load("embedded"), Workspace(str(folder / "work")), out)


def rows(folder: Path, table: str) -> dict[str, dict[str, Any]]:
    """The rows of a table by the name of the clip's file."""
    workspace = Workspace(str(folder / "work"))
    names = {row["clip_id"]: Path(row["uri"]).stem for row in workspace.read("clips").to_pylist()}
    return {names[row["clip_id"]]: row for row in workspace.read(table).to_pylist()}


def test_what_was_made_of_a_changed_file_is_not_published_and_made_anew(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name, pan in (("changed", 0.1), ("touched", 0.15), ("same", 0.05)):
        videos.write(clips / f"{name}.mp4", 36, pan=pan)
    (clips / "repaired.mp4").write_bytes(b"not yet a video")
    distill.run(session(tmp_path), str(clips))
    before = {table: rows(tmp_path, table) for table in ("scores", "annotations")}
    assert before["scores"]["changed"]["camera_motion"] == ["pan_right"]
    assert before["scores"]["repaired"]["error"] == "not_a_video"

    videos.write(clips / "changed.mp4", 36, pan=0.0)
    os.utime(clips / "touched.mp4")
    videos.write(clips / "repaired.mp4", 36, pan=0.08)
    split.run(session(tmp_path), version="between")
    manifest = json.loads((tmp_path / "work/dataset/between/manifest.json").read_text())
    assert [Path(it["uri"]).stem for it in manifest["missing"]] == ["changed"]
    assert "has changed since" in manifest["missing"][0]["reason"]

    distill.run(session(tmp_path), str(clips))
    after = {table: rows(tmp_path, table) for table in ("scores", "annotations")}
    assert after["scores"]["changed"]["camera_motion"] == ["static"]
    assert after["scores"]["repaired"]["error"] is None
    assert after["annotations"].keys() == {"changed", "touched", "same", "repaired"}
    for name in ("touched", "same"):
        assert all(after[table][name] == before[table][name] for table in after)
    assert "missing" in (manifest := json.loads((tmp_path / "work/dataset/manifest.json").read_text()))
    assert not manifest["missing"]
    # Nothing is left to look at again.
    assert not touched(session(tmp_path).workspace.read("clips")).num_rows


def test_failures_are_made_again_and_nothing_else(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    videos.write(clips / "good.mp4", 36)
    videos.write(clips / "short.mp4", 1)
    (clips / "text.mp4").write_bytes(b"no video")
    (tmp_path / "list.csv").write_text(
        "uri\n" + "".join(f"{it}\n" for it in (*clips.iterdir(), clips / "late.mp4"))
    )
    ingest.run(session(tmp_path), str(tmp_path / "list.csv"))
    score.run(session(tmp_path))
    before = rows(tmp_path, "scores")
    assert [before[name]["error"] for name in ("good", "short", "text", "late")] == [
        None,
        "too_few_frames",
        "not_a_video",
        "missing_file",
    ]
    videos.write(clips / "late.mp4", 36)
    # One that is pending, which stays so.
    videos.write(clips / "new.mp4", 30)
    assert ingest.run(session(tmp_path), str(clips / "new.mp4")) == 1
    assert score.run(session(tmp_path), retry_failed(session(tmp_path), "score", "missing_file")) == 1
    after = rows(tmp_path, "scores")
    assert after["late"]["error"] is None
    assert all(after[name] == before[name] for name in ("good", "short", "text"))
    assert score.run(session(tmp_path), retry_failed(session(tmp_path), "score", "all")) == 2
    assert "new" not in rows(tmp_path, "scores")
    assert rows(tmp_path, "scores")["good"] == before["good"]
    with pytest.raises(CallError, match="no error code 'late'"):
        retry_failed(session(tmp_path), "score", "late")
