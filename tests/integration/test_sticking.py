"""A dataset keeps the settings that it was published with, command by command."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.workspace import Workspace
from tests import videos
from tests.cli import motionsight
from tests.tables import annotation, clip, question, score

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Clips of different flow, scored and annotated."""
    video = videos.write(tmp_path / "clip.mp4", 6)
    workspace = Workspace(str(tmp_path / "W"))
    ids = [f"{n:016x}" for n in range(6)]
    workspace.append("clips", [clip(i, uri=str(video), sha256=None) for i in ids])
    workspace.append("scores", [score(i, flow_mean=0.1 * n) for n, i in enumerate(ids)])
    workspace.append("annotations", [annotation(i, question()) for i in ids])
    return workspace


def told(command: str, workspace: Workspace, *words: str, code: int = 0) -> str:
    done = motionsight(command, "--output", workspace.root, *words)
    assert done.returncode == code, done.stderr
    return " ".join((done.stdout + done.stderr).split())


def rows(workspace: Workspace) -> int:
    manifest: dict[str, Any] = json.loads(workspace.read_bytes("dataset", "manifest.json") or b"")
    return sum(sum(part.values()) for part in manifest["rows"].values())


def test_a_gate_that_was_tightened_stays(workspace: Workspace) -> None:
    assert "no dataset is published yet" in told("audit", workspace)
    told("split", workspace, "--set", "gates.flow_min=0.25")
    assert rows(workspace) == 3

    again = told("split", workspace)
    assert "as in the published dataset: gates.flow_min=0.25" in again
    assert "nothing to do" in again
    audit = told("audit", workspace)
    assert "the published dataset is what these tables and settings give" in audit
    assert "flow_min 3" in audit

    what_if = told("audit", workspace, "--set", "gates.flow_min=0.15")
    assert "gates.flow_min is now 0.15; the dataset was published with 0.25" in what_if
    assert "motionsight split would change its rows: added 1" in what_if
    assert rows(workspace) == 3

    back = told("split", workspace, "--yes")
    assert "the dataset was published with 0.25" in back
    assert rows(workspace) > 3


def test_a_file_of_settings_is_a_change_of_the_profile_that_it_extends(
    workspace: Workspace, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("gates: {flow_min: 0.25}\n")
    assert "with a line `extends: embedded` they would be" in told("split", workspace, "--config", str(mine))
    mine.write_text("extends: embedded\ngates: {flow_min: 0.35}\n")
    edited = told("split", workspace, "--config", str(mine))
    assert "extends" not in edited
    assert "gates.flow_min is now 0.35; the dataset was published with 0.25" in edited
    assert rows(workspace) == 2
    assert "nothing to do" in told("split", workspace)
