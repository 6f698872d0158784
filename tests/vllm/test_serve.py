"""`motionsight serve` in front of a tiny random Qwen2.5-VL: behind vLLM's own server, and in an actor."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from stages.models.actors import Handle
from tests.serving import CAMERA, Start, ask, client, endpoints, url_of
from tests.videos import write
from tests.vllm_engine import settings

TOKENS = 32  # fewer than the noise of the model has before it ends by itself


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    with endpoints(tmp_path_factory.mktemp("clips")) as start:
        yield start


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A clip whose camera pans right, as a data URL."""
    return url_of(write(tmp_path_factory.mktemp("video") / "pan.mp4").read_bytes())


@pytest.fixture(scope="module")
def forwarding(start: Start, server: str, checkpoint: Path) -> str:
    model = ("mllm.backend=openai", f"mllm.model={checkpoint}", f"mllm.base_url={server}")
    return start(*model, "mllm.timeout_s=120", "frames.count=4", looks=2, places=8)


def test_an_answer_is_the_same_streamed_or_not(forwarding: str, video: str) -> None:
    whole = ask(forwarding, CAMERA, video, max_tokens=TOKENS)
    chunks = list(
        ask(forwarding, CAMERA, video, max_tokens=TOKENS, stream=True, stream_options={"include_usage": True})
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len(texts) > 2, "it comes in pieces"
    assert "".join(texts).strip() == whole.choices[0].message.content.strip() != ""
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == chunks[-1].usage.completion_tokens == TOKENS
    assert whole.usage.prompt_tokens > 100, "frames are tokens"


def test_fifty_at_once(forwarding: str, video: str) -> None:
    def one(k: int) -> str:
        try:
            return "answer" if ask(forwarding, CAMERA, video, max_tokens=4, seed=k).choices else "nothing"
        except openai.RateLimitError:
            return "later"

    with ThreadPoolExecutor(50) as threads:
        said = list(threads.map(one, range(50)))
    assert set(said) == {"answer", "later"}
    assert said.count("answer") >= 8
    assert client(forwarding).models.list().data


def test_an_engine_in_an_actor_answers(
    start: Start, checkpoint: Path, python: str, engine: Handle, video: str
) -> None:
    mllm: dict[str, Any] = settings(checkpoint, python)
    url = start(f"mllm={json.dumps(mllm)}", "frames.count=4", handles={"mllm": engine})
    answer = ask(url, CAMERA, video, max_tokens=TOKENS)
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens <= TOKENS < answer.usage.prompt_tokens
