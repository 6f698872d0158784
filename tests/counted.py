"""The command line with stages that are slower than usual and record which clips they are given.

What a run that was interrupted did twice, or not at all, shows in this record.
"""

import os
import subprocess
import time
from pathlib import Path

from pipeline.stage import Row
from stages.annotate.stage import Annotate
from stages.ingest.settings import IngestConfig
from stages.ingest.stage import Fingerprint
from stages.score.stage import Score
from tests.cli import ROOT, sets, start

BLOCK, WORKERS = 2, 2
SECONDS = "0.1"  # added to each clip, so that a run can be interrupted in the middle
SETTINGS = (
    *(f"engine.block_clips={BLOCK}", f"engine.workers={WORKERS}", "engine.cpus_per_worker=0.5"),
    *("quality.metric=null", "gates.quality_max=null"),
)


def _count(row: Row) -> None:
    with open(os.environ["CHAOS_COUNT"], "a") as count:
        count.write(f"{row['clip_id']}\n")
    time.sleep(float(os.environ.get("CHAOS_SECONDS", SECONDS)))


class CountedFingerprint(Fingerprint):
    """The stage of `ingest`, which records each file before it reads it, and writes as soon as it can."""

    def __init__(self, config: IngestConfig) -> None:
        super().__init__(config)
        self.write_every_s = 1e-9

    def work(self, row: Row) -> Row:
        _count(row)
        return super().work(row)


class CountedScore(Score):
    """The `score` stage, which records each clip before it works on it."""

    def work(self, row: Row) -> Row:
        _count(row)
        return super().work(row)


class CountedAnnotate(Annotate):
    """The `annotate` stage, which records each clip before it works on it."""

    def work(self, row: Row) -> Row:
        _count(row)
        return super().work(row)


def drive() -> None:
    """Run the command line with the counted stages, in the process that `begin` starts."""
    import jobs.annotate
    import jobs.ingest
    import jobs.score
    from jobs.cli import main

    jobs.ingest.Fingerprint = CountedFingerprint  # type: ignore[misc]
    jobs.score.Score = CountedScore  # type: ignore[misc]
    jobs.annotate.Annotate = CountedAnnotate  # type: ignore[misc]
    main()


def begin(count: Path, command: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a command, which appends the id of every clip it begins to the file `count`."""
    return start(
        *(command, *sets(*SETTINGS), *arguments),  # of two values for a setting, the later one counts
        program=("-c", "from tests.counted import drive; drive()"),
        env={"CHAOS_COUNT": str(count), "PYTHONPATH": str(ROOT)},
    )


def finish(count: Path, command: str, *arguments: object) -> str:
    """Run a command to its end, which has to be a good one, and return its messages."""
    run = begin(count, command, *arguments)
    _, messages = run.communicate(timeout=300)
    assert run.returncode == 0, messages
    return messages


def begun(count: Path) -> list[str]:
    """Ids of the clips in the order in which they were begun; a clip begun twice is there twice."""
    return count.read_text().split() if count.exists() else []
