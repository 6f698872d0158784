"""What every command shares: the configuration, the workspace, progress on the screen, and the counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
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

from pipeline import engine
from pipeline.config import Config
from pipeline.engine import Stage
from pipeline.errors import CallError
from pipeline.workspace import Workspace


def console() -> Console:
    """Where people are told things: standard error, 110 columns wide where it is no terminal."""
    found = Console(stderr=True, highlight=False)
    return found if found.is_terminal else Console(stderr=True, highlight=False, width=110)


@dataclass
class Session:
    """One call of a command on a workspace. `out` is for people; results go to the workspace."""

    config: Config
    workspace: Workspace
    out: Console = field(default_factory=console)

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
        errors: Counter[str] = Counter()
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
        with bar:
            task = bar.add_task(title, total=rows.num_rows)
            for block, given in engine.run(rows, make, self.config.engine.of(title), workspace):
                bar.advance(task, block.rows)
                errors.update(block.errors)
                out += given
        failed = sum(errors.values())
        told = (
            f" ({', '.join(f'{code} {count}' for code, count in sorted(errors.items()))})" if failed else ""
        )
        self.say(f"{title}: {rows.num_rows} clips done, {failed} failed{told}")
        return out

    def say(self, text: str) -> None:
        self.out.print(text, markup=False, soft_wrap=True)
