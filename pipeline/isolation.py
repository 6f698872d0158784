"""Run a function in a child process, so that a crash, a hang or too little memory costs one clip only.

Decoders are C code that reads files from anywhere. They do crash and hang, and neither raises an exception.
"""

import fcntl
import multiprocessing
import os
import re
import resource
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline import scratch
from pipeline.errors import ERRORS, ClipError, RunError, reason

GIB = 1024**3
F_SETSIG = 10  # from fcntl.h; Python's fcntl module does not define it
# A fork server starts a child in milliseconds, with the heavy imports already done. It has no threads;
# forking a Ray worker, which has many, could copy a lock in its locked state.
CONTEXT = multiprocessing.get_context("forkserver")
NO_MEMORY = re.compile(
    r"(out of|not enough|can't allocate|cannot allocate|insufficient) memory|bad.alloc", re.I
)


class Limits(BaseModel):
    """Limits for a single clip. They never change a result."""

    model_config = ConfigDict(extra="forbid")

    clip_timeout_s: float = Field(
        600.0, gt=0, description="seconds for one clip; beyond it, the clip fails with timeout"
    )
    clip_memory_gb: float | None = Field(
        4.0,
        gt=0,
        description="GiB that one clip may use on top of what its process already holds; beyond it, the clip"
        " fails with out_of_memory; null: no limit",
    )


class Isolated:
    """A callable that runs in a child process, which is kept between calls and replaced if it dies.

    The child dies with this process, whatever it is doing, and so do programs that it has started. Calls from
    several threads take turns.
    """

    def __init__(
        self, make: Callable[[], Callable[..., Any]], limits: Limits, preload: Sequence[str] = ()
    ) -> None:
        """Start the child and wait until it is ready.

        Args:
            make: Called in the child, to create the callable; picklable.
            limits: Time and memory for each call.
            preload: Heavy modules that the callable needs, imported in advance so that a new child starts
                quickly.

        Raises:
            RuntimeError: `make` failed.
        """
        self._make, self._limits, self._preload = make, limits, list(preload)
        self._child: Any = None
        self._turn = threading.Lock()
        self._start()

    def __call__(self, *arguments: Any) -> Any:
        """Call the function in the child; arguments and result are pickled.

        Raises:
            ClipError: The function raised it; or timeout, out_of_memory or worker_crash; or internal for any
                other exception, with the child's traceback as a note.
            RunError: The function raised it.
        """
        with self._turn:
            return self._call(arguments)

    def _call(self, arguments: Sequence[Any]) -> Any:
        try:
            self._send(arguments)
        except OSError:  # the child died after the previous call, so these arguments are not to blame
            self.close()  # is_alive may still be true for a moment
            self._send(arguments)
        try:
            if not self._pipe.poll(self._limits.clip_timeout_s):
                raise ClipError("timeout", f"not done after clip_timeout_s={self._limits.clip_timeout_s:g}")
            error, result = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise self._death() from None
        except BaseException:
            self.close()
            raise
        if not error:
            return result
        code, detail, where = error
        if not code:
            raise RunError(detail)
        if code == "out_of_memory":
            self.close()  # its heap stays fragmented
        failed = ClipError(code, detail)
        failed.add_note(where)
        raise failed

    def _send(self, arguments: Sequence[Any]) -> None:
        if not (self._child and self._child.is_alive()):
            self._start()
        self._pipe.send(arguments)

    def _start(self) -> None:
        self.close()
        scratch.hold()  # for the child, which may be killed at any time
        # A child first imports its parent's main module, which takes a second in Ray's workers.
        main = [name for name in ("ray", "ray._private.worker") if name in sys.modules]
        CONTEXT.set_forkserver_preload([*main, *self._preload])
        self._pipe, theirs = CONTEXT.Pipe()
        self._child = CONTEXT.Process(
            target=_serve, args=(theirs, self._make, self._limits.clip_memory_gb), daemon=True
        )
        self._child.start()
        theirs.close()
        try:
            failed = self._pipe.recv()
        except (EOFError, ConnectionError):
            failed = str(self._death())
        if failed:
            self.close()
            raise RuntimeError(failed)

    def interrupt(self) -> None:
        """Kill the child. May be called from another thread: a call in progress raises ClipError."""
        if child := self._child:
            with suppress(ValueError):  # closed in the meantime
                _kill(child)

    def close(self) -> None:
        """Kill the child. The next call starts a new one."""
        if self._child:
            _kill(self._child)
            self._child.join()
            self._child.close()
            self._pipe.close()
            self._child = None

    def _death(self) -> ClipError:
        """The error for a child that ended on its own."""
        self._child.join()
        code = self._child.exitcode
        if code == -signal.SIGKILL:
            return ClipError("out_of_memory", "its process was killed, probably because memory ran out")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ClipError("worker_crash", f"the process working on the clip died ({how})")


