import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import scratch

MAKER = """
import sys, time
from pathlib import Path
from pipeline import scratch
def make(path):
    with open(sys.argv[2], "a") as log: log.write("made\\n")
    path.write_text("half")
    time.sleep(float(sys.argv[3]))
    path.write_text(sys.argv[1])
print(scratch.shared(sys.argv[1], 4, make).read_text(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a temporary folder that no other test uses."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"motionsight-{os.getuid()}"


@pytest.fixture
def start(root: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes that ask for a file, and live until their input is closed."""
    running: list[subprocess.Popen[str]] = []

    def one(key: str, seconds: float = 0.0) -> subprocess.Popen[str]:
        call = [sys.executable, "-c", MAKER, key, str(root.parent / "log"), str(seconds)]
        environment = os.environ | {"TMPDIR": str(root.parent)}
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(call, env=environment, stdin=pipe, stdout=pipe, text=True))
        return running[-1]

    yield one
    for process in running:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_many_processes_share_a_file_that_one_of_them_makes(root: Path, start: Any) -> None:
    three = [start("film", 0.3) for _ in range(3)]
    assert [said(process) for process in three] == ["film"] * 3
    assert said(start("another")) == "another"
    assert (root.parent / "log").read_text().count("made") == 2


def test_the_files_go_with_the_last_process(root: Path, start: Any) -> None:
    first, second = start("film"), start("film")
    assert said(first) == said(second) == "film"
    first.communicate()
    assert len(list(root.iterdir())) == 2
    second.communicate()
    assert not root.exists()


def test_what_a_killed_process_had_half_made_is_made_anew(root: Path, start: Any) -> None:
    victim = start("film", 60.0)
    while not (root.parent / "log").exists():
        time.sleep(0.01)
    waiting = start("film")
    victim.send_signal(signal.SIGKILL)
    assert said(waiting) == "film"


def test_what_killed_processes_leave_behind_goes_when_the_next_one_comes(root: Path, start: Any) -> None:
    victim = start("old")
    assert said(victim) == "old"
    victim.kill()
    victim.communicate()
    assert len(list(root.iterdir())) == 2
    heir = start("new")
    assert said(heir) == "new"
    assert len(list(root.iterdir())) == 2
    heir.communicate()
    assert not root.exists()


def test_the_files_used_longest_ago_make_room(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MOST", 10)

    def get(key: str) -> Path | None:
        return scratch.shared(key, 4, lambda path: path.write_text(key) and None)

    first, second = get("film 1"), get("film 2")
    assert first
    assert second
    os.utime(second, (1, 1))
    third = get("film 3")
    assert third
    assert (first.exists(), second.exists(), third.read_text()) == (True, False, "film 3")


def test_without_room_there_is_no_file_and_no_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "FREE", 0.0)
    assert scratch.shared("film", 4, lambda path: path.write_text("film") and None) is None
    shutil.rmtree(root)
    root.write_text("a file where the folder should be")
    assert scratch.shared("film", 4, lambda path: path.write_text("film") and None) is None


def test_an_error_is_passed_on_and_the_next_call_tries_again(root: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        scratch.shared("film", 4, fail)
    path = scratch.shared("film", 4, lambda path: path.write_text("film") and None)
    assert path
    assert path.read_text() == "film"
