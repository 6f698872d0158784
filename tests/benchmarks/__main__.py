"""Timings as ratios within one run: `make bench` prints a table and writes out/bench.json."""

import json
import statistics as stats
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import torch
from rich.console import Console
from rich.table import Table

from filters.camera import CameraConfig, measure
from filters.flow import FlowConfig, estimator
from filters.quality import QualityConfig
from stages.annotate import Annotate, AnnotationConfig
from stages.frames import Clip, DecodeConfig, Wanted, fitted, sample_times
from stages.score import Score
from stages.synthetic import recipes, render
from tests import videos

REPEATS = 3


def decode_all(path: Path) -> None:
    """The least that the machine must do: decode every frame, on one thread, and look at none."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for _ in container.decode(stream):
            pass


def timed(work: Callable[[Path], object], clips: list[Path]) -> float:
    """Seconds for all clips: the median of REPEATS runs."""
    runs = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        for clip in clips:
            work(clip)
        runs.append(time.perf_counter() - began)
    return stats.median(runs)


def main() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    decode, camera = DecodeConfig(), CameraConfig()
    flow = estimator(FlowConfig())
    score = Score(decode, FlowConfig(), camera, QualityConfig())
    motion_only = Score(decode, FlowConfig(), camera, QualityConfig(metric=None))
    annotate = Annotate(AnnotationConfig())

    def row(path: Path) -> dict[str, object]:
        return {"clip_id": path.stem, "uri": str(path), "start_s": None, "end_s": None}

    def samples(path: Path) -> object:
        clip = Clip(str(path))
        indices = sample_times(clip.probe, decode.fps, decode.max_samples)
        size = fitted(clip.probe.width, clip.probe.height, decode.size)
        taken = clip.read([Wanted(indices, size, False)], decode)[0].pictures
        return measure(taken, clip.probe.times[indices], flow, camera)

    with tempfile.TemporaryDirectory() as folder:
        clips = sorted(videos.SHARED.glob("*.mp4")) if videos.SHARED.is_dir() else []
        for recipe in recipes()[::8]:
            clips.append(Path(folder) / f"{recipe.name}.mp4")
            render(recipe, clips[-1])
        floor = timed(decode_all, clips)
        found = {
            "decode every frame": floor,
            "flow and camera": timed(samples, clips),
            "score without quality": timed(lambda path: motion_only(row(path)), clips),
            "score": timed(lambda path: score(row(path)), clips),
            "annotate": timed(lambda path: annotate(row(path)), clips),
        }
    table = Table("work", "seconds", "times decoding", title=f"{len(clips)} clips, one core")
    for name, seconds in found.items():
        table.add_row(name, f"{seconds:.2f}", f"{seconds / floor:.2f}")
    Console().print(table)
    out = Path("out/bench.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(
        json.dumps({name: {"seconds": s, "ratio": s / floor} for name, s in found.items()}, indent=1)
    )


if __name__ == "__main__":
    main()
