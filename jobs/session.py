"""What the commands share: settings, workspace, progress display and counts."""

import json
import shlex
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from configs.published import Given
from configs.settings import Config, identity, noted
from jobs.console import console
from jobs.patience import awaited, patience
from pipeline import engine, lock
from pipeline.engine import Block
from pipeline.errors import CallError
from pipeline.stage import Stage
from pipeline.workspace import Workspace
from stages.models.actors import Handle, model_actors
from stages.models.backend import Backend

PROGRESS_S = 60.0  # between progress lines where no bar can be drawn, as in the log of a job
RUNS = 1000  # entries kept in run.json
OUTCOMES: dict[Any, str] = {
    0: "done",
    1: "failed",
    3: "not all clips are done, or too many failed",
}  # by exit code
PACKAGES = ("motionsight-distill", "ray", "pyarrow", "av", "opencv-python-headless", "torch")


@dataclass
class Tally:
    """Counts of what a stage has done in this run.

    Attributes:
        began: When it started, Ray being there, by `time.perf_counter`.
        rows: Clips processed, including those that failed.
        errors: How many failed, by code.
        seconds: From the start to the last block.
    """

    began: float = field(default_factory=time.perf_counter)
    rows: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, block: Block) -> None:
        """Count a block."""
        self.rows += block.rows
        self.errors.update(block.errors)
        self.seconds = time.perf_counter() - self.began

    def entry(self) -> dict[str, Any]:
        """Return the counts in the form of `run.json`."""
        return {
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "rows_per_s": round(self.rows / self.seconds, 3) if self.rows else 0.0,
            "errors": dict(sorted(self.errors.items())),
        }


class Ticker:
    """Says from time to time how far something is, and how fast."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._began = self._said = time.perf_counter()

    def __call__(self, count: int, text: str) -> None:
        """Say the text with the rate at which `count` was reached, unless something was just said."""
        now = time.perf_counter()
        if now - self._said > PROGRESS_S:
            self._said = now
            self._say(f"{text}, {count / (now - self._began):.2f} per second")


class Rate(ProgressColumn):
    """Rows per second, of late."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "")