def _kill(child: Any) -> None:
    """Kill a child and the programs that it has started, which are of its process group."""
    child.kill()
    with suppress(ProcessLookupError):  # it has not come to make a group yet, or all have ended
        os.killpg(child.pid, signal.SIGKILL)


def as_clip_error(error: Exception) -> ClipError:
    """Convert an exception raised by a stage to a ClipError.

    Returns:
        `error` itself if it is a ClipError; out_of_memory if it or an exception that led to it says that
        memory ran out; else internal.
    """
    chain: list[BaseException] = [error]
    while follow := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(follow)
    for it in chain:
        # OpenCV and torch only say so in the message. A ClipError's may be about a file name.
        if isinstance(it, MemoryError) or (not isinstance(it, ClipError) and NO_MEMORY.search(reason(it))):
            return ClipError("out_of_memory", f"{ERRORS['out_of_memory']}: {reason(it) or 'MemoryError'}")
    if isinstance(error, ClipError):
        return error
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{'/'.join(Path(where.filename).parts[-3:])}:{where.lineno}"
    said = f"{type(error).__name__} in {where.name} ({place}): {reason(error)}"
    return ClipError("internal", f"{said}; if that is not your own code, please report it")


def _serve(pipe: Connection, make: Callable[[], Callable[..., Any]], memory_gb: float | None) -> None:
    """The child's loop: send "" or why the start failed, then answer each call with (error, result)."""
    import cv2

    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent decides
    cv2.setNumThreads(1)  # as in the workers
    try:
        function = make()
    except Exception as error:  # noqa: BLE001 - sent to the parent, which raises it
        pipe.send(f"{type(error).__name__}: {reason(error)}")
        return
    pipe.send("")
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            return
        try:
            if memory_gb:
                _limit_memory(int(memory_gb * GIB))
            pipe.send((None, function(*arguments)))
        except RunError as error:
            pipe.send((("", str(error), ""), None))
        except Exception as error:  # noqa: BLE001 - sent to the parent, which raises it
            failed = as_clip_error(error)
            pipe.send(((failed.code, failed.detail, traceback.format_exc()), None))


def _die_with_parent() -> None:
    """Have the kernel kill this process, and those that it starts, when the parent exits.

    A thread that waits for that could be blocked by C code.
    """
    parent = multiprocessing.parent_process()
    assert parent
    os.setpgid(0, 0)
    fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, -os.getpid())  # the group
    fcntl.fcntl(parent.sentinel, F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(parent.sentinel, fcntl.F_GETFL)
    fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([parent.sentinel], [], [], 0)[0]:  # the parent had already exited
        os._exit(1)


def _limit_memory(more: int) -> None:
    """Let this process allocate `more` bytes beyond what it holds; after that, allocations fail.

    RLIMIT_DATA counts private writable memory. RLIMIT_AS would also count address space that CUDA, thread
    stacks and memory-mapped files merely reserve.
    """
    held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = held + more
    resource.setrlimit(
        resource.RLIMIT_DATA, (limit if most == resource.RLIM_INFINITY else min(limit, most), most)
    )
