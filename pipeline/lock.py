"""One writer at a time on a workspace, and no lock left behind by a dead one.

On a local disk the kernel holds the lock and drops it with its process. In an object store it is a lease: an
object that its holder writes anew all the time, and that counts for nothing once it is old.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.errors import CallError, RunError, reason
from pipeline.workspace import LOCK, Workspace

BEAT_S = 15.0  # a lease is written anew so often
EXPIRY_S = 90.0  # a lease this old is nobody's; clocks must agree much better than this
READS = 10  # of a lease that changes under the reader
SETTLE_S = 2.0  # of two that write a lease at once, the last one has it: who looks again so much later knows


class Lock:
    """Held for as long as `held` lasts. `check` says whether it still is."""

    def __init__(self, lost: threading.Event, where: str) -> None:
        self._lost, self._where = lost, where

    def check(self) -> None:
        """Raises RunError when another writer has taken the workspace over."""
        if self._lost.is_set():
            raise RunError(
                f"another writer took {self._where} over, as this one could not reach it for {EXPIRY_S:g} s;"
                " the same command goes on once the other has ended"
            )


@contextmanager
def held(workspace: Workspace, command: str) -> Iterator[Lock]:
    """Hold the workspace for writing; its folder is made when missing, and removed again if nothing came in.

    command: told to those who are refused. Raises CallError when another process holds it, or when it cannot
    be written to.
    """
    me = {
        "command": command,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "token": uuid.uuid4().hex,
    }
    with _flock(workspace, me) if workspace.is_local else _lease(workspace, me) as lock:
        workspace.token = str(me["token"])
        try:
            yield lock
        finally:
            workspace.token = None


@contextmanager
def _flock(workspace: Workspace, me: dict[str, Any]) -> Iterator[Lock]:
    folder = Path(workspace.root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(blocking=False)
    except Timeout:
        raise _refusal(workspace, _read(workspace)) from None
    except OSError as error:
        raise CallError(f"cannot write to {workspace.root}: {reason(error)}") from error
    try:
        workspace.write_bytes(json.dumps(me).encode(), LOCK)
        yield Lock(threading.Event(), workspace.root)
    finally:
        with suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
            if {path.name for path in folder.iterdir()} == {".lock"}:
                (folder / ".lock").unlink()
                folder.rmdir()
        lock.release()


@contextmanager
def _lease(workspace: Workspace, me: dict[str, Any]) -> Iterator[Lock]:
    def beat() -> None:
        workspace.write_bytes(json.dumps(me | {"beat": time.time()}).encode(), LOCK)

    try:
        there = _read(workspace)
        if there and time.time() - there["beat"] < EXPIRY_S and not _dead_here(there):
            raise _refusal(workspace, there)
        beat()
        time.sleep(SETTLE_S)
        there = _read(workspace)
    except OSError as error:
        raise CallError(f"cannot write to {workspace.root}: {reason(error)}") from error
    if not there or there["token"] != me["token"]:
        raise _refusal(workspace, there)

    done, lost = threading.Event(), threading.Event()

    def keep() -> None:
        good = time.monotonic()
        while not done.wait(BEAT_S):
            with suppress(OSError):  # the store may come back before the lease is old
                there = _read(workspace)
                if there and there["token"] != me["token"]:
                    break
                beat()
                good = time.monotonic()
            if time.monotonic() - good > EXPIRY_S:
                break
        if not done.is_set():
            lost.set()

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield Lock(lost, workspace.root)
    finally:
        done.set()
        thread.join()
        with suppress(OSError):  # then it ends by its age
            if not lost.is_set():
                workspace.delete(LOCK)


def _dead_here(there: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine that is gone."""
    return there["host"] == socket.gethostname() and not Path(f"/proc/{there['pid']}").exists()


def _read(workspace: Workspace) -> dict[str, Any]:
    """Who holds the workspace, as far as is told. Raises OSError."""
    for _ in range(READS):
        try:
            return json.loads(workspace.read_bytes(LOCK) or b"{}")
        except ValueError:  # an object store asks for the size first; it was written anew in between
            time.sleep(0.1)
    raise OSError(f"{LOCK} in {workspace.root} is damaged; delete it if nothing writes there")


def _refusal(workspace: Workspace, there: dict[str, Any]) -> CallError:
    if not there:  # between its start and its telling
        return CallError(f"{workspace.root} is being written to by another process; wait until it has ended")
    until = "" if workspace.is_local else f" (if it is dead, its lock ends after {EXPIRY_S:g} s)"
    return CallError(
        f"{workspace.root} is being written to by `motionsight {there['command']}`, process {there['pid']} on"
        f" {there['host']} since {there['since']}; wait until it has ended, or stop it{until}"
    )
