"""What is made of clips when somebody looks at them: in which order, and how much of it is kept."""

import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import ClipError, RunError
from pipeline.isolation import Limits
from stages.browse.ondemand import OnDemand, Work
from tests.unit.browse import slow

WORK = Work(slow.Slow, Limits(), slow.__name__, at_once=1, waiting=3, megabytes=1)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[OnDemand]:
    with closing(OnDemand(WORK, str(tmp_path / "made"))) as one:
        yield one


def test_what_was_asked_for_last_comes_first_and_the_oldest_give_way(made: OnDemand) -> None:
    order: list[str] = []
    first = made.get({"clip_id": "first"}, "0.5")
    while made._waiting:
        time.sleep(0.01)
    futures = {name: made.get({"clip_id": name}, "0") for name in "abcd"}
    again = made.get({"clip_id": "b"}, "0")  # looked at once more
    assert again is futures["b"]
    for name, future in futures.items():
        future.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
    wait([first, *futures.values()], timeout=60)
    assert order == ["a", "b", "d", "c"]
    with pytest.raises(RunError, match="too many others"):
        futures["a"].result()
    assert futures["d"].result().strip() == b"d"


def test_an_error_costs_its_clip_alone_and_is_not_kept(made: OnDemand) -> None:
    for _ in range(2):
        with pytest.raises(ClipError, match="decode_error"):
            made.get({"clip_id": "bad"}, "0").result(60)
    assert made.get({"clip_id": "good"}, "0").result(60).strip() == b"good"


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    with closing(OnDemand(replace(WORK, megabytes=0), str(folder))) as none:
        assert none.get({"clip_id": "../a"}, "0").result(60).strip() == b"../a"
        assert list(folder.iterdir()) == []
    with closing(OnDemand(WORK, str(folder))) as some:
        first = some.get({"clip_id": "../a"}, "0").result(60)
        assert len(list(folder.iterdir())) == 1
        began = time.monotonic()
        assert some.get({"clip_id": "../a"}, "0").result(60) == first
        assert time.monotonic() - began < 1


def test_who_waits_when_the_server_stops_is_told(tmp_path: Path) -> None:
    one = OnDemand(WORK, str(tmp_path / "made"))
    futures = [one.get({"clip_id": name}, "60") for name in "ab"]
    time.sleep(1)
    one.close()
    for future in futures:
        with pytest.raises((ClipError, RunError)):
            future.result(1)
