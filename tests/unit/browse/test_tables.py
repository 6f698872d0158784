"""Rows read one at a time are the rows of the table, whatever the files look like."""

import tempfile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RunError
from pipeline.schema import ANNOTATIONS, empty_row
from pipeline.workspace import Workspace
from stages.browse.tables import read, state
from tests.tables import annotation, clip, question, score

files = st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=4)


@settings(max_examples=25)
@given(files, st.integers(1, 3))
def test_each_row_is_found_in_its_file_and_the_first_of_a_clip_counts(
    parts: list[list[int]], group: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        workspace._fs.create_dir(workspace.path("annotations"))
        first: dict[str, int] = {}
        for at, ids in enumerate(parts):
            rows = [annotation(f"{n:02d}", question(), tokens=100 * at + k) for k, n in enumerate(ids)]
            table = pa.Table.from_pylist([empty_row("annotations") | row for row in rows], ANNOTATIONS)
            pq.write_table(table, workspace.path("annotations", f"{at}.parquet"), row_group_size=group)
            for row in rows:
                first.setdefault(row["clip_id"], row["tokens"])
        tables = read(workspace)
        assert tables.annotations["clip_id"].to_pylist() == sorted(first)
        found = [tables.places["annotations"].read(at) for at in range(len(first))]
        assert {row["clip_id"]: row["tokens"] for row in found} == first


def test_a_file_that_is_gone_or_damaged_is_told_of(tmp_path: Any) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.append("clips", [empty_row("clips") | clip("a")])
    workspace.append("scores", [empty_row("scores") | score("a")])
    before, tables = state(workspace), read(workspace)
    workspace.clear(["scores"])
    assert state(workspace) != before
    with pytest.raises(RunError, match="a file of scores cannot be read"):
        tables.places["scores"].read(0)
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "x.parquet").write_bytes(b"no Parquet")
    with pytest.raises(RunError, match=r"'scores' in .* cannot be read"):
        read(workspace)
