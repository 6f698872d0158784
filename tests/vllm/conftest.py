"""A tiny random Qwen2.5-VL on vLLM engines: one in a Ray actor, one behind its OpenAI server.

VLLM_PYTHON names the Python of an environment with vLLM; without it these tests are skipped.
"""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.models.actors import Handle, model_actors
from stages.models.mllm.vllm import VllmConfig
from tests.tiny import qwen2_5_vl
from tests.vllm_engine import ENV, LENGTH, settings

START_S = 400.0  # alone it takes 60
SERVER = (
    *("--enforce-eager", "--block-size", "32", "--enable-prompt-tokens-details"),
    *("--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}'),
    *("--limit-mm-per-prompt", '{"image": 32, "video": 0}'),
)


@pytest.fixture(scope="session")
def python() -> str:
    found = os.environ.get("VLLM_PYTHON")
    if not found:
        pytest.skip("VLLM_PYTHON names no environment with vLLM; `make test-vllm` makes one")
    return found


@pytest.fixture(scope="session")
def checkpoint(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qwen2_5_vl(tmp_path_factory.mktemp("qwen2_5_vl"))


@pytest.fixture(scope="session")
def engine(checkpoint: Path, python: str) -> Iterator[Handle]:
    """An engine in a Ray actor."""
    with model_actors({"mllm": VllmConfig.model_validate(settings(checkpoint, python))}) as handles:
        yield handles["mllm"]


@pytest.fixture(scope="session")
def server(checkpoint: Path, python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of vLLM's OpenAI server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", port]
    command += ["--model", checkpoint, "--dtype", "float32", "--max-model-len", LENGTH, *SERVER]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*map(str, command)],
            env=os.environ | ENV | {"VLLM_HOST_IP": "127.0.0.1", "VLLM_NO_USAGE_STATS": "1"},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            if alive(process.pid):
                os.killpg(process.pid, signal.SIGKILL)


def wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(1)
    pytest.fail(f"the server has not started:\n{log.read_text()[-3000:]}")


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
