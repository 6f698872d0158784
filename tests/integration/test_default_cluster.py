"""A cluster as `ray start --head` starts it for a user with a token, by a Python without this package."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import ray

from pipeline.workspace import Workspace
from tests import videos
from tests.cli import motionsight
from tests.tables import clip, stored

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TOKEN = "0123456789abcdef" * 4
START_S = 120.0


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        bound = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in bound]


class Head:
    """The head node, in a folder that has a package `jobs` of its own."""

    def __init__(self, folder: Path) -> None:
        self.user = folder / "user"
        (self.user / ".ray").mkdir(parents=True)
        (self.user / ".ray" / "auth_token").write_text(TOKEN)
        (folder / "jobs").mkdir()
        (folder / "jobs" / "__init__.py").touch()
        gcs, dashboard, agent, grpc, client = free_ports(5)
        self.gcs, self.jobs = f"127.0.0.1:{gcs}", f"http://127.0.0.1:{dashboard}"
        # Packages alone: the files that make an editable install importable are not read from PYTHONPATH.
        packages = Path(ray.__file__).parents[1]
        variables = {"HOME": str(self.user), "PATH": os.defpath, "PYTHONPATH": str(packages)}
        words = ["start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats"]
        words += ["--node-ip-address=127.0.0.1", f"--port={gcs}", f"--dashboard-port={dashboard}"]
        words += [f"--dashboard-agent-listen-port={agent}", f"--dashboard-agent-grpc-port={grpc}"]
        words += [f"--ray-client-server-port={client}"]
        python = getattr(sys, "_base_executable", sys.executable)
        self._process = subprocess.Popen(
            [python, "-m", "ray.scripts.scripts", *words],
            cwd=folder,
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_S
        while socket.socket().connect_ex(("127.0.0.1", dashboard)):
            assert self._process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.5)

    def run(self, *words: object, home: Path | None = None, address: str | None = None, code: int = 0) -> str:
        """Run a command as the user who started the cluster, or as another one; what it said."""
        env = {"HOME": str(home or self.user), "RAY_ADDRESS": address, "RAY_AUTH_MODE": None}
        done = motionsight(*words, env=env)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    started = Head(tmp_path_factory.mktemp("head"))
    yield started
    started.stop()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(str(tmp_path / "W"))
    workspace.append("clips", [clip("a", uri=str(videos.write(tmp_path / "a.mp4", 12)))])
    return workspace


def test_a_job_runs_in_the_environment_that_submits_it(head: Head, workspace: Workspace) -> None:
    submit = ("submit", "--address", head.jobs)
    command = ("score", "--output", workspace.root, "--set", "quality.metric=null")
    told = head.run(*submit, "--name", "one", *command)
    assert "score: 1 clips done, 0 failed" in told
    assert len(stored(Path(workspace.root), "scores")) == 1
    assert "one  SUCCEEDED" in " ".join(head.run(*submit, "--list").split("\n")).replace("   ", "  ")
    assert "1 clips done" in head.run(*submit, "--logs", "one")
    named = head.run(*submit, "--python", "/no/such/python", *command, code=127)
    assert "motionsight: not found" in named


def test_a_command_that_joins_brings_its_environment(head: Head, workspace: Workspace) -> None:
    told = head.run("score", "--output", workspace.root, "--set", "quality.metric=null", address=head.gcs)
    assert "score: 1 clips done, 0 failed" in told


def test_who_has_no_token_is_told_so_at_once(head: Head, workspace: Workspace, tmp_path: Path) -> None:
    for words, address in (
        (("submit", "--address", head.jobs, "--list"), None),
        (("score", "--output", workspace.root), head.gcs),
    ):
        told = head.run(*words, address=address, home=tmp_path, code=1)
        assert told.startswith("error: the cluster does not let this user in: set RAY_AUTH_TOKEN")
        assert told.count("\n") == 1


def test_where_no_cluster_is_that_is_said(workspace: Workspace, head: Head) -> None:
    (nobody,) = free_ports(1)
    told = head.run("score", "--output", workspace.root, address=f"127.0.0.1:{nobody}", code=1)
    assert f"no Ray cluster answers at 127.0.0.1:{nobody}" in told
