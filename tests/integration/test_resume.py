"""Drivers killed at random moments, stopped by hand, started twice: the tables end as if nothing had been.

CHAOS_ROUNDS=20 pytest tests/integration/test_resume.py runs the long version.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import psutil
import pytest

from pipeline.workspace import Workspace
from tests import counted, videos
from tests.chat_server import Endpoint
from tests.counted import BLOCK, WORKERS, begin, begun, finish
from tests.tables import stored

pytestmark = [pytest.mark.ray, pytest.mark.slow]

IN_FLIGHT = 4  # clips that a worker has in hand while a model works on them
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
CLIPS = 24
STEPS = ("score", "annotate", "split")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def model() -> Iterator[Endpoint]:
    """The endpoint of the model that annotates."""
    with Endpoint() as server, pytest.MonkeyPatch.context() as patch:
        server.delay_s = lambda prompt: 0.2
        calls = f"concurrency: {WORKERS * IN_FLIGHT}"
        options = f"{{backend: openai, model: m, base_url: '{server.url}', {calls}}}"
        patch.setattr(counted, "SETTINGS", (*counted.SETTINGS, f"mllm={options}"))
        yield server


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    (folder / "in").mkdir()
    for k in range(CLIPS):
        videos.write(folder / "in" / f"{k:03d}.mp4", 24, pan=0.1 + 0.01 * k)
    finish(folder / "count", "ingest", "--input", folder / "in", "--output", folder / "W")
    return folder / "W"


@pytest.fixture(scope="module")
def quiet(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("quiet") / "W"
    shutil.copytree(ingested, workspace)
    for step in STEPS:
        finish(workspace.parent / step, step, "--output", workspace)
    assert len(stored(workspace, "scores")) == len(stored(workspace, "annotations")) == CLIPS
    return workspace


def kill_at_random(chance: random.Random, step: str, workspace: Path, count: Path) -> None:
    """Kill the driver after some clips were begun; for split, which counts none, after some time.

    Workers outlive their driver by a moment: with long clips in the middle of a block, with short ones at
    the end of it.
    """
    with patch.dict(os.environ, {"CHAOS_SECONDS": chance.choice(("0.05", "0.1", "1"))}):
        run = begin(count, step, "--output", workspace)
    clips = chance.randrange(CLIPS + 1) if step != "split" else CLIPS + 1
    until = time.monotonic() + (chance.uniform(0, 5) if step == "split" else 120)
    while run.poll() is None and len(begun(count)) < clips and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.2))
    run.kill()
    run.communicate()


@pytest.mark.timeout(400 * ROUNDS)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_after_a_killed_driver_the_same_command_ends_as_if_nothing_had_been(
    ingested: Path, quiet: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    workspace = tmp_path / "W"
    shutil.copytree(ingested, workspace)
    for step in STEPS:
        count = tmp_path / step
        kill_at_random(chance, step, workspace, count)
        # Cut into other blocks than before, whose files have other names.
        finish(count, step, "--output", workspace, "--set", f"engine.block_clips={chance.randint(1, 5)}")
        times = Counter(begun(count))
        if step != "split":
            assert len(times) == CLIPS
            again = sum(times.values()) - CLIPS
            print(f"seed {seed}, {step}: {again} clips twice")
            assert again <= WORKERS * (BLOCK if step == "score" else IN_FLIGHT + BLOCK)
    for name in ("clips", "scores", "annotations"):
        assert stored(workspace, name) == stored(quiet, name)
    assert files(workspace / "dataset") == files(quiet / "dataset")
    expected = {path.name for path in quiet.iterdir()}
    assert {path.name for path in workspace.iterdir()} == expected
    assert not [path for path in workspace.rglob("*") if path.suffix == ".tmp"]


def working(driver: int) -> list[psutil.Process]:
    """The processes in which a driver's stage runs."""
    found = []
    with suppress(psutil.Error):
        for process in psutil.Process(driver).children(recursive=True):
            with suppress(psutil.Error):  # it has ended meanwhile
                if "MapWorker" in "".join(process.cmdline()):
                    found.append(process)
    return found


