"""One writer at a time, on a disk and in an object store."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from pipeline import conditional, lock
from pipeline.errors import CallError, RunError
from pipeline.lock import Lock, held
from pipeline.schema import empty_row
from pipeline.workspace import Workspace
from tests import objectstore
from tests.objectstore import BUCKET, S3

HOLD = """
import sys, time
from pipeline.lock import held
from pipeline.workspace import Workspace
with held(Workspace(sys.argv[1]), "score"):
    print("held", flush=True)
    time.sleep(1000)
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with objectstore.serving() as server:
        yield server


@pytest.fixture(params=["disk", "store"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(lock, "SETTLE_S", 0.3)
    monkeypatch.setattr(lock, "BEAT_S", 0.2)
    if request.param == "disk":
        return Workspace(str(tmp_path / "ü W"))
    server: S3 = request.getfixturevalue("s3")
    assert server.keys() is not None
    return Workspace(f"s3://{BUCKET}/{tmp_path.name}")


def elsewhere(workspace: Workspace) -> "subprocess.Popen[str]":
    """Another process that holds the workspace."""
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD, workspace.root],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert run.stdout
    assert run.stdout.readline() == "held\n"
    return run


def test_a_second_writer_is_told_who_holds_the_workspace(workspace: Workspace) -> None:
    other = elsewhere(workspace)
    try:
        with pytest.raises(CallError) as caught, held(workspace, "annotate"):
            pass
        for part in (workspace.root, "`motionsight score`", f"process {other.pid} on {os.uname().nodename}"):
            assert part in str(caught.value)
    finally:
        other.kill()
        other.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_writer_leaves_no_lock(workspace: Workspace, number: signal.Signals) -> None:
    other = elsewhere(workspace)
    other.send_signal(number)
    other.communicate()
    with held(workspace, "annotate"):
        assert json.loads(workspace.read_bytes(".lock.json") or b"")["pid"] == os.getpid()


def test_it_can_be_held_again_and_again_and_leaves_nothing_in_an_empty_workspace(
    workspace: Workspace,
) -> None:
    for _ in range(2):
        with held(workspace, "score") as holding:
            holding.check()
        assert not workspace.exists() or not workspace.is_local
        assert workspace.read_bytes(".lock.json") is None


def test_an_error_inside_ends_it_too(workspace: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), held(workspace, "score"):
        raise ZeroDivisionError
    with held(workspace, "score"):
        pass


def test_of_many_at_once_one_gets_it(workspace: Workspace) -> None:
    def attempt(_: int) -> bool:
        try:
            with held(Workspace(workspace.root), "score"):
                time.sleep(1)
                return True
        except CallError:
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1


def test_what_outlives_its_run_can_write_no_more_once_the_next_one_has_begun(workspace: Workspace) -> None:
    row = empty_row("scores") | {"clip_id": "a"}
    with held(workspace, "score"):
        worker = Workspace(workspace.root, workspace.token)
        worker.append("scores", [row])
    Workspace(workspace.root).append("scores", [row | {"clip_id": "b"}])  # under no lock, as it likes
    for step in ("annotate", None):
        under = held(workspace, step) if step else nullcontext()
        with under, pytest.raises(RunError, match="no longer holds"):
            worker.append("scores", [row | {"clip_id": "c"}])
    assert workspace.ids("scores") == {"a", "b"}
    assert not workspace.is_local or not list(Path(workspace.root).rglob("*.tmp"))


def lease(workspace: Workspace, age_s: float) -> None:
    there = {"command": "score", "pid": 1, "host": "far-away", "since": "2026-01-01", "token": "theirs"}
    workspace.write_bytes(json.dumps(there | {"beat": time.time() - age_s}).encode(), ".lock.json")


def test_a_lease_of_another_machine_counts_until_it_is_old(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SETTLE_S", 0.1)
    workspace = Workspace(f"s3://{BUCKET}/lease")
    lease(workspace, lock.EXPIRY_S - 10)
    with pytest.raises(CallError, match=r"far-away.*its lock expires after 90 s"), held(workspace, "score"):
        pass
    lease(workspace, lock.EXPIRY_S + 1)
    with held(workspace, "score"):
        pass


def take_over(workspace: Workspace, holding: Lock) -> None:
    """Until the holder sees it: what is written while it is about to write is lost, as it should be."""
    for _ in range(50):
        lease(workspace, 0)
        time.sleep(0.3)
        holding.check()


def test_a_lease_is_renewed_and_who_lost_it_is_told(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SETTLE_S", 0.1)
    monkeypatch.setattr(lock, "BEAT_S", 0.1)
    workspace = Workspace(f"s3://{BUCKET}/renewed")
    with held(workspace, "score") as holding:
        first = json.loads(workspace.read_bytes(".lock.json") or b"")["beat"]
        time.sleep(2)
        assert json.loads(workspace.read_bytes(".lock.json") or b"")["beat"] > first
        holding.check()
        with pytest.raises(RunError, match=r"the lock on .* is lost"):
            take_over(workspace, holding)
    assert json.loads(workspace.read_bytes(".lock.json") or b"")["token"] == "theirs"


def test_of_two_who_find_a_lease_expired_the_first_gets_it(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SETTLE_S", 0.0)
    for name, age_s in (("expired", lock.EXPIRY_S + 1), ("free", None)):
        workspace = Workspace(f"s3://{BUCKET}/{name}")
        if age_s:
            lease(workspace, age_s)
        write = conditional.SharedObject.write

        def late(self: conditional.SharedObject, data: bytes) -> bool:
            lease(workspace, 0)  # noqa: B023 - the other writer, between reading and writing
            return write(self, data)  # noqa: B023

        with monkeypatch.context() as patched:
            patched.setattr(conditional.SharedObject, "write", late)
            with pytest.raises(CallError, match="far-away"), held(workspace, "score"):
                pass
        assert json.loads(workspace.read_bytes(".lock.json") or b"")["token"] == "theirs"


@pytest.mark.parametrize("lacks", ["boto3", "conditions", "credentials"])
def test_a_lease_works_without_conditional_puts(s3: S3, monkeypatch: pytest.MonkeyPatch, lacks: str) -> None:
    monkeypatch.setattr(lock, "SETTLE_S", 0.1)
    root = f"s3://{BUCKET}/without-{lacks}"
    server = s3._server._server
    application = server.app

    def without(environment: Any, start: Any) -> Any:
        if "HTTP_IF_NONE_MATCH" not in environment:
            return application(environment, start)
        start("501 Not Implemented", [("Content-Length", "0")])
        return [b""]

    if lacks == "boto3":
        monkeypatch.setitem(sys.modules, "boto3", None)
    elif lacks == "conditions":
        monkeypatch.setattr(server, "app", without)
    else:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        host = s3.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
        root = f"s3://key:secret@{BUCKET}/without?scheme=http&endpoint_override={host}"
    workspace = Workspace(root)
    refused = pytest.raises(CallError, match="motionsight score")
    with held(workspace, "score"), refused, held(Workspace(root), "annotate"):
        pass
    assert workspace.read_bytes(".lock.json") is None


def test_a_put_whose_answer_was_lost_counts(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = conditional.SharedObject(Workspace(f"s3://{BUCKET}/lost"), "object")
    assert shared.read() is None
    put = shared._s3.put_object

    def twice(**arguments: Any) -> dict[str, Any]:
        put(**arguments)
        return put(**arguments)

    monkeypatch.setattr(shared._s3, "put_object", twice)
    assert shared.write(b"mine")
    monkeypatch.undo()
    assert shared.write(b"next")
    assert shared.read() == b"next"


def test_a_place_that_cannot_be_written_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CallError, match="cannot write to"),
        held(Workspace(str(tmp_path / "file" / "W")), "x"),
    ):
        pass
