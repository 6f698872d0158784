"""A function in its own process: what it does to itself costs one call."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ClipError
from pipeline.isolation import Isolated, Limits

LIMITS = Limits(clip_timeout_s=2, clip_memory_gb=1)


def misbehave(how: str) -> Any:
    match how:
        case "pid":
            return os.getpid()
        case "segfault":
            return ctypes.string_at(0)
        case "abort":
            os.abort()
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "loop":
            while True:
                pass
        case "loop in C":
            ctypes.PyDLL(None).pause()  # keeps the interpreter's lock
        case "ignore signals":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(1000)
        case "bytes":
            return b"a" * (30 << 30)
        case "array":
            return np.ones(30 << 27)
        case "opencv":
            return cv2.resize(np.zeros((9, 9, 3), np.uint8), (60_000, 60_000))
        case "bad file":
            raise ClipError("decode_error", "the file is damaged")
        case "defect":
            raise ValueError("a defect\nin two lines")
        case "no pickle":
            return lambda: 1
        case "start a program":
            subprocess.run(["sleep", "1000"], check=False)
        case "ids":
            return os.getppid()
    raise AssertionError(how)


def make() -> Callable[[str], Any]:
    return misbehave


def make_in_vain() -> Callable[[str], Any]:
    raise ValueError("no such model")


def crash_at_once() -> Callable[[str], Any]:
    os.abort()


@pytest.fixture(scope="module")
def isolated() -> Iterator[Isolated]:
    child = Isolated(make, LIMITS)
    yield child
    child.close()


def code(isolated: Isolated, how: str) -> tuple[str, str]:
    with pytest.raises(ClipError) as caught:
        isolated(how)
    return caught.value.code, caught.value.detail


@pytest.mark.parametrize(
    ("how", "expected", "told"),
    [
        ("segfault", "worker_crash", "SIGSEGV"),
        ("abort", "worker_crash", "SIGABRT"),
        ("exit", "worker_crash", "exit code 3"),
        ("kill", "out_of_memory", "killed"),
        ("loop", "timeout", "clip_timeout_s=2"),
        ("loop in C", "timeout", "clip_timeout_s=2"),
        ("ignore signals", "timeout", "clip_timeout_s=2"),
        ("start a program", "timeout", "clip_timeout_s=2"),
        ("bytes", "out_of_memory", "more memory"),
        ("array", "out_of_memory", "30.0 GiB"),
        ("opencv", "out_of_memory", "Insufficient memory"),
        ("bad file", "decode_error", "the file is damaged"),
        ("defect", "internal", "pipeline/test_isolation.py:57): a defect in two lines"),
        ("no pickle", "internal", "pickle"),
    ],
)
def test_misbehaviour_has_a_code_and_the_next_call_works(
    isolated: Isolated, how: str, expected: str, told: str
) -> None:
    found, detail = code(isolated, how)
    assert found == expected
    assert told in detail
    assert "\n" not in detail
    assert psutil.pid_exists(isolated("pid"))


def test_programs_that_the_child_has_started_end_with_it() -> None:
    child = Isolated(make, LIMITS)
    pid = child("pid")
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(code, child, "start a program")
        while not (started := psutil.Process(pid).children()):
            assert not call.done()
            time.sleep(0.01)
        assert call.result()[0] == "timeout"
    assert not psutil.wait_procs(started, 10)[1]
    child.close()


def test_the_child_is_kept_from_call_to_call_and_after_an_error_of_the_clip(isolated: Isolated) -> None:
    pid = isolated("pid")
    assert pid != os.getpid()
    assert code(isolated, "bad file")[0] == "decode_error"
    assert code(isolated, "defect")[0] == "internal"
    assert isolated("pid") == pid


def test_a_child_that_was_lost_between_two_calls_costs_none_of_them(isolated: Isolated) -> None:
    pid = isolated("pid")
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], 5)
    assert isolated("pid") != pid


def test_a_defect_carries_the_childs_traceback(isolated: Isolated) -> None:
    with pytest.raises(ClipError) as caught:
        isolated("defect")
    assert 'raise ValueError("a defect' in "".join(caught.value.__notes__)


def test_memory_is_counted_from_what_the_process_holds_before_the_clip() -> None:
    """A function that keeps memory of its own is not told off for it, call after call."""
    child = Isolated(make_hoarder, Limits(clip_memory_gb=0.25))
    assert [child(150) for _ in range(5)] == [150, 300, 450, 600, 750]
    with pytest.raises(ClipError, match="out_of_memory"):
        child(400)
    child.close()


def make_hoarder() -> Callable[[int], int]:
    held: list[np.ndarray] = []

    def keep(megabytes: int) -> int:
        held.append(np.ones(megabytes << 20, np.uint8))
        return sum(len(one) for one in held) >> 20

    return keep


def echo(value: Any) -> Any:
    return value


@pytest.fixture(scope="module")
def mirror() -> Iterator[Isolated]:
    child = Isolated(partial(partial, echo), LIMITS)
    yield child
    child.close()


@settings(deadline=None, max_examples=50)
@given(st.recursive(st.none() | st.text() | st.binary() | st.floats(allow_nan=False), st.lists))
def test_arguments_and_results_come_through_unchanged(mirror: Isolated, value: Any) -> None:
    assert mirror(value) == value


@pytest.mark.parametrize("shape", [(0,), (1, 1), (16, 360, 420, 3), (50_000_000,)])
def test_arrays_come_through_whole(mirror: Isolated, shape: tuple[int, ...]) -> None:
    sent = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(mirror(sent), sent)


@pytest.mark.parametrize(
    ("maker", "told"), [(make_in_vain, "ValueError: no such model"), (crash_at_once, "SIGABRT")]
)
def test_a_function_that_cannot_be_made_is_told_at_once(maker: Callable[[], Any], told: str) -> None:
    with pytest.raises(RuntimeError, match=told):
        Isolated(maker, LIMITS)


PARENT = """
import os, sys, threading, time
from tests.unit.pipeline.test_isolation import Isolated, LIMITS, Limits, make
if __name__ == "__main__":
    child = Isolated(make, Limits(clip_timeout_s=1000))
    print(child("pid"), child("ids"), flush=True)
    child(sys.argv[1])
"""


@pytest.mark.parametrize("how", ["loop", "loop in C", "ignore signals", "start a program"])
def test_the_child_dies_with_its_parent_whatever_it_does(tmp_path: Path, how: str) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    root = str(Path(__file__).parents[3])
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py"), how],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert parent.stdout
    started = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    time.sleep(0.5)  # until it is in the call
    assert all(one.is_running() for one in started)
    started += started[0].children()
    assert (len(started) == 3) == (how == "start a program")
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(started, 10)
    assert not alive