@dataclass
class Session:
    """One invocation of a command on a workspace.

    Attributes:
        config: The settings.
        workspace: Where results go.
        out: The console for messages.
        report: The console for what was asked for.
        stages: What each stage has done, by its name.
        given: Where the settings come from; None: not from a command line.
        profile: What a dataset records of the settings file, as in `configs.published.Settled`.
    """

    config: Config
    workspace: Workspace
    out: Console = field(default_factory=console)
    report: Console = field(default_factory=lambda: console(report=True))
    stages: dict[str, Tally] = field(default_factory=dict)
    given: Given | None = None
    profile: Mapping[str, Any] | None = None
    _lock: lock.Lock | None = None

    @contextmanager
    def writing(self, command: str) -> Iterator[None]:
        """Lock the workspace for the block, and add an entry to `run.json` if a stage ran.

        Args:
            command: Its name, for that entry and for the error that other writers get.

        Raises:
            CallError: Another process holds the lock.
        """
        with lock.held(self.workspace, command) as self._lock:
            self.workspace.sweep()
            at, began = datetime.now(UTC), time.perf_counter()
            outcome = "done"
            try:
                yield
            except BaseException as error:
                code = error.code if isinstance(error, SystemExit) else None
                outcome = str(error) if code is None else OUTCOMES.get(code, "stopped")
                raise
            finally:
                if self.stages:
                    entry = {
                        "command": command,
                        "at": at.isoformat(timespec="seconds"),
                        "seconds": round(time.perf_counter() - began, 3),
                        "outcome": outcome,
                        "stages": {name: tally.entry() for name, tally in self.stages.items()},
                        "versions": versions(),
                    }
                    with suppress(OSError):  # if nothing can be written, the run has already failed for that
                        runs = json.loads(self.workspace.read_bytes("run.json") or b"[]")
                        text = json.dumps([*runs, entry][-RUNS:], indent=1, ensure_ascii=False)
                        self.workspace.write_bytes(text.encode(), "run.json")

    def need(self, table: str, command: str) -> pa.Table:
        """Read a table that an earlier command fills.

        Args:
            table: Its name.
            command: The command that fills it.

        Raises:
            CallError: The table is empty.
        """
        rows = self.workspace.read(table)
        if not rows.num_rows:
            clips = ["--input", "FOLDER"] if command == "ingest" else []
            first = shlex.join(["motionsight", command, *clips, "--output", self.workspace.root])
            raise CallError(f"{self.workspace.root} has no {table} yet; run this first: {first}")
        return rows

    def published(self, *places: tuple[str, ...]) -> dict[str, Any]:
        """Read the manifest of the dataset at the first of these places that has one; empty if none has."""
        for place in places:
            with suppress(ValueError):  # a damaged one, which `split` replaces
                if found := json.loads(self.workspace.read_bytes(*place, "manifest.json") or b"null"):
                    return found
        return {}

    def bind(self, table: str, config: Config | None = None, like: str = "") -> None:
        """Bind a table to the settings of its rows, and print what else has changed since they were made.

        Args:
            table: Its name.
            config: The settings; None: those of the session.
            like: Rows depend on the same settings as the rows of this table; "": on the table's own.

        Raises:
            CallError: The rows in it were made with other settings.
        """
        config, like = config or self.config, like or table
        self.workspace.claim(table, identity(config, like))
        facts = {it.path: it.value for it in noted(config, like)}
        if known := versions().get(PACKAGES[0]):
            facts["the version of motionsight-distill"] = known
        for change in self.workspace.record(table, facts):
            self.say(f"note: {change}")

    def run(self, stage: Stage, rows: pa.Table, workspace: Workspace | None = None) -> list[dict[str, Any]]:
        """Run a stage with a progress bar.

        Args:
            stage: What to run.
            rows: Its input, with the columns that it reads.
            workspace: Where its rows are written; None: they are returned.

        Returns:
            The stage's rows if there is no workspace, else none.

        Raises:
            RunError: The run failed, or another writer has taken over the workspace.
        """
        out: list[dict[str, Any]] = []
        title, config = stage.name, self.config.engine
        if rows.num_rows:
            with patience(self.say, lambda: f"{title}: waiting for {awaited(0)}"):
                engine.start(config)
        tally = self.stages[title] = Tally()
        bar = Progress(
            TextColumn(f"{title:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.out,
            disable=not self.out.is_terminal,
        )
        tick = Ticker(self.say)
        gpus = config.share(title, stage.resources).gpus

        def waiting() -> str:
            return f"{title}: waiting for {awaited(gpus)}"

        with bar, patience(self.say, waiting) as begun:
            task = bar.add_task(title, total=rows.num_rows)
            for block, made in engine.run(stage, rows, config, workspace):
                begun()
                if self._lock:
                    self._lock.check()
                bar.advance(task, block.rows)
                tally.add(block)
                if bar.disable:
                    tick(tally.rows, f"{title}: {tally.rows} of {rows.num_rows} clips")
                out += made
        codes = ", ".join(f"{code} {count}" for code, count in sorted(tally.errors.items()))
        failed = f"{tally.errors.total()} failed" + (f" ({codes})" if codes else "")
        self.say(f"{title}: {tally.rows} clips done, {failed}")
        return out

    @contextmanager
    def models(self, backends: Mapping[str, Backend | None]) -> Iterator[dict[str, Handle]]:
        """Run the models that have actors during the block; see `model_actors`. Says what is waited for."""
        placed = [it.placement for it in backends.values() if it and it.placement]
        gpus = sum(it.replicas * it.num_gpus for it in placed)

        def waiting() -> str:
            return f"the models are loading; waiting for {awaited(gpus)}"

        with ExitStack() as stack:
            with patience(self.say, waiting):
                handles = stack.enter_context(model_actors(backends, self.config.engine))
            yield handles

    def all_done(self, title: str, table: str, what: str) -> None:
        """Say that nothing is to be done, and how many of the rows in a table are failures."""
        failed = len(self.workspace.read(table, ["error"])["error"].drop_null())
        note = f" ({failed} rows are failures; --retry-failed makes them again)" if failed else ""
        self.say(f"{title}: nothing to do, {what}{note}")

    def say(self, text: str) -> None:
        """Print a line to the console."""
        self.out.print(text, markup=False, soft_wrap=True)


def chosen(clips: pa.Table, only: Collection[str] | None) -> pa.Table:
    """Return the clips with these ids; None: all."""
    if only is None:
        return clips
    return clips.filter(pc.is_in(clips["clip_id"], pa.array(sorted(only), pa.string())))


def versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on, without those that are not installed."""
    installed = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed
