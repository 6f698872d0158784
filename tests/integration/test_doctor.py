import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import load
from jobs.doctor import Finding, examine
from tests.cli import motionsight
from tests.http_server import Exchange, FakeServer


def findings(name: str, *overrides: str, folder: str = "weights") -> dict[tuple[str, str], Finding]:
    return {
        (one.part, one.what): one for one in examine(load(name, ("quality.metric=null", *overrides)), folder)
    }


class Models(FakeServer):
    """An endpoint that has the model `here`, for those with the key `good`."""

    def respond(self, exchange: Exchange) -> None:
        if exchange.headers["Authorization"] == "Bearer good":
            exchange.send(200, {"data": [{"id": "here"}]})
        else:
            exchange.send(401, {})


@pytest.fixture
def endpoint() -> Iterator[str]:
    with Models() as server:
        yield server.url


def test_the_embedded_profile_lacks_nothing() -> None:
    run = motionsight("doctor")
    assert run.returncode == 0, run.stderr
    assert "nothing is missing" in run.stdout


def test_the_papers_profile_says_how_to_get_each_thing_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    found = findings("motionvid_qa", folder="/mnt/w")
    missing = {key: one.remedy for key, one in found.items() if not one.ok}
    gpus = found["machine", "8 GPUs"]
    assert gpus.ok or "RAY_ADDRESS" in gpus.remedy
    for part, model in (
        ("mllm", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("baseline", "omni-research/Tarsier2-7b-0115"),
        ("detector", "IDEA-Research/grounding-dino-base"),
        ("tracker", "facebook/sam2.1-hiera-large"),
    ):
        fetch, use = missing[part, f"weights {model}"].splitlines()
        assert fetch == f"hf download {model} --local-dir /mnt/w/{model}"
        assert use == f"--set {part}.model=/mnt/w/{model}"
    (other,) = [remedy for (part, what), remedy in missing.items() if "t2v_metrics" in what]
    assert "/opt/motionsight/t2v-metrics/bin/pip install t2v-metrics==3.0" in other


def test_weights_in_a_folder_are_found_and_an_empty_folder_is_no_checkpoint(tmp_path: Path) -> None:
    detector = "detector={backend: grounding_dino, model: %s}"
    (tmp_path / "config.json").write_text("{}")
    assert findings("embedded", detector % tmp_path)["detector", f"weights {tmp_path}"].ok
    (tmp_path / "config.json").unlink()
    told = findings("embedded", detector % tmp_path)["detector", f"weights {tmp_path}"]
    assert "no config.json" in told.remedy
    gone = findings("embedded", detector % (tmp_path / "gone"))["detector", f"weights {tmp_path / 'gone'}"]
    assert "--set detector.model=" in gone.remedy


def test_another_environment_is_asked_itself(tmp_path: Path) -> None:
    def told(python: str, module: str = "vllm") -> Finding:
        actor = f"{{num_gpus: 0, runtime_env: {{py_executable: {python}}}}}"
        found = findings("embedded", f"mllm={{backend: vllm, model: {tmp_path}, actor: {actor}}}")
        return found["mllm", f"package {module} in {python}"]

    here = told(sys.executable)
    assert here.found.startswith(f"Python {sys.version.split()[0]}, Ray 2.")
    assert here.ok or "pip install" in here.remedy
    assert "python -m venv" in told("/nowhere/bin/python").remedy


@pytest.mark.parametrize(
    ("key", "model", "expected"),
    [("good", "here", ""), ("good", "gone", "--set mllm.model=NAME"), ("bad", "here", "is the key")],
)
def test_an_endpoint_is_asked_for_its_models_with_the_key(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, key: str, model: str, expected: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    found = findings("openai", f"mllm.base_url={endpoint}", f"mllm.model={model}")
    remedy = found["mllm", f"{model} at {endpoint}"].remedy
    assert (expected in remedy) if expected else not remedy
    assert not any(key in one.found + one.remedy + one.what for one in found.values())


def test_no_endpoint_and_no_key_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert findings("openai")["mllm", "key $OPENAI_API_KEY"].remedy == "export OPENAI_API_KEY=..."
    found = findings("openai", "mllm.base_url=http://127.0.0.1:9/v1")
    assert "--set mllm.base_url" in found["mllm", "gpt-4o-mini at http://127.0.0.1:9/v1"].remedy
