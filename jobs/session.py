"""What every command shares: the configuration, the workspace, progress on the screen, and the counts."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from configs.settings import Config
from pipeline import engine, lock
from pipeline.engine import Block, Stage
from pipeline.errors import CallError
from pipeline.workspace import Workspace

PROGRESS_S = 60.0  # between two lines where no bar can be drawn, as in a job's log
RUNS = 1000  # that run.json keeps
OUTCOMES: dict[Any, str] = {
    0: "done",
    1: "failed",
    3: "not all clips are done, or too many failed",
}  # by exit code
PACKAGES = ("motionsight-distill", "ray", "pyarrow", "av", "opencv-python-headless", "torch")


def console() -> Console:
    """Where people are told things: standard error, 110 columns wide where it is no terminal."""
    found = Console(stderr=True, highlight=False)
    return found if found.is_terminal else Console(stderr=True, highlight=False, width=110)


@dataclass
class Tally:
    """What a stage has done in this run."""

    began: float = field(default_factory=time.perf_counter)
    rows: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, block: Block) -> None:
        self.rows += block.rows
        self.errors.update(block.errors)
        self.seconds = time.perf_counter() - self.began

    def told(self) -> dict[str, Any]:
        """As it stands in `run.json`; seconds and rate with Ray's start in them."""
        return {
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "rows_per_s": round(self.rows / self.seconds, 3) if self.rows else 0.0,
            "errors": dict(sorted(self.errors.items())),
        }


@dataclass
class Session:
    """One call of a command on a workspace. `out` is for people; results go to the workspace."""

    config: Config
    workspace: Workspace
    out: Console = field(default_factory=console)
    stages: dict[str, Tally] = field(default_factory=dict)
    _lock: lock.Lock | None = None

    @contextmanager
    def writing(self, command: str) -> Iterator[None]:
        """Hold the workspace against other writers, and add an entry to its `run.json` if clips were done.

        Raises CallError when another process holds it.
        """
        with lock.held(self.workspace, command) as self._lock:
            self.workspace.sweep()
            at, began = datetime.now(UTC), time.perf_counter()
            outcome = "done"
            try:
                yield
            except BaseException as error:
                ended = error.code if isinstance(error, SystemExit) else None
                outcome = str(error) if ended is None else OUTCOMES.get(ended, "stopped")
                raise
            finally:
                if self.stages:
                    entry = {
                        "command": command,
                        "at": at.isoformat(timespec="seconds"),
                        "seconds": round(time.perf_counter() - began, 3),
                        "outcome": outcome,
                        "stages": {name: tally.told() for name, tally in self.stages.items()},
                        "versions": versions(),
                    }
                    with suppress(OSError):  # where nothing can be written, that is what the run told already
                        runs = json.loads(self.workspace.read_bytes("run.json") or b"[]")
                        told = json.dumps([*runs, entry][-RUNS:], indent=1, ensure_ascii=False)
                        self.workspace.write_bytes(told.encode(), "run.json")

    def need(self, table: str, command: str) -> pa.Table:
        """A table that an earlier command fills. Raises CallError when it is empty."""
        rows = self.workspace.read(table)
        if not rows.num_rows:
            raise CallError(f"{self.workspace.root} has no {table} yet; run `motionsight {command}` first")
        return rows

    def run(
        self, title: str, rows: pa.Table, make: Callable[[], Stage], workspace: Workspace | None = None
    ) -> list[dict[str, Any]]:
        """Put rows through a stage with a progress bar. Returns the rows that went to no table."""
        out: list[dict[str, Any]] = []
        tally = self.stages[title] = Tally()
        bar = Progress(
            TextColumn(f"{title:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.out,
            disable=not self.out.is_terminal,
        )
        said = time.perf_counter()
        with bar:
            task = bar.add_task(title, total=rows.num_rows)
            for block, given in engine.run(rows, make, self.config.engine.of(title), workspace):
                if self._lock:
                    self._lock.check()
                bar.advance(task, block.rows)
                tally.add(block)
                if bar.disable and time.perf_counter() - said > PROGRESS_S:
                    said = time.perf_counter()
                    rate = tally.rows / tally.seconds
                    self.say(f"{title}: {tally.rows} of {rows.num_rows} clips, {rate:.2f} a second")
                out += given
        codes = ", ".join(f"{code} {count}" for code, count in sorted(tally.errors.items()))
        failed = f"{tally.errors.total()} failed" + (f" ({codes})" if codes else "")
        self.say(f"{title}: {tally.rows} clips done, {failed}")
        return out

    def say(self, text: str) -> None:
        self.out.print(text, markup=False, soft_wrap=True)


def versions() -> dict[str, str]:
    """Of the packages that results depend on; one that runs from a checkout has none."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
