"""What is sure to fail is refused before any work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import Config, load
from jobs import precheck
from jobs.precheck import ready
from pipeline.errors import CallError
from tests.http_server import Exchange, FakeServer


class Hub(FakeServer):
    """A hub that has one model."""

    def respond(self, exchange: Exchange) -> None:
        if exchange.path.split("?")[0] == "/api/models/org/there":
            exchange.send(200, {"id": "org/there", "modelId": "org/there", "siblings": []})
        else:
            exchange.send(404, {"error": "Repository not found"})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with Hub() as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url.removesuffix("/v1"))
        monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", server.url.removesuffix("/v1"), raising=False)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        yield


def lacking(config: Config, *steps: str) -> list[str]:
    """What is missing, a line each."""
    try:
        ready(config, config.backends(), steps)
    except CallError as error:
        return str(error).splitlines()[1:]
    return []


def test_the_embedded_profile_can_run_here() -> None:
    assert not lacking(load("embedded"), "score", "annotate")


@pytest.mark.parametrize(("there", "missing"), [(0, 3), (1, 1), (8, 0)])
def test_gpus_that_are_not_there_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, there: int, missing: int
) -> None:
    monkeypatch.setattr(precheck, "gpus_here", lambda: there)
    gpus = [line for line in lacking(load("motionvid_qa"), "score", "annotate") if "engine: GPUs" in line]
    assert len(gpus) == missing
    assert all(f"this machine has {there}; lower " in line for line in gpus)


def test_of_a_cluster_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert not lacking(load("motionvid_qa"), "score", "annotate")


def test_a_key_is_missed_only_where_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for address, needed in (("https://api.example.com/v1", True), ("http://127.0.0.1:1/v1", False)):
        found = lacking(load("openai", [f"mllm.base_url={address}", "mllm.model=m"]), "annotate")
        assert len(found) == needed
        assert all("no key for api.example.com" in line for line in found)
        monkeypatch.setenv("OPENAI_API_KEY", "word")
        assert not lacking(load("openai", [f"mllm.base_url={address}", "mllm.model=m"]), "annotate")
        monkeypatch.delenv("OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("model", "found"),
    [("/no/such/folder", "no such folder"), ("org/gone", "not in the cache"), ("org/there", None)],
)
@pytest.mark.usefixtures("hub")
def test_weights_may_come_from_the_hub_if_it_has_them(model: str, found: str | None) -> None:
    config = load("embedded", [f"detector={{backend: grounding_dino, model: {model}}}"])
    lines = [line for line in lacking(config, "annotate") if line.strip().startswith("detector: weights")]
    assert len(lines) == (found is not None)
    assert all(f"{model}: {found}; " in line for line in lines)
