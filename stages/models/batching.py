"""Calls of several threads that share a batch of a model."""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class _Item:
    """One of the items of a call, and what became of it."""

    kind: Hashable
    given: Any
    call: object
    done: bool = False
    result: Any = None
    error: Exception | None = None


class Batches:
    """A function that takes many items at a time, shared by threads that have a few each.

    One batch is computed at a time. Whatever arrives meanwhile shares the next one, so that batches grow with
    the load, and a call that comes alone does not wait. Only items of one kind share a batch.
    """

    def __init__(self, compute: Callable[[list[Any]], Sequence[Any]], most: int, gather_s: float = 0) -> None:
        """Share a function.

        Args:
            compute: Returns a result for each item of a batch, in order. An item's result must not depend on
                the others.
            most: Items in a batch, at most.
            gather_s: How long a batch with free places waits for threads that are `present`, seconds.
        """
        self._compute, self._most, self._gather_s = compute, most, gather_s
        self._turn = threading.Lock()  # held while a batch is gathered and computed
        self._arrival = threading.Condition()  # guards the two below
        self._waiting: list[_Item] = []
        self._present = 0

    @contextmanager
    def present(self) -> Iterator[None]:
        """Announce that this thread has items, or soon will: batches wait for it."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._arrival:
            self._present += change
            self._arrival.notify_all()

    def __call__(self, items: Sequence[Any], kind: Hashable = None) -> list[Any]:
        """Compute a result for each item, in order.

        Args:
            items: What `compute` takes.
            kind: What they have to have in common with other items to share a batch, such as their shape.

        Raises:
            Exception: What `compute` raised for these items without those of other calls.
        """
        call = object()
        mine = [_Item(kind, item, call) for item in items]
        with self._arrival:
            self._waiting += mine
            self._arrival.notify_all()
        while not all(item.done for item in mine):
            with self._turn:  # another thread may have done all while this one waited for its turn
                if not all(item.done for item in mine):
                    self._run(self._gathered())
        for item in mine:
            if item.error:
                raise item.error
        return [item.result for item in mine]

    def _gathered(self) -> list[_Item]:
        """The next batch: the items that have waited longest, and others of their kind."""
        until = time.monotonic() + self._gather_s
        with self._arrival:
            while True:
                kind = self._waiting[0].kind
                batch = [item for item in self._waiting if item.kind == kind][: self._most]
                complete = len({item.call for item in self._waiting}) >= self._present
                left = until - time.monotonic()
                if len(batch) == self._most or complete or left <= 0:
                    self._waiting = [item for item in self._waiting if item not in batch]
                    return batch
                self._arrival.wait(left)

    def _run(self, batch: Sequence[_Item]) -> None:
        """Compute a batch; if that fails, each call for itself, so that it costs no other call."""
        calls = {item.call for item in batch}
        try:
            results = self._compute([item.given for item in batch])
        except Exception as error:  # noqa: BLE001 - raised in the thread that it concerns
            if len(calls) > 1:
                for call in calls:
                    self._run([item for item in batch if item.call is call])
                return
            for item in batch:
                item.error, item.done = error, True
            return
        for item, result in zip(batch, results, strict=True):
            item.result, item.done = result, True
