"""Timings of different work on the same clips, taken in turn, so that a noisy machine hits all alike."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from rich.table import Table

Work = Callable[[Path], object]
Tables = Iterator[tuple[str, list["Line"]]]  # titles and lines, each as soon as it is known
BEGAN = time.perf_counter()


@dataclass(frozen=True)
class Line:
    """One line of a table: what some work took, as a ratio to some other, and what was aimed at."""

    work: str
    value: float
    ratio: float
    of: str
    aim: str = ""
    unit: str = "s"


def step(what: str) -> None:
    """Tell at once that a step has ended, and when: seconds since the start."""
    print(f"{time.perf_counter() - BEGAN:7.0f} s  {what}", flush=True)


def compare(works: Mapping[str, Work], clips: Sequence[Path], repeats: int = 3) -> dict[str, float]:
    """Seconds of each work over all clips: for each clip the best of `repeats` runs."""
    total = dict.fromkeys(works, 0.0)
    for number, clip in enumerate(clips, 1):
        best = dict.fromkeys(works, float("inf"))
        for _ in range(repeats):
            for name, work in works.items():
                began = time.perf_counter()
                work(clip)
                best[name] = min(best[name], time.perf_counter() - began)
        for name, seconds in best.items():
            total[name] += seconds
        step(f"  {number} of {len(clips)} clips: {clip.name}")
    return total


def decode_all(path: Path) -> None:
    """The least that looking at a clip costs: every frame decoded, on one thread, none looked at."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for _ in container.decode(stream):
            pass


def row(path: Path) -> dict[str, object]:
    """The row of the table `clips` that a stage gets for a file."""
    return {"clip_id": path.stem, "uri": str(path), "start_s": None, "end_s": None}


def table(title: str, lines: Sequence[Line], earlier: Mapping[str, float]) -> Table:
    """The lines as people read them, beside the ratios that an earlier run found, by work."""
    out = Table("work", "value", "ratio", "before", "aim", title=title, title_justify="left")
    for line in lines:
        value = f"{line.value:,.2f}".rstrip("0").rstrip(".")
        before = f"{earlier[line.work]:.2f}" if line.work in earlier else ""
        out.add_row(line.work, f"{value} {line.unit}", f"{line.ratio:.2f} x {line.of}", before, line.aim)
    return out
