"""What a command says of a table whose rows come from elsewhere than before."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from configs.settings import load
from jobs import session as module
from jobs.session import Session
from pipeline.errors import CallError
from pipeline.schema import empty_row
from pipeline.workspace import Workspace


def bound(folder: Path, *overrides: str) -> str:
    """Bind the annotations of a workspace, which has some from then on; what was said."""
    out, workspace = Console(file=io.StringIO(), width=500), Workspace(str(folder))
    Session(load(None, overrides), workspace, out).bind("annotations")
    workspace.append("annotations", [empty_row("annotations") | {"clip_id": "a"}])
    return out.file.getvalue()  # type: ignore[attr-defined]


def endpoint(address: str, model: str = "m") -> str:
    return f"mllm={{backend: openai, model: {model}, base_url: '{address}'}}"


def test_another_host_with_the_same_model_goes_on_and_is_mentioned_once(tmp_path: Path) -> None:
    assert bound(tmp_path, endpoint("http://one:1/v1")) == ""
    assert "mllm.base_url was http://one:1/v1, is now http://two:2/v1" in bound(
        tmp_path, endpoint("http://two:2/v1")
    )
    assert bound(tmp_path, endpoint("http://two:2/v1")) == ""


def test_another_model_is_refused(tmp_path: Path) -> None:
    bound(tmp_path, endpoint("http://one:1/v1"))
    with pytest.raises(CallError, match=r"mllm\.model was 'm', is now 'other'"):
        bound(tmp_path, endpoint("http://one:1/v1", "other"))


def test_another_version_of_the_package_goes_on_and_is_mentioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, said in (("1.0", ""), ("1.1", "was 1.0, is now 1.1")):
        monkeypatch.setattr(module, "versions", lambda version=version: {module.PACKAGES[0]: version})
        assert said in bound(tmp_path)


def test_a_key_in_an_address_is_not_kept(tmp_path: Path) -> None:
    bound(tmp_path, endpoint("http://user:secret@one:1/v1?key=secret"))
    assert not any("secret" in path.read_text() for path in tmp_path.glob("*.json"))
