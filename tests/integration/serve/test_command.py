"""`motionsight serve` as a command: its token, its end, and the settings it refuses."""

import http.client
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest
from rich.console import Console

from configs.settings import load
from jobs import serve as job
from pipeline.errors import CallError
from tests import cli
from tests.serving import CAMERA, asking, behind, client
from tests.stream_server import Upstream

TOKEN = "a-token-that-nobody-guesses"


@contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command itself, as a process; what it says goes to a pipe."""
    with cli.start("serve", "--port", 0, *cli.sets("serve.looks=1"), *cli.UNUSED_MODELS, *options) as it:
        assert it.stderr
        try:
            line = next(line for line in it.stderr if "http://" in line)
            yield it, re.search(r"http://[^\s?]+", line)[0] + "v1"  # type: ignore[index]
        finally:
            it.kill()


def test_the_command_asks_for_its_token_ends_in_order_and_leaves_nothing(
    upstream: Upstream, video: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with process("--token", TOKEN, *cli.sets(*behind(upstream.url))) as (it, url):
        for key in ("any", "", TOKEN[:-1]):
            with pytest.raises((openai.AuthenticationError, openai.APIConnectionError)):
                client(url, api_key=key or "x").models.list()
        with pytest.raises(openai.AuthenticationError, match="a token is needed") as refused:
            client(url, api_key="x").models.list()
        assert refused.value.type == "authentication_error"
        asked = asking(CAMERA, video, kind="video_url")
        known = client(url, api_key=TOKEN)
        assert known.chat.completions.create(model="m", messages=asked).choices
        connection = http.client.HTTPConnection(url.split("/")[2])
        connection.request("GET", "/health")
        assert json.loads(connection.getresponse().read()) == {"status": "ok"}
        slow = asking("slow", video, kind="video_url")
        with ThreadPoolExecutor(1) as threads:
            cut = threads.submit(known.chat.completions.create, model="m", messages=slow)
            time.sleep(1.5)
            it.send_signal(signal.SIGTERM)
            with pytest.raises(openai.APIError):
                cut.result()
        assert it.wait(15) == 0
        assert it.stderr
        rest = it.stderr.read()
        assert "Traceback" not in rest
        assert TOKEN not in rest
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("motionsight-")]


def test_settings_of_the_endpoint_are_checked() -> None:
    settings = load("embedded", ["serve.places=3", "serve.fetch_hosts=[a.example]"]).serve
    assert (settings.places, settings.fetch_hosts) == (3, ["a.example"])
    for wrong in ("serve.place=3", "serve.places=none", "serve.places=[", "serve.places=0", "serve."):
        with pytest.raises(CallError, match=r"serve\."):
            load("embedded", [wrong])


def test_it_does_not_start_with_a_ceiling_that_it_would_not_keep() -> None:
    paid = ["mllm.base_url=http://127.0.0.1:9/v1", "mllm.max_requests=5"]
    with pytest.raises(CallError, match=r"serve does not keep to a cost ceiling.*mllm\.max_cost"):
        job.run(load("openai", paid), "127.0.0.1", 0, None, Console())
