"""Stages put together in Python, on real Ray workers."""

import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.chain import Pipeline
from pipeline.engine import EngineConfig
from pipeline.errors import CallError, CeilingError, ClipError
from pipeline.stage import Row, Stage

pytestmark = pytest.mark.ray

ENGINE = EngineConfig(workers=1, cpus_per_worker=0.5, block_clips=8)


def clips(count: int) -> pa.Table:
    return pa.table({"clip_id": [f"{k:04d}" for k in range(count)], "size": list(range(count))})


class Doubled(Stage):
    """Fails on every third clip."""

    name = "doubled"
    columns = ("size",)
    schema = pa.schema([("clip_id", pa.string()), ("double", pa.int64()), ("error", pa.string())])

    def work(self, row: Row) -> Row:
        if row["size"] % 3 == 2:
            raise ClipError("decode_error")
        return {"clip_id": row["clip_id"], "double": 2 * row["size"], "error": None}


class Summed(Stage):
    """Reads what the stage before it made; works on several clips at once, and says how many it saw."""

    name = "summed"
    columns = ("size", "double")
    schema = pa.schema([("clip_id", pa.string()), ("sum", pa.int64()), ("at_once", pa.int64())])
    in_flight = 4

    def setup(self) -> None:
        self._lock, self._now = threading.Lock(), 0

    def work(self, row: Row) -> Row:
        with self._lock:
            self._now += 1
            seen = self._now
        time.sleep(0.05)
        with self._lock:
            self._now -= 1
        return {"clip_id": row["clip_id"], "sum": row["size"] + row["double"], "at_once": seen}


class Limited(Stage):
    """Stops at the fourth clip, as at a ceiling."""

    name = "limited"
    columns = ("size",)
    schema = pa.schema([("clip_id", pa.string())])

    def work(self, row: Row) -> Row:
        if row["size"] >= 3:
            raise CeilingError("enough")
        return {"clip_id": row["clip_id"]}


def small(table: pa.Table) -> pa.Table:
    return table.filter(pa.compute.less(table["size"], 10))


def test_a_stage_reads_what_the_ones_before_it_made_of_the_clips_that_go_on() -> None:
    tables = Pipeline(Doubled(), small, Summed(), engine=ENGINE).run(clips(20))
    doubled, summed = (tables[name].to_pylist() for name in ("doubled", "summed"))
    assert [row["error"] for row in doubled] == [("decode_error" if k % 3 == 2 else None) for k in range(20)]
    assert [row["sum"] for row in summed] == [3 * k for k in range(10) if k % 3 != 2]
    assert 1 < max(row["at_once"] for row in summed) <= 4


def test_with_a_workspace_only_what_is_missing_is_done(tmp_path: Path) -> None:
    def run(count: int) -> dict[str, Any]:
        return Pipeline(Doubled(), Summed(), workspace=str(tmp_path), engine=ENGINE).run(clips(count))

    few = run(5)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    many = run(9)
    assert all(path.stat().st_mtime_ns == at for path, at in files.items())
    assert few["doubled"].num_rows == 5
    assert many["doubled"].num_rows == 9
    assert run(5)["doubled"].equals(few["doubled"])


def test_a_column_that_is_not_there_is_named_before_anything_is_done() -> None:
    with pytest.raises(CallError, match="summed reads the column 'double', which the clips do not have"):
        Pipeline(Summed(), engine=ENGINE).run(clips(2))


def test_a_ceiling_leaves_the_rest_for_a_later_run() -> None:
    assert Pipeline(Limited(), engine=ENGINE).run(clips(8))["limited"].num_rows == 3


def test_no_clips_are_no_work() -> None:
    tables = Pipeline(Doubled(), Summed(), engine=ENGINE).run(clips(0))
    assert {name: table.num_rows for name, table in tables.items()} == {"doubled": 0, "summed": 0}
