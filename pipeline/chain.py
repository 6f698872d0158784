"""Stages one after the other over a table of clips: a pipeline put together in Python."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import lock
from pipeline.engine import EngineConfig, joined, pending, run
from pipeline.stage import Stage
from pipeline.workspace import Workspace

Select = Callable[[pa.Table], pa.Table]


class Pipeline:
    """Steps that clips go through: stages, and functions that choose which clips go on.

    A stage's columns are added to the clips that it did not fail on, so that the steps after it can read
    them.
    """

    def __init__(
        self,
        *steps: Stage | Select,
        workspace: str | None = None,
        engine: EngineConfig | None = None,
    ) -> None:
        """Put the steps together.

        Args:
            steps: Stages, and functions from a table to the rows of it that go on, such as
                `partial(kept, config=gates)`.
            workspace: A folder or URI in which each stage's table is kept: the same pipeline run again does
                only what is missing. None: everything is done anew, and nothing is written.
            engine: How the work is spread; None: over this machine's CPUs.
        """
        self._steps = steps
        self._engine = engine or EngineConfig()
        self._workspace = Workspace(workspace) if workspace else None

    def run(self, clips: pa.Table) -> dict[str, pa.Table]:
        """Put the clips through all steps.

        Args:
            clips: With clip_id (one row each) and whatever columns the stages read, such as uri.

        Returns:
            By name of a stage, its rows, in order of clip_id; those that failed have their code in `error`.

        Raises:
            CallError: A stage reads a column that is not there, or another process writes to the workspace.
            RunError: The work failed.
        """
        if self._workspace is None:
            return self._run(clips)
        with lock.held(self._workspace, "pipeline"):
            return self._run(clips)

    def _run(self, clips: pa.Table) -> dict[str, pa.Table]:
        tables: dict[str, pa.Table] = {}
        for step in self._steps:
            if isinstance(step, Stage):
                tables[step.name] = self._through(step, clips)
                clips = joined(clips, tables[step.name])
            else:
                clips = step(clips)
        return tables

    def _through(self, stage: Stage, clips: pa.Table) -> pa.Table:
        space, table = self._workspace, stage.table or stage.name
        if space is None:
            rows = [row for _, block in run(stage, clips, self._engine) for row in block]
            return pa.Table.from_pylist(rows, stage.schema).sort_by("clip_id")
        missing = pending(clips, space.ids(table, stage.schema))
        for _ in run(stage, missing, self._engine, space):
            pass
        done = space.read(table, schema=stage.schema)
        return done.filter(pc.is_in(done["clip_id"], clips["clip_id"].combine_chunks()))
