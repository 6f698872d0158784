"""The index of a workspace, kept up to date while others write to it, and what was last selected from it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from filters.verdicts import GatesConfig
from pipeline.errors import CallError, RunError
from pipeline.schema import PREFERENCES
from pipeline.workspace import Workspace
from stages.browse import tables
from stages.browse.index import Index, build
from stages.browse.query import Query, Selection, ordered, parse
from stages.review.store import preferences
from stages.split.settings import SplitConfig

CHECK_S = 5.0  # at most, until a change of the tables is noticed
SELECTIONS, ORDERS = 8, 4  # that are kept

T = TypeVar("T")


@dataclass(frozen=True)
class Edition:
    """One state of the tables.

    Attributes:
        number: Counts the states, from 1.
        index: The clips.
        files: What `stages.browse.tables.state` returned before they were read.
        at: When they were read.
    """

    number: int
    index: Index
    files: tuple[tuple[str, ...], ...]
    at: datetime


class Catalogue:
    """The clips of a workspace, which is only read, without its lock. For use by several threads."""

    def __init__(self, workspace: Workspace, gates: GatesConfig, split: SplitConfig) -> None:
        """Read the tables.

        Args:
            workspace: What is browsed.
            gates: Thresholds, which decide what is kept.
            split: The seed and the shares, which decide on the split.

        Raises:
            RunError: A table is damaged.
        """
        self._workspace, self.gates, self._split = workspace, gates, split
        self._lock, self._checking = threading.Lock(), threading.Lock()
        self._kept = OrderedDict[tuple[int, str], Selection]()
        self._orders = OrderedDict[tuple[int, str], np.ndarray]()
        self._votes: tuple[float, pa.Table] | None = None
        self._edition = self._read(1)
        self._checked = time.monotonic()

    def current(self) -> Edition:
        """Return the clips as they were a few seconds ago; if they have changed since, they are read anew."""
        if time.monotonic() - self._checked > CHECK_S and self._checking.acquire(blocking=False):
            threading.Thread(target=self._refresh, daemon=True).start()
        return self._edition

    def select(self, pairs: Iterable[tuple[str, str]]) -> tuple[Edition, Selection]:
        """Find clips.

        Args:
            pairs: Parameters of an address, as `stages.browse.query.parse` reads them.

        Raises:
            CallError: They are malformed.
        """
        edition = self.current()
        query = parse(pairs, edition.index)
        with self._lock:
            found = _kept(
                self._kept,
                (edition.number, str(query)),
                SELECTIONS,
                lambda: Selection(query, edition.index, self._order(query, edition)),
            )
        return edition, found

    def votes(self) -> pa.Table:
        """Return people's votes as they were a few seconds ago; none if they cannot be read now."""
        with self._lock:
            if not self._votes or time.monotonic() - self._votes[0] > CHECK_S:
                try:
                    found = preferences(self._workspace)
                except (CallError, RunError, OSError):  # as when they are being written
                    found = self._votes[1] if self._votes else PREFERENCES.empty_table()
                self._votes = time.monotonic(), found
            return self._votes[1]

    def _order(self, query: Query, edition: Edition) -> np.ndarray:
        key = (edition.number, query.sort)
        return _kept(self._orders, key, ORDERS, lambda: ordered(query.sort, edition.index))

    def _read(self, number: int) -> Edition:
        files = tables.state(self._workspace)
        index = build(tables.read(self._workspace), self.gates, self._split)
        for each in index.numbers.values():
            _ = each.bins  # made now, not while the first visitor waits
        pa.default_memory_pool().release_unused()  # what reading took
        return Edition(number, index, files, datetime.now(UTC))

    def _refresh(self) -> None:
        try:
            if tables.state(self._workspace) != self._edition.files:
                edition = self._read(self._edition.number + 1)
                with self._lock:
                    self._edition = edition
                    self._kept.clear()
                    self._orders.clear()
        except (RunError, OSError):
            pass  # as when a table is deleted at this moment: the clips stay as they were, for now
        finally:
            self._checked = time.monotonic()
            self._checking.release()


def _kept(
    kept: "OrderedDict[tuple[int, str], T]", key: tuple[int, str], most: int, make: Callable[[], T]
) -> T:
    """What is kept under a key, or is made and then kept; the `most` last ones used are."""
    found: Any = kept.pop(key, None)
    if found is None:
        found = make()
    kept[key] = found
    while len(kept) > most:
        kept.popitem(last=False)
    return found
