"""A million clips through the real engine, with a stage that only sleeps: is time linear and memory flat?

    python -m tests.benchmarks.simulate 10000 100000 1000000 --seconds 0

Files, blocks, tasks, reports and resume are those of `motionsight score`; only the clips are not looked at.
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa

from pipeline.engine import EngineConfig, pending, run, start
from pipeline.schema import CLIPS, SCORES, empty_row
from pipeline.stage import Row, Stage
from pipeline.workspace import Workspace

MB = 1e6


class Stub(Stage):
    """Takes `seconds` for a clip, as `score` was measured to, or any share of it."""

    name = "score"
    table = "scores"
    schema = SCORES

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def work(self, row: Row) -> Row:
        time.sleep(self._seconds)
        return empty_row("scores") | {"clip_id": row["clip_id"], "quality": 1.0, "camera_motion": ["static"]}


def clips(count: int) -> pa.Table:
    ids = [f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in range(count)]
    columns: dict[str, Any] = {
        "clip_id": ids,
        "video_id": ids,
        "uri": [f"s3://bucket/videos/{name}.mp4" for name in ids],
        "sha256": [name * 4 for name in ids],
    }
    return pa.table({f.name: columns.get(f.name, pa.nulls(count, f.type)) for f in CLIPS}, CLIPS)


class Watch(threading.Thread):
    """The peak of resident memory of this process, and of a worker without what it shares, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.driver = self.worker = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.5):
            self.driver = max(self.driver, psutil.Process().memory_info().rss / MB)
            for process in psutil.process_iter(["name", "cmdline", "memory_info"]):
                if any("_Worker" in part for part in process.info["cmdline"] or ()):
                    memory = process.info["memory_info"]
                    self.worker = max(self.worker, (memory.rss - memory.shared) / MB)

    def stop(self) -> None:
        self._over.set()
        self.join()


def simulate(count: int, seconds: float, config: EngineConfig, folder: Path) -> dict[str, float]:
    """What `count` clips took: seconds, MB at the most, and how long a resume takes to see what is done."""
    workspace = Workspace(str(folder))
    rows = clips(count)
    before = psutil.Process().memory_info().rss / MB
    watch = Watch()
    watch.start()
    began = time.perf_counter()
    done = sum(block.rows for block, _ in run(Stub(seconds), rows, config, workspace))
    took = time.perf_counter() - began
    watch.stop()
    began = time.perf_counter()
    left = pending(rows, workspace.ids("scores")).num_rows
    if (done, left) != (count, 0):
        raise SystemExit(f"{done} of {count} rows came back, {left} are missing")
    return {
        "rows": count,
        "seconds": took,
        "rows_per_s": count / took,
        "driver_mb": watch.driver,
        "driver_grew_mb": watch.driver - before,
        "table_mb": rows.nbytes / MB,
        "worker_mb": watch.worker,
        "resume_s": time.perf_counter() - began,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="+")
    parser.add_argument("--seconds", type=float, default=0.0, help="that the stub sleeps for a clip")
    parser.add_argument("--block-clips", type=int, default=EngineConfig().block_clips)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    config = EngineConfig(workers=asked.workers, cpus_per_worker=0.5, block_clips=asked.block_clips)
    start(config)
    for count in asked.rows:
        with tempfile.TemporaryDirectory() as folder:
            print(
                json.dumps(
                    {k: round(v, 2) for k, v in simulate(count, asked.seconds, config, Path(folder)).items()}
                )
            )


if __name__ == "__main__":
    main()
