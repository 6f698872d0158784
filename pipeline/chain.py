"""A pipeline in Python: a sequence of stages that a table of clips goes through."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import lock
from pipeline.engine import EngineConfig, pending, run
from pipeline.stage import Stage
from pipeline.workspace import Workspace

Select = Callable[[pa.Table], pa.Table]


class Pipeline:
    """A sequence of steps: stages, and functions that select the clips that continue.

    The columns that a stage makes are added to the clips, so that later steps can read them. Clips on which a
    stage failed go no further.
    """

    def __init__(
        self,
        *steps: Stage | Select,
        workspace: str | None = None,
        engine: EngineConfig | None = None,
    ) -> None:
        """Define the pipeline.

        Args:
            steps: Stages, and functions that take a table and return the rows that continue, such as
                `partial(kept, config=gates)`.
            workspace: A folder or URI for the stages' tables, so that running the pipeline again processes
                only what is missing. None: nothing is written, and every run processes everything.
            engine: How the work is spread; None: over the CPUs of this machine.
        """
        self._steps = steps
        self._engine = engine or EngineConfig()
        self._workspace = Workspace(workspace) if workspace else None

    def run(self, clips: pa.Table) -> dict[str, pa.Table]:
        """Run all steps on the clips.

        Args:
            clips: One row per clip_id, with the columns that the stages read, such as uri.

        Returns:
            The rows of each stage, by its name, sorted by clip_id. A failed clip has its code in `error`.

        Raises:
            CallError: A column that a stage reads is missing, or another process is writing to the workspace.
            RunError: The run failed.
        """
        # A table without rows may have no types either.
        at = clips.schema.get_field_index("clip_id")
        clips = clips.set_column(at, "clip_id", clips["clip_id"].cast(pa.string())) if at >= 0 else clips
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


def joined(clips: pa.Table, rows: pa.Table) -> pa.Table:
    """Join the clips with a stage's rows, leaving out clips that failed or have no row.

    Args:
        clips: One row per clip_id.
        rows: With clip_id; if there is a column `error`, rows where it is not null are left out.

    Returns:
        The remaining clips, in their original order, with the columns of both; where both have a column,
        that of `rows`.
    """
    good = rows.filter(rows["error"].is_null()) if "error" in rows.column_names else rows
    at = pc.index_in(clips["clip_id"].combine_chunks(), good["clip_id"].combine_chunks())
    made = good.take(at.drop_null())
    kept = clips.filter(at.is_valid())
    kept = kept.drop_columns([name for name in made.column_names if name in kept.column_names])
    for name in made.column_names:
        kept = kept.append_column(made.schema.field(name), made[name])
    return kept
