"""`motionsight split` in an object store."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from configs.settings import load
from jobs import split
from jobs.session import Session
from pipeline.errors import RunError
from pipeline.workspace import Workspace
from stages.split.staging import StoredDataset
from tests import objectstore, videos
from tests.objectstore import BUCKET
from tests.tables import annotation, clip, question, score

IDS = [f"{n:016x}" for n in range(3)]


def failing(*_: object) -> None:
    raise OSError("no space")


def test_a_dataset_that_was_not_quite_finished_is_finished_rather_than_taken_for_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = str(videos.write(tmp_path / "clip.mp4", 6))
    with objectstore.serving() as s3:
        workspace = Workspace(f"s3://{BUCKET}/W")
        workspace.append("clips", [clip(i, uri=video) for i in IDS])
        workspace.append("scores", [score(i) for i in IDS])
        workspace.append("annotations", [annotation(i, question()) for i in IDS])
        session = Session(load("embedded"), workspace, Console(file=io.StringIO(), width=200))

        def files() -> set[str]:
            manifest = json.loads(s3.get("W/dataset/manifest.json"))
            return {file["path"] for file in manifest["files"]}

        with monkeypatch.context() as patched:
            patched.setattr(StoredDataset, "replace", failing)
            with pytest.raises(RunError, match=r"no space; .* previous one or the new one .* run the same"):
                split.run(session)
        with monkeypatch.context() as patched:
            patched.setattr(StoredDataset, "_finish", lambda *_: None)
            split.run(session)
        assert all(path.startswith(".new/") for path in files())
        split.run(session)
        assert isinstance(session.out.file, io.StringIO)
        assert "nothing to do" in session.out.file.getvalue()
        there = {key.removeprefix("W/dataset/") for key in s3.keys("W/dataset/") if not key.endswith("/")}
        assert files() == there - {"manifest.json"}
