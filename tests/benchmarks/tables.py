"""Time and memory of what reads the tables alone, each in a process of its own."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.big_tables import write
from tests.benchmarks.timing import Line, Tables, step

SCORES, ANNOTATED = 1_000_000, 100_000
CLIPS = 40_000  # of which, with three questions each and what the gates leave, come more than 87,000 rows


def child(workspace: str, *command: str) -> dict[str, Any]:
    """Seconds and peak memory of a command of ours."""
    code = (
        "import sys, time, resource, json; from jobs import cli; began = time.perf_counter()\n"
        "try: cli.app(sys.argv[1:])\nexcept SystemExit as end: code = end.code\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6\n"
        "print(json.dumps({'seconds': time.perf_counter() - began, 'peak_gb': peak, 'exit': code}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *command, "--output", workspace], capture_output=True, text=True
    )
    step(f"  {' '.join(command)}")
    return json.loads(run.stdout.splitlines()[-1])


def run() -> Tables:
    """Seconds, and peak memory as the ratio to 2 GB."""
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        large, small = str(Path(place, "large")), str(Path(place, "small"))
        write(Path(large), SCORES, ANNOTATED)
        found[f"split --dry-run, {SCORES:,} scores"] = child(large, "split", "--dry-run")
        found[f"audit, {SCORES:,} scores"] = child(large, "audit")
        write(Path(small), CLIPS, CLIPS, videos=Path(place, "videos"))
        open_gates = ("--set", "gates.quality_max=null", "--set", "gates.motion_check_min=null")
        found[f"split, {CLIPS:,} clips"] = child(small, "split", *open_gates)
        found["split again"] = child(small, "split", *open_gates)
        found["split, one gate moved"] = child(
            small, "split", "--set", "gates.quality_max=70", *open_gates[2:]
        )
    aims = {"split --dry-run": "30 s", "audit": "60 s", "split, one gate": "120 s"}
    yield (
        "tables alone",
        [
            Line(
                what,
                told["seconds"],
                told["peak_gb"] / 2,
                "2 GB",
                next((f"<= {v}, <= 1" for k, v in aims.items() if what.startswith(k)), ""),
            )
            for what, told in found.items()
        ],
    )