@pytest.mark.timeout(400 * ROUNDS)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_workers_killed_with_clips_in_hand_leave_the_table_of_a_quiet_run(
    quiet: Path, model: Endpoint, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    workspace, count = tmp_path / "W", tmp_path / "count"
    shutil.copytree(quiet, workspace)
    Workspace(str(workspace)).clear(["annotations"])
    asked = len(model.bodies)
    run = begin(count, "annotate", "--output", workspace)
    killed = 0
    for at in sorted(chance.sample(range(1, 3 * CLIPS), 2)):
        workers = list[psutil.Process]()
        while run.poll() is None and (len(model.bodies) - asked < at or not (workers := working(run.pid))):
            time.sleep(0.01)
        if workers:
            chance.choice(workers).kill()
            killed += 1
    _, told = run.communicate(timeout=120)
    assert run.returncode == 0, told
    assert killed
    assert stored(workspace, "annotations") == stored(quiet, "annotations")
    noted = json.loads((workspace / "spent.json").read_text())["annotations"]["requests"]
    assert noted >= len(model.bodies) - asked, "what lost clips cost counts as well"
    again = len(begun(count)) - CLIPS
    print(f"seed {seed}: {again} clips twice")
    assert again <= 2 * (IN_FLIGHT + BLOCK)


def test_an_ingest_that_was_killed_goes_on_and_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    """Of three equal files each, the first by name is the clip, whoever read it, and when."""
    names = [f"{k:03d} ü.mp4" for k in range(300)]
    (tmp_path / "in").mkdir()
    for k, name in enumerate(names):
        (tmp_path / "in" / name).write_bytes(b"%d" % (k % 100))
    workspace, count = tmp_path / "W", tmp_path / "count"
    command = ("ingest", "--input", tmp_path / "in", "--output", workspace)
    with patch.dict(os.environ, {"CHAOS_SECONDS": "0.03"}):
        run = begin(count, *command)
        while len(list(workspace.glob("fingerprints/*.parquet"))) < 50:
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
    kept = len(list(workspace.glob("fingerprints/*.parquet")))  # each has one row or more
    assert 50 <= kept < 300
    assert not stored(workspace, "clips")
    told = finish(count, *command)
    done = re.search(r"ingest: (\d+) clips done, 0 failed", told)
    assert done
    assert 0 < int(done[1]) <= 300 - kept
    assert len(begun(count)) <= 300 + WORKERS  # a killed run's workers end after the file in hand
    clips = {Path(row["uri"]).name: row for row in stored(workspace, "clips")}
    assert {name: row["sha256"] for name, row in clips.items()} == {
        name: hashlib.sha256(b"%d" % k).hexdigest() for k, name in enumerate(names[:100])
    }
    twins = {Path(row["uri"]).name: row["clip_id"] for row in stored(workspace, "duplicates")}
    assert twins == {names[k]: clips[names[k % 100]]["clip_id"] for k in range(100, 300)}
    assert {path.name for path in workspace.iterdir()} == {".lock", "clips", "duplicates", "run.json"}
    assert "nothing to do, all 300 clips are known" in finish(count, *command)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM][: 1 + (ROUNDS > 1)])
def test_a_stopped_run_says_how_to_go_on_and_another_writer_is_refused_meanwhile(
    ingested: Path, quiet: Path, tmp_path: Path, number: signal.Signals
) -> None:
    workspace, count = tmp_path / "W", tmp_path / "count"
    shutil.copytree(ingested, workspace)
    run = begin(count, "score", "--output", workspace)
    while not (workspace / ".lock.json").exists():
        time.sleep(0.01)
    other = begin(tmp_path / "other", "score", "--output", workspace)
    _, refused = other.communicate(timeout=60)
    assert other.returncode == 2
    (line,) = refused.strip().splitlines()
    assert f"`motionsight score` (process {run.pid} on" in line
    assert not begun(tmp_path / "other")
    while not stored(workspace, "scores"):
        time.sleep(0.01)

    family = psutil.Process(run.pid).children(recursive=True)
    began = time.monotonic()
    # A terminal sends Ctrl-C to every process of the command, a supervisor its SIGTERM to the first alone.
    os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
    _, told = run.communicate(timeout=60)
    assert time.monotonic() - began < 10  # what the user was promised
    assert run.returncode == 128 + number
    assert told.count("Resume with: motionsight score --set") == 1
    assert "Traceback" not in told
    _, alive = psutil.wait_procs(family, 10)
    assert not alive
    assert json.loads((workspace / "run.json").read_text())[-1]["outcome"] == "stopped"

    done = len(stored(workspace, "scores"))
    assert 0 < done < CLIPS
    told = finish(count, "score", "--output", workspace)
    assert f"{CLIPS - done} clips done" in told
    assert stored(workspace, "scores") == stored(quiet, "scores")
    entry = json.loads((workspace / "run.json").read_text())[-1]
    assert entry["outcome"] == "done"
    assert entry["stages"]["score"]["rows"] == CLIPS - done
    assert entry["stages"]["score"]["errors"] == {}
    assert {"ray", "pyarrow", "av"} <= set(entry["versions"])
