"""What the commands do where the package of an extra is not installed."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from configs.settings import load
from jobs import audit, ingest
from jobs.session import Session
from pipeline.errors import CallError
from pipeline.workspace import Workspace
from stages.models.mllm.openai import OpenAiConfig, OpenAiMllm
from stages.video.frames import Clip, DecodeConfig, Wanted
from tests import videos
from tests.tables import clip, score, table


def session(folder: Path, *overrides: str) -> Session:
    return Session(
        load("embedded", overrides), Workspace(str(folder)), Console(file=io.StringIO(), width=200)
    )


def test_cutting_into_shots_asks_for_its_extra_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    with pytest.raises(CallError, match=r"pip install 'motionsight-distill\[shots\]'"):
        ingest.run(session(tmp_path / "W", "ingest.shots=adaptive"), str(tmp_path / "nothing here"))
    assert not (tmp_path / "W").exists()


def test_the_openai_backend_asks_for_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(CallError, match=r"pip install 'motionsight-distill\[openai\]'"):
        OpenAiMllm(OpenAiConfig(model="m", base_url="http://127.0.0.1:9/v1"))


def test_decord_asks_for_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)
    shown = Clip(str(videos.write(tmp_path / "clip.mp4", 4)))
    with pytest.raises(CallError, match=r"pip install 'motionsight-distill\[decord\]'"):
        shown.read([Wanted([0], (64, 64), False)], DecodeConfig(backend="decord"))


def test_an_audit_without_charts_still_counts_and_says_what_the_page_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    audited = session(tmp_path / "W")
    audited.workspace.create()
    audited.workspace.append("clips", table("clips", [clip("a")]).to_pylist())
    audited.workspace.append("scores", table("scores", [score("a")]).to_pylist())
    assert audit.run(audited) == 0
    assert (tmp_path / "W" / "audit" / "stats.json").is_file()
    assert not (tmp_path / "W" / "audit" / "report.html").exists()
    said = audited.out.file.getvalue()  # type: ignore[attr-defined]
    (line,) = [line for line in said.splitlines() if "pip install" in line]
    assert line.endswith("pip install 'motionsight-distill[report]'")
