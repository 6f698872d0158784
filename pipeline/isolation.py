"""A function in a child process of its own, so that a clip which crashes, hangs or swells costs only itself.

Decoders are C code that is fed files from anywhere: they do crash and hang, and no exception tells of it.
"""

import fcntl
import multiprocessing
import os
import re
import resource
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ERRORS, ClipError, RunError, reason

GIB = 1024**3
F_SETSIG = 10  # from fcntl.h; the module fcntl does not name it
# Fork servers start a child in milliseconds with the heavy imports done, and have no threads that a fork
# could catch in mid-lock, as Ray's workers do.
CONTEXT = multiprocessing.get_context("forkserver")
NO_MEMORY = re.compile(
    r"(out of|not enough|can't allocate|cannot allocate|insufficient) memory|bad.alloc", re.I
)


class Limits(BaseModel):
    """What one clip may take. None of it changes a result."""

    model_config = ConfigDict(extra="forbid")

    clip_timeout_s: float = Field(600.0, gt=0, description="for one clip; above it, its error is timeout")
    clip_memory_gb: float | None = Field(
        4.0,
        gt=0,
        description="GiB on top of what the process holds before the clip; above it, its error is"
        " out_of_memory; null: no limit",
    )


class Isolated:
    """A callable that runs in a child process, kept from call to call and replaced when it was lost.

    The child dies with this process, whatever it is doing. For use by one thread at a time.
    """

    def __init__(
        self, make: Callable[[], Callable[..., Any]], limits: Limits, preload: Sequence[str] = ()
    ) -> None:
        """Start the child and wait until it is ready.

        make: gives the callable, in the child; picklable. preload: heavy modules that it imports, which a
        new child then need not wait for. Raises RuntimeError when `make` fails.
        """
        self._make, self._limits, self._preload = make, limits, list(preload)
        self._child: Any = None
        self._start()

    def __call__(self, *arguments: Any) -> Any:
        """What the function gives for these arguments; both are pickled.

        Raises ClipError: the function's own; timeout, out_of_memory, worker_crash; internal for any other
        exception, with the child's traceback as a note. Raises the function's RunError.
        """
        try:
            self._ask(arguments)
        except OSError:  # it died since the last call, so not of these arguments
            self.close()  # as it may count as alive for a moment yet
            self._ask(arguments)
        try:
            if not self._pipe.poll(self._limits.clip_timeout_s):
                raise ClipError("timeout", f"not done after clip_timeout_s={self._limits.clip_timeout_s:g}")
            error, given = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise self._death() from None
        except BaseException:
            self.close()
            raise
        if not error:
            return given
        code, detail, where = error
        if not code:
            raise RunError(detail)
        if code == "out_of_memory":
            self.close()  # a heap that was full once stays in pieces
        failed = ClipError(code, detail)
        failed.add_note(where)
        raise failed

    def _ask(self, arguments: Sequence[Any]) -> None:
        if not (self._child and self._child.is_alive()):
            self._start()
        self._pipe.send(arguments)

    def _start(self) -> None:
        self.close()
        # A child begins by importing its parent's main module; that of Ray's workers takes a second.
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
        """End the child from another thread than the one that waits for it, which gets a ClipError."""
        if child := self._child:
            with suppress(ValueError):  # it was closed in this moment
                child.kill()

    def close(self) -> None:
        """End the child, at once. The next call starts another."""
        if self._child:
            self._child.kill()
            self._child.join()
            self._child.close()
            self._pipe.close()
            self._child = None

    def _death(self) -> ClipError:
        """What to say of a child that ended by itself."""
        self._child.join()
        code = self._child.exitcode
        if code == -signal.SIGKILL:
            return ClipError("out_of_memory", "its process was killed, as happens when memory runs out")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ClipError("worker_crash", f"the process working on the clip died ({how})")


def as_clip_error(error: Exception) -> ClipError:
    """An exception of a stage as what becomes of the clip: its own code, out_of_memory, or internal."""
    chain: list[BaseException] = [error]
    while follow := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(follow)
    for it in chain:
        # OpenCV and torch tell of it in words alone; those of a ClipError may hold a file's name.
        if isinstance(it, MemoryError) or (not isinstance(it, ClipError) and NO_MEMORY.search(reason(it))):
            return ClipError("out_of_memory", f"{ERRORS['out_of_memory']}: {reason(it) or 'MemoryError'}")
    if isinstance(error, ClipError):
        return error
    where = traceback.extract_tb(error.__traceback__)[-1]
    return ClipError("internal", f"{type(error).__name__} in {where.name}: {reason(error)}; please report it")


def _serve(pipe: Connection, make: Callable[[], Callable[..., Any]], memory_gb: float | None) -> None:
    """The child: says why it is not ready, or "", then answers each call with (error, result)."""
    import cv2

    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent decides
    cv2.setNumThreads(1)  # as in the workers
    try:
        function = make()
    except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
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
                _allow(int(memory_gb * GIB))
            pipe.send((None, function(*arguments)))
        except RunError as error:
            pipe.send((("", str(error), ""), None))
        except Exception as error:  # noqa: BLE001 - as above
            failed = as_clip_error(error)
            pipe.send(((failed.code, failed.detail, traceback.format_exc()), None))


def _die_with_parent() -> None:
    """Have the kernel kill this process when the parent is gone: a thread would wait for C code's locks."""
    parent = multiprocessing.parent_process()
    assert parent
    fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(parent.sentinel, F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(parent.sentinel, fcntl.F_GETFL)
    fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([parent.sentinel], [], [], 0)[0]:  # it went before the kernel was asked
        os._exit(1)


def _allow(more: int) -> None:
    """Let this process take so many bytes more than it has; then allocations fail.

    RLIMIT_DATA counts memory that was taken to be written; RLIMIT_AS would count the address space that
    CUDA, thread stacks and memory-mapped files only reserve.
    """
    held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = held + more
    resource.setrlimit(
        resource.RLIMIT_DATA, (limit if most == resource.RLIM_INFINITY else min(limit, most), most)
    )
