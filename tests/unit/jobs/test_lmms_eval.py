"""MotionSight as lmms-eval calls it. lmms-eval is not installed here: a stand-in takes its place."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from jobs import lmms_eval
from tests.chat_server import Endpoint
from tests.videos import write


class Base:
    """Stands for `lmms_eval.api.model.lmms`, of which only the tasks are used."""

    def __init__(self) -> None:
        self.task_dict: dict[str, Any] = {}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    model: Any = ModuleType("lmms_eval.api.model")
    model.lmms = Base
    for name in ("lmms_eval", "lmms_eval.api"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "lmms_eval.api.model", model)
    lmms_eval._model.cache_clear()
    with Endpoint() as server:
        server.delay_s = lambda prompt: 0.2
        yield server
    lmms_eval._model.cache_clear()


def asked(clip: Path, number: int) -> Any:
    """A request as lmms-eval makes it: a question about a video of a task."""
    return SimpleNamespace(args=(f"Where to? ({number})", {}, lambda _: [str(clip)], number, "task", "test"))


def test_answers_are_in_order_and_a_ceiling_ends_the_evaluation(
    endpoint: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = write(tmp_path / "clip.mp4", 8, 64, 48)
    settings = {"mllm.backend": "openai", "mllm.model": "m", "mllm.base_url": endpoint.url}
    model = lmms_eval.MotionSight(config="embedded", **settings | {"mllm.max_requests": 10})
    model.task_dict = {"task": {"test": list(range(20))}}
    answers = model.generate_until([asked(clip, k) for k in range(6)])
    assert all(f"Where to? ({k})" in answer for k, answer in enumerate(answers))
    assert endpoint.most_in_flight > 1
    with pytest.raises(SystemExit) as ended:
        model.generate_until([asked(clip, k) for k in range(6, 12)])
    assert ended.value.code == 3
    assert "the ceiling is reached: 10 of mllm.max_requests=10 spent" in caplog.text
    assert len(endpoint.bodies) == 10
