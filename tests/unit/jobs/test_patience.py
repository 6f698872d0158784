import threading

import pytest

from jobs import patience as module
from jobs.patience import patience


def test_a_wait_is_told_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_S", 0.01)
    monkeypatch.setattr(module, "MOST_S", 0.02)
    said: list[str] = []
    enough = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            enough.set()

    with patience(say, lambda: "Ray to start") as over:
        assert enough.wait(10)
        over()
        count = len(said)
        threading.Event().wait(0.1)
        assert len(said) <= count + 1  # one that was on its way
    assert set(said) == {"Ray to start"}


def test_what_is_there_at_once_is_not_told() -> None:
    said: list[str] = []
    with patience(said.append, lambda: "Ray to start") as over:
        over()
    with patience(said.append, lambda: "Ray to start"), pytest.raises(KeyError):
        raise KeyError
    assert not said
