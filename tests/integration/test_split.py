"""The shards of a dataset, written by real Ray workers."""

import hashlib
from pathlib import Path

import pytest

from configs.settings import load
from jobs import split
from jobs.session import Session
from pipeline.errors import RunError
from pipeline.workspace import Workspace
from tests import videos
from tests.plans import bytes_of
from tests.tables import annotation, clip, question, score

pytestmark = [pytest.mark.ray, pytest.mark.slow]

IDS = [f"{n:016x}" for n in range(30)]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A workspace whose dataset has more shards than are written in the driver."""
    video = videos.write(tmp_path / "clip.mp4", 6)
    digest = hashlib.sha256(video.read_bytes()).hexdigest()
    workspace = Workspace(str(tmp_path / "W"))
    workspace.append("clips", [clip(i, uri=str(video), sha256=digest) for i in IDS])
    workspace.append("scores", [score(i) for i in IDS])
    workspace.append("annotations", [annotation(i, question()) for i in IDS])
    overrides = ["split.shards=4", "split.shares={train: 0.4, validation: 0.3, test: 0.3}"]
    return Session(load("embedded", overrides), workspace)


def contents(session: Session) -> dict[str, bytes]:
    return bytes_of(Path(session.workspace.root, "dataset"))


def test_workers_write_the_bytes_that_one_process_writes(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    split.run(session)
    spread = contents(session)
    assert sum(path.endswith(".tar") for path in spread) > split.FEW_SHARDS
    monkeypatch.setattr(split, "FEW_SHARDS", 99)
    split.run(session, version="alone")
    alone = {f"alone/{path}": data for path, data in spread.items()}
    assert contents(session) == spread | alone


def test_a_worker_that_cannot_write_ends_the_command_and_keeps_the_dataset(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(split, "FEW_SHARDS", 99)
        split.run(session)
    before = contents(session)
    session.config.split.seed = 1
    monkeypatch.setattr("stages.split.publish.INDEX_FOLDER", "elsewhere")
    with pytest.raises(RunError, match=r"cannot write the dataset in .*No such file.*is unchanged"):
        split.run(session)
    assert contents(session) == before
