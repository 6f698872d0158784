"""What Ray costs and gives: one worker, two, a plain loop, start-up, and memory as clips grow in number."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from stages.demo.demo_clips import recipes
from stages.demo.render import render
from tests.benchmarks.timing import Line, Tables, step

FEW, SOME, MANY = 200, 500, 2000
KINDS = {"worker": b"ray::", "decoding process": b"multiprocessing.forkserver"}


def folder_of(count: int, place: Path) -> Path:
    """A folder with so many clips: the demo's, each under several names and with bytes of its own."""
    source = place / "source"
    if not source.exists():
        source.mkdir()
        for recipe in recipes()[::4]:
            render(recipe, source / f"{recipe.name}.mp4")
    clips = sorted(source.glob("*.mp4"))
    folder = place / f"clips-{count}"
    folder.mkdir()
    for k in range(count):
        # What follows the last box of an MP4 is read by nobody, and makes the clip no duplicate.
        data = clips[k % len(clips)].read_bytes() + b"\x00\x00\x00\x0cfree" + k.to_bytes(4, "big")
        (folder / f"{k:05d}.mp4").write_bytes(data)
    return folder


def plain_loop(workspace: str) -> float:
    """Seconds for the clips of a workspace in one process without Ray, the stage made already."""
    import cv2
    import torch

    from configs.settings import load
    from pipeline.workspace import Workspace
    from stages.score.stage import Score

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    config = load("embedded")
    score = Score(config)
    score.setup()
    rows = Workspace(workspace).read("clips").to_pylist()
    score.work(rows[0])
    began = time.perf_counter()
    for row in rows:
        score.work(row)
    return time.perf_counter() - began


CHILD = """
import json, sys, time
from jobs.session import Session
from pipeline import engine
from configs.settings import load
from pipeline.workspace import Workspace
from jobs import score
workspace, workers = sys.argv[1:]
began = time.perf_counter()
blocks = []
run = engine.run
def told(*given):
    for block in run(*given):
        blocks.append((time.perf_counter() - began, block[0].rows))
        yield block
engine.run = told
session = Session(load("embedded", [f"engine.workers={workers}"]), Workspace(workspace))
score.run(session)
print(json.dumps({"first": blocks[0], "last": blocks[-1][0], "rows": sum(rows for _, rows in blocks)}))
"""


def scored(clips: Path, place: Path, workers: int) -> dict[str, Any]:
    """Score a folder in a fresh workspace: when the first and last block came, and peak memory by process."""
    workspace = tempfile.mkdtemp(dir=place)
    subprocess.run(
        [sys.executable, "-m", "jobs.cli", "ingest", "-i", str(clips), "-o", workspace], check=True
    )
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, workspace, str(workers)], stdout=subprocess.PIPE, text=True
    )
    peaks: dict[str, int] = {}
    watch = threading.Thread(target=_watch, args=(process.pid, peaks))
    watch.start()
    out, _ = process.communicate()
    watch.join()
    told = json.loads(out.splitlines()[-1])
    seconds, rows = told["first"]
    step(f"  {told['rows']} clips, workers: {workers}")
    return {
        "first": seconds,
        "rate": (told["rows"] - rows) / max(1e-9, told["last"] - seconds),
        "workspace": workspace,
    } | {kind: peaks[kind] / 1e6 for kind in ("driver", *KINDS)}


def _watch(driver: int, peaks: dict[str, int]) -> None:
    """The peak resident memory, KB, of the driver and of the largest of each kind of process below it."""
    while Path(f"/proc/{driver}").exists():
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = process.joinpath("cmdline").read_bytes()
                lines = process.joinpath("status").read_text().splitlines()
            except OSError:
                continue
            kind = next((name for name, word in KINDS.items() if word in words), "")
            if int(process.name) == driver:
                kind = "driver"
            size = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
            if kind:
                peaks[kind] = max(peaks.get(kind, 0), size)
            if lines and any(line.startswith("State:\tZ") for line in lines) and kind == "driver":
                return
        time.sleep(0.5)


def run() -> Tables:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        few, some, many = (folder_of(count, place) for count in (FEW, SOME, MANY))
        one, two = scored(few, place, 1), scored(few, place, 2)
        single = scored(some, place, 1)
        loop = SOME / plain_loop(single["workspace"])
        large = scored(many, place, 2)
    cores = len(os.sched_getaffinity(0))
    yield (
        f"Ray, {cores} cores",
        [
            Line(
                f"2 workers, {FEW} clips",
                two["rate"],
                two["rate"] / one["rate"],
                "1 worker",
                ">= 1.8",
                "clips/s",
            ),
            Line(f"plain loop, {SOME} clips", loop, loop / single["rate"], "1 worker", "<= 1.1", "clips/s"),
            Line("start to first block", two["first"], two["first"] / 15, "15 s", "<= 1"),
        ],
    )
    yield (
        "peak memory",
        [
            Line(
                f"{kind}, {MANY} clips", large[kind], large[kind] / two[kind], f"{FEW} clips", "<= 1.1", "GB"
            )
            for kind in ("driver", *KINDS)
        ],
    )
