"""What is made of a clip when somebody looks at it, and then kept for a while."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import RunError
from pipeline.isolation import Isolated, Limits

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """Something that is made of clips.

    Attributes:
        make: Called in a child process, to create what makes it: a function of the clip's row and the kind
            that is wanted, which returns bytes. Picklable.
        limits: Time and memory for one clip.
        preload: The module of `make`.
        at_once: How many are made at once.
        waiting: How many may wait, at most.
        megabytes: How much is kept on disk.
    """

    make: Callable[[], Callable[[Row, str], bytes]]
    limits: Limits
    preload: str
    at_once: int
    waiting: int
    megabytes: int


class OnDemand:
    """Makes things of clips: what was asked for last comes first.

    Who scrolls past a thousand clips waits for those that are on the screen, not for all before them.
    """

    def __init__(self, work: Work, folder: str) -> None:
        """Start the threads; their child processes start with the first clip.

        Args:
            work: What is made.
            folder: For what is kept; nothing else may be in it.
        """
        self._work, self._folder = work, Path(folder)
        self._folder.mkdir(exist_ok=True)
        self._kept = OrderedDict[str, int]()  # bytes, by key, in the order of use
        self._size = 0  # of all that is kept, bytes
        self._waiting = OrderedDict[str, tuple[Future[bytes], Row, str]]()
        self._made: dict[str, Future[bytes]] = {}  # that are being made
        self._change = threading.Condition()
        self._open = True
        self._children: list[Isolated] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(work.at_once)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the child processes; what is waited for fails."""
        with self._change:
            self._open = False
            self._change.notify_all()
            for child in self._children:
                child.interrupt()
        for thread in self._threads:
            thread.join()
        for child in self._children:
            child.close()
        for future, _, _ in self._waiting.values():
            future.set_exception(RunError("the server stops"))

    def get(self, clip: Row, kind: str) -> Future[bytes]:
        """Begin to make something, unless it is kept or on its way.

        Args:
            clip: clip_id, uri, start_s, end_s.
            kind: What is made of it.

        Returns:
            What was made; a ClipError if the clip cannot be read or decoded, a RunError if the store of the
            clips cannot be reached or too many others have been asked for since.
        """
        key = f"{kind} {clip['clip_id']}"
        with self._change:
            if key in self._kept:
                self._kept.move_to_end(key)
                done: Future[bytes] = Future()
                done.set_result(self._file(key).read_bytes())
                return done
            if key in self._made:
                return self._made[key]
            future, *_ = self._waiting.pop(key, (Future[bytes](),))
            self._waiting[key] = (future, clip, kind)
            if len(self._waiting) > self._work.waiting:
                _, (oldest, *_) = self._waiting.popitem(last=False)
                oldest.set_exception(RunError("too many others were asked for since"))
            self._change.notify()
            return future

    def _run(self) -> None:
        child: Isolated | None = None
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or not self._open)
                if not self._open:
                    return
                key, (future, clip, kind) = self._waiting.popitem()
                self._made[key] = future
            try:
                child = child or self._child()
                made: bytes = child(clip, kind)
                with self._change:
                    self._keep(key, made)
            except Exception as error:  # noqa: BLE001 - given to those who wait
                self._done(key)
                future.set_exception(error)
            else:
                self._done(key)
                future.set_result(made)

    def _child(self) -> Isolated:
        child = Isolated(self._work.make, self._work.limits, [self._work.preload])
        with self._change:
            self._children.append(child)
            if not self._open:
                child.interrupt()
        return child

    def _done(self, key: str) -> None:
        with self._change:
            del self._made[key]

    def _keep(self, key: str, made: bytes) -> None:
        self._file(key).write_bytes(made)
        self._kept[key] = len(made)
        self._size += len(made)
        while self._size > self._work.megabytes << 20:
            oldest, size = self._kept.popitem(last=False)
            self._size -= size
            with suppress(OSError):
                self._file(oldest).unlink()

    def _file(self, key: str) -> Path:
        return self._folder / key.encode("utf-8", "surrogatepass").hex()
