"""A lock that admits one writer to a workspace at a time, and that a dead process does not leave behind.

On a local disk it is a file lock, which the kernel releases when the process ends. In an object store it is a
lease: an object that its holder rewrites at short intervals, and that expires when it is no longer rewritten.
Where the store has conditional puts, of two writers that find it free or expired only the first gets it;
elsewhere it is the last one, which is why a new lease is read again after a while.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.conditional import SharedObject
from pipeline.errors import CallError, RunError, reason
from pipeline.workspace import LOCK, Workspace

BEAT_S = 15.0  # interval at which the holder rewrites its lease
EXPIRY_S = 90.0  # age at which a lease has expired; the machines' clocks must agree much better than this
READS = 10  # attempts to read a lease that is being rewritten
SETTLE_S = 2.0  # wait before re-reading a new lease: of two simultaneous writers, the last one holds it


class Lock:
    """A lock on a workspace, held inside the block of `held` unless another writer takes it over."""

    def __init__(self, lost: threading.Event, where: str) -> None:
        self._lost, self._where = lost, where

    def check(self) -> None:
        """Check that the lock is still held.

        Raises:
            RunError: It could not be renewed in time, or another writer has taken over.
        """
        if self._lost.is_set():
            raise RunError(
                f"the lock on {self._where} is lost: it was unreachable for {EXPIRY_S:g} s, or another writer"
                " has taken over; run the same command again when no other is writing"
            )


@contextmanager
def held(workspace: Workspace, command: str) -> Iterator[Lock]:
    """Lock a workspace for writing. A missing folder is created, and removed again if it stays empty.

    Args:
        workspace: What to lock.
        command: The command that writes, named in the error that other writers get.

    Raises:
        CallError: Another process holds the lock, or the workspace is not writable.
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
        raise _refusal(workspace, _record(lambda: workspace.read_bytes(LOCK), workspace)) from None
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
    shared = SharedObject(workspace, LOCK)

    def beat() -> bool:
        return shared.write(json.dumps(me | {"beat": time.time()}).encode())

    try:
        holder = _record(shared.read, workspace)
        if holder and time.time() - holder["beat"] < EXPIRY_S and not _dead_here(holder):
            raise _refusal(workspace, holder)
        if beat():
            time.sleep(SETTLE_S)
        holder = _record(shared.read, workspace)
    except OSError as error:
        raise CallError(f"cannot write to {workspace.root}: {reason(error)}") from error
    if not holder or holder["token"] != me["token"]:
        raise _refusal(workspace, holder)

    done, lost = threading.Event(), threading.Event()

    def keep() -> None:
        renewed = time.monotonic()
        while not done.wait(BEAT_S):
            with suppress(OSError):  # the store may come back before the lease expires
                holder = _record(shared.read, workspace)
                if (holder and holder["token"] != me["token"]) or not beat():
                    break
                renewed = time.monotonic()
            if time.monotonic() - renewed > EXPIRY_S:
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
        with suppress(OSError):  # if it cannot be deleted, it expires
            if not lost.is_set():
                workspace.delete(LOCK)


def _dead_here(holder: dict[str, Any]) -> bool:
    """Whether the holder was a process on this machine that has ended."""
    return holder["host"] == socket.gethostname() and not Path(f"/proc/{holder['pid']}").exists()


def _record(read: Callable[[], bytes | None], workspace: Workspace) -> dict[str, Any]:
    """The record of the workspace's holder; empty if there is none. Raises OSError."""
    for _ in range(READS):
        try:
            return json.loads(read() or b"{}")
        except ValueError:  # a store's client gets the size, then the content; it was rewritten in between
            time.sleep(0.1)
    raise OSError(f"{LOCK} in {workspace.root} is damaged; delete it if nothing is writing there")


def _refusal(workspace: Workspace, holder: dict[str, Any]) -> CallError:
    if not holder:  # it has the lock, but has not written its record yet
        return CallError(f"another process is writing to {workspace.root}; wait until it ends")
    until = "" if workspace.is_local else f" (if it has died, its lock expires after {EXPIRY_S:g} s)"
    return CallError(
        f"`motionsight {holder['command']}` (process {holder['pid']} on {holder['host']}, since"
        f" {holder['since']}) is writing to {workspace.root}; wait until it ends, or stop it{until}"
    )
