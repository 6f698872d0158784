"""A cluster on this machine: nodes join while a run goes on, jobs are submitted, and a node dies."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
import requests

from pipeline.engine import EngineConfig, run
from pipeline.stage import Row, Stage
from tests import videos
from tests.cli import ROOT, start
from tests.tables import stored

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CLIPS = int(os.environ.get("CLUSTER_CLIPS", "60"))
BLOCK = 4


def ports() -> dict[str, int]:
    """A free port for what every node has one of by default, as nodes are machines."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return {"dashboard_agent_listen_port": one.getsockname()[1]}


class Nodes:
    """A head without CPUs, and workers with two each, none at first."""

    def __init__(self) -> None:
        import ray
        from ray.cluster_utils import Cluster

        ray.shutdown()  # what tests of other files ran on, on the loopback alone, which no node may inherit
        ray._private.ray_constants.ENABLE_RAY_CLUSTER = True
        os.environ.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)
        os.environ["PYTHONPATH"] = str(ROOT)
        # A job's command is looked up on the node, where this environment is not a shell's own.
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args=ports() | {"num_cpus": 0, "include_dashboard": True, "dashboard_port": 0},
        )
        self.workers: list[Any] = []
        self.gcs = self._cluster.address
        self.address = f"http://{self._cluster.head_node.webui_url}"

    def grow(self, count: int) -> None:
        """Add workers until there are so many."""
        while len(self.workers) < count:
            self.workers.append(self._cluster.add_node(num_cpus=2, **ports()))

    def kill(self, node: Any) -> None:
        """As if its plug were pulled: SIGKILL to all of its processes at once."""
        raylets = [info.process for infos in node.all_processes.values() for info in infos]
        family = [psutil.Process(one.pid) for one in raylets]
        family += [child for one in family for child in one.children(recursive=True)]
        for one in family:
            one.suspend()
        for one in family:
            one.kill()

    def metrics(self) -> set[str]:
        """Our metrics of the stage `score` that Prometheus would read at the head and at the last worker."""
        ports = [node.metrics_export_port for node in (self._cluster.head_node, self.workers[-1])]
        texts = [requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text for port in ports]
        lines = [line for line in "\n".join(texts).splitlines() if line.startswith("ray_motionsight_")]
        ours = [line for line in lines if 'stage="score"' in line or "_queue{" in line]
        return {line.partition("{")[0].removeprefix("ray_motionsight_") for line in ours}

    def stop(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    started = Nodes()
    yield started
    started.stop()


def begin(*arguments: object) -> "subprocess.Popen[str]":
    """Start a command; all that it prints is in one pipe."""
    return start(*arguments, env={"RAY_ADDRESS": None}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def done(*arguments: object, code: int = 0) -> str:
    run = begin(*arguments)
    told, _ = run.communicate(timeout=300)
    assert run.returncode == code, told
    return told


def test_a_checkout_sent_along_is_what_runs(nodes: Nodes, tmp_path: Path) -> None:
    for package in ("pipeline", "filters", "stages", "configs", "jobs"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "configs" / "sent.yaml").write_text((ROOT / "configs" / "embedded.yaml").read_text())
    submitting = ("submit", "--address", nodes.address, "--working-dir", tmp_path)
    told = done(*submitting, "doctor", "--config", "sent", "--set", "quality.metric=null")
    assert "nothing is missing" in told


class Waiting(Stage):
    """Says on which node a clip was processed; dawdles until so many nodes have taken part."""

    name = "waiting"
    columns = ()
    schema = pa.schema([("clip_id", pa.string()), ("node", pa.string())])

    def __init__(self, folder: Path, nodes: int) -> None:
        self._folder, self._nodes = folder, nodes

    def work(self, row: Row) -> Row:
        import ray

        node = ray.get_runtime_context().get_node_id()
        (self._folder / node).touch()
        if len(list(self._folder.iterdir())) < self._nodes:
            time.sleep(1)
        return {"clip_id": row["clip_id"], "node": node}


def test_a_run_that_starts_without_a_node_uses_each_that_joins(nodes: Nodes, tmp_path: Path) -> None:
    import ray

    clips = pa.table({"clip_id": [f"{k:03d}" for k in range(300)]})  # at first, one worker will do for so few
    config = EngineConfig(address=nodes.gcs, block_clips=1)
    done: list[Row] = []

    def spread() -> None:
        for _, rows in run(Waiting(tmp_path, 2), clips, config):
            done.extend(rows)

    try:
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(spread)
            for joined in (1, 2):
                nodes.grow(joined)
                while len(list(tmp_path.iterdir())) < joined and not running.done():
                    time.sleep(0.1)
            running.result()
    finally:
        ray.shutdown()
    assert sorted(row["clip_id"] for row in done) == clips["clip_id"].to_pylist()
    assert {row["node"] for row in done} == {node.node_id for node in nodes.workers}


def test_a_job_outlives_a_node_that_dies(nodes: Nodes, tmp_path: Path) -> None:
    nodes.grow(2)
    (tmp_path / "in").mkdir()
    clip = videos.write(tmp_path / "clip.mp4", 36).read_bytes()
    for k in range(CLIPS):
        (tmp_path / "in" / f"{k:03d}.mp4").write_bytes(clip + b"%03d" % k)
    (tmp_path / "in" / "bad.mp4").write_bytes(b"no video")
    quick = ("--set", f"engine.block_clips={BLOCK}", "--set", "quality.metric=null")
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    done("ingest", "--input", tmp_path / "in", "--output", quiet)
    shutil.copytree(quiet, killed)
    done("score", "--output", quiet, *quick)

    submitting = ("submit", "--address", nodes.address)
    command = ("score", "--output", killed, *quick)
    told = done(*submitting, "--name", "chaos", "--no-follow", *command)
    assert "job chaos submitted" in told
    following = begin(*submitting, "--logs", "chaos")
    while not stored(killed, "scores"):
        assert following.poll() is None, following.communicate()
        time.sleep(0.05)
    nodes.kill(nodes.workers[0])
    assert 0 < len(stored(killed, "scores")) < CLIPS
    # It takes Ray half a minute to believe that a node is dead: time to look at what is told of the others.
    seen: set[str] = set()
    while len(seen) < 3 and following.poll() is None:
        seen |= nodes.metrics()
        time.sleep(1)
    told, _ = following.communicate(timeout=300)
    assert following.returncode == 0, told
    assert f"score: {CLIPS + 1} clips done, 1 failed (not_a_video 1)" in told
    assert stored(killed, "scores") == stored(quiet, "scores")
    assert seen == {"clips_total", "seconds_total", "queue"}
    assert "SUCCEEDED" in done(*submitting, "--status", "chaos")
    listed = done(*submitting, "--list")
    assert "chaos" in listed
    assert "motionsight score --output" in listed
