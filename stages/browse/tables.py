"""The tables as the browser reads them: a few columns of all clips, and all columns of a single one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from filters.gate import floats
from filters.verdicts import COLUMNS
from pipeline.errors import RunError, reason
from pipeline.schema import TABLES, empty_row
from pipeline.workspace import Workspace, one_each
from stages.audit.distributions import CLIP_NUMBERS

READ = ("clips", "scores", "annotations")
CLIP_COLUMNS = ("clip_id", "video_id", "uri", "start_s", "end_s", "source")
SCORE_COLUMNS = tuple(dict.fromkeys(("clip_id", "error", "camera_motion", *CLIP_NUMBERS, *COLUMNS)))
# What is kept of the questions of a clip: how many there are, and the smallest number of its answers.
ANSWER_NUMBERS = ("motion_check", "vqascore")
ANNOTATED = pa.schema(
    [("clip_id", pa.string()), ("error", pa.string()), ("questions", pa.int32())]
    + [(name, pa.float64()) for name in ANSWER_NUMBERS]
)


@dataclass(frozen=True)
class Places:
    """Where the rows of a table are, so that one of them can be read without looking for it.

    Attributes:
        table: The table's name.
        files: Its files.
        file: (N,) int32, the file of each row, as an index into `files`.
        row: (N,) int32, its number in the file.
        data: Reads the files; None if there are none.
    """

    table: str
    files: Sequence[str]
    file: np.ndarray
    row: np.ndarray
    data: ds.FileSystemDataset | None = None

    def read(self, at: int) -> dict[str, Any]:
        """Read all columns of a row.

        Args:
            at: Which of the N rows.

        Raises:
            RunError: Its file is gone, as after a `--restart`, or is damaged.
        """
        assert self.data
        name, row = self.files[self.file[at]], int(self.row[at])
        try:
            with pq.ParquetFile(name, filesystem=self.data.filesystem) as file:
                for group in range(file.num_row_groups):
                    count = file.metadata.row_group(group).num_rows
                    if row < count:
                        found = file.read_row_group(group).slice(row, 1)
                        return empty_row(self.table) | found.to_pylist()[0]
                    row -= count
        except (OSError, pa.ArrowException) as error:
            raise RunError(f"a file of {self.table} cannot be read: {reason(error)}") from error
        raise RunError(f"a file of {self.table} has fewer rows than before")


@dataclass(frozen=True)
class Tables:
    """What the browser reads of a workspace, each table with one row for a clip, sorted by clip_id.

    Attributes:
        clips: CLIP_COLUMNS.
        scores: SCORE_COLUMNS.
        annotations: ANNOTATED.
        places: Of the rows, by table, in the same order.
    """

    clips: pa.Table
    scores: pa.Table
    annotations: pa.Table
    places: dict[str, Places]


def state(workspace: Workspace) -> tuple[tuple[str, ...], ...]:
    """Return what is different once the tables are; no file of a table ever changes."""
    return tuple(tuple(workspace.files(name)) for name in READ)


def read(workspace: Workspace) -> Tables:
    """Read the tables, while they may be written. Raises RunError for one that is damaged."""
    clips, at_clips = _table(workspace, "clips", CLIP_COLUMNS)
    scores, at_scores = _table(workspace, "scores", SCORE_COLUMNS)
    annotations, at_annotations = _table(workspace, "annotations", ("clip_id", "error", "qa"), answered)
    places = {"clips": at_clips, "scores": at_scores, "annotations": at_annotations}
    return Tables(clips, scores, annotations, places)


def answered(annotations: pa.Table) -> pa.Table:
    """Reduce rows of `annotations` to what the browser filters by.

    Args:
        annotations: clip_id, error and qa.

    Returns:
        A row of ANNOTATED for each row.
    """
    qa = annotations["qa"].combine_chunks()
    counts = pc.fill_null(pc.list_value_length(qa), 0)
    owner = pc.list_parent_indices(qa).to_numpy()
    each = pc.list_flatten(qa)
    least = {}
    for name in ANSWER_NUMBERS:
        values = floats(pa.chunked_array([pc.struct_field(each, name)]))
        known = np.isfinite(values)
        smallest = np.full(len(counts), np.inf)
        np.minimum.at(smallest, owner[known], values[known])
        least[name] = np.where(np.isfinite(smallest), smallest, np.nan)
    columns = [annotations["clip_id"], annotations["error"], counts, *least.values()]
    return pa.table(columns, names=ANNOTATED.names).cast(ANNOTATED)


def _table(
    workspace: Workspace,
    name: str,
    columns: Sequence[str],
    reduce: Callable[[pa.Table], pa.Table] = lambda table: table,
) -> tuple[pa.Table, Places]:
    """Read some columns, a batch at a time, and where each row is; of a clip's rows, the first is left."""
    data = workspace.data_set(name)
    if not data:
        none = np.zeros(0, np.int32)
        return reduce(TABLES[name].empty_table().select(columns)), Places(name, (), none, none)
    number = {file: at for at, file in enumerate(data.files)}
    seen = np.zeros(len(number), np.int32)
    parts = []
    try:
        for batch in data.to_batches(columns=[*columns, "__filename"]):
            if not batch.num_rows:
                continue
            file = number[batch["__filename"][0].as_py()]  # a batch is of one file
            rows = np.arange(seen[file], seen[file] + batch.num_rows, dtype=np.int32)
            seen[file] += batch.num_rows
            part = reduce(pa.Table.from_batches([batch]).drop_columns("__filename"))
            part = part.append_column("file", pa.array(np.full(batch.num_rows, file, np.int32)))
            parts.append(part.append_column("row", pa.array(rows)))
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"table {name!r} in {workspace.root} cannot be read: {reason(error)}") from error
    if not parts:
        none = np.zeros(0, np.int32)
        return reduce(TABLES[name].empty_table().select(columns)), Places(name, (), none, none)
    table = one_each(pa.concat_tables(parts)).combine_chunks()
    places = Places(name, data.files, table["file"].to_numpy(), table["row"].to_numpy(), data)
    return table.drop_columns(["file", "row"]), places
