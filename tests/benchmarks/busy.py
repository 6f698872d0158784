"""A stand-in for a node with GPUs: real engine, real workers, real actors, and models that only take time.

    python -m tests.benchmarks.busy motionvid_qa --gpus 8 --clips 300 --speed 4

The profile is run as it is placed: replicas, fractions of GPUs, workers, calls and clips in flight. The
models are those of `stand_in`. Decoding and measuring are a sleep of the core-seconds that they take, one
clip at a time in each worker, as a worker reserves one CPU; CPUs and GPUs of the node are declared to Ray.
Frames are small, unless `--full-frames` asks for those that a model sees: then their way through Ray is
measured too. With `--input`, the clips of a folder are decoded and measured for real, again and again, as
many as are asked for: that shows a worker's memory.

    python -m tests.benchmarks.busy motionvid_qa --set 'flow={backend: dis}' --set engine.workers=2 \\
        --set engine.in_flight=32 --clips 200 2000 --input FOLDER
"""

import argparse
import json
import logging
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from configs.settings import Config, load
from pipeline.engine import run
from pipeline.shadowing import job_config
from pipeline.workspace import Workspace
from stages.annotate.stage import Annotate, AnnotationConfig
from stages.models.actors import Handle, model_actors
from stages.motionsight.observe import Observation, observe
from tests import videos
from tests.benchmarks.simulate import Watch, clips
from tests.benchmarks.stand_in import (
    CARDS,
    CPU_S,
    FLOW_BATCH,
    PAIRS,
    Bench,
    Gpu,
    TimedDetector,
    TimedMllm,
    TimedScorer,
    TimedTracker,
    chance,
    flow_turns,
    seconds_of,
)
from tests.benchmarks.timing import step

MEET_S = 180.0  # how long workers wait for each other


def stand_ins(config: Config, bench: Bench) -> AnnotationConfig:
    """The settings of `annotate`, with stand-ins for its models, placed as those are."""
    settings: Any = config
    roles: dict[str, Any] = {
        "mllm": TimedMllm(role="mllm", bench=bench, actor=_place(settings.mllm)),
        "detector": TimedDetector(
            bench=bench, actor=_place(settings.detector), batch_size=settings.detector.batch_size
        ),
        "tracker": TimedTracker(bench=bench, actor=_place(settings.tracker)),
    }
    if config.baseline:
        roles["baseline"] = TimedMllm(role="baseline", bench=bench, actor=_place(settings.baseline))
    if getattr(config.vqascore, "actor", None):
        roles["vqascore"] = TimedScorer(
            bench=bench, actor=_place(settings.vqascore), frames=settings.vqascore.frames
        )
    plain = {name: getattr(config, name) for name in AnnotationConfig.model_fields}
    return AnnotationConfig.model_construct(**(plain | roles))


def _place(settings: Any) -> Any:
    return settings.actor.model_copy(update={"runtime_env": {}})


class TimedAnnotate(Annotate):
    """`annotate` whose clips are not decoded: that takes time, and gives frames that differ by clip."""

    def __init__(self, config: AnnotationConfig, handles: Mapping[str, Handle], bench: Bench) -> None:
        super().__init__(config, handles)
        self._bench = bench

    def setup(self) -> None:
        super().setup()
        self._meet()
        if self._bench.decoded:
            return
        self._gpu, self._cpu = Gpu(self._bench, "flow"), threading.Lock()
        with tempfile.TemporaryDirectory() as folder:
            clip = videos.write(Path(folder, "clip.mp4"), 36)
            self._like = observe(str(clip), None, None, True, load("embedded"))
        self.motionsight.observer.observe = self._observe  # type: ignore[method-assign]

    def _meet(self) -> None:
        """Wait for the other workers: a node starts them all at once, this machine one after another."""
        here = Path(self._bench.folder, "workers")
        here.mkdir(exist_ok=True)
        (here / str(os.getpid())).touch()
        until = time.monotonic() + MEET_S
        while len(list(here.iterdir())) < self.workers and time.monotonic() < until:
            time.sleep(0.1)

    def _observe(self, uri: str, start_s: float | None, end_s: float | None, blurred: bool) -> Observation:
        length, speed = seconds_of(uri), self._bench.speed
        with self._cpu:
            time.sleep(length * CPU_S / speed)
            ended = None
            for pairs, launch in flow_turns(int(length * PAIRS), self._bench.flow_batch, self._bench.card):
                ended = self._gpu.work(pairs * self._bench.card.flow_pair, launch, ended)
        like = self._like
        shown = like.view.frames if self._bench.full_frames else like.view.frames[:, ::8, ::8]
        frames = np.empty((16, 420, 360, 3), np.uint8) if self._bench.full_frames else shown.copy()
        frames[:, 0] = (np.arange(frames.shape[2] * 3).reshape(-1, 3) * int(997 * chance(uri))) % 251
        times = np.linspace(0, length, len(frames))
        view = replace(like.view, frames=frames, times=times)
        return replace(like, view=view, blurred=frames.copy(), duration_s=length)


@dataclass(frozen=True)
class Found:
    """What a run showed, in the node's seconds.

    Attributes:
        clips: Their number.
        seconds: From the first clip's start to the last one's end.
        at_work: By role, the share of its GPUs' time in which it worked, from its first call to its last.
        tenths: The same for each tenth of that time.
        gpu_s: By role, seconds of work for a clip.
        gpus: By GPU, the share of the run in which it worked.
        worker_mb: The largest worker's memory, without what it shares.
    """

    clips: int
    seconds: float
    at_work: dict[str, float]
    tenths: dict[str, list[float]]
    gpu_s: dict[str, float]
    gpus: dict[str, float]
    worker_mb: float


def measure(
    settings: Config, count: int, speed: float, card: str, films: Sequence[Path] = (), **how: Any
) -> Found:
    """Annotate so many clips with stand-ins; Ray is running, with the node's CPUs and GPUs declared.

    Args:
        settings: The profile.
        count: Clips.
        speed: Seconds of the node that pass in a real second.
        card: The GPU.
        films: Clips to decode, in turn; none: decoding is a sleep.
        how: More of `Bench`.

    Returns:
        What was seen.
    """
    with tempfile.TemporaryDirectory(prefix="busy-", ignore_cleanup_errors=True) as folder:
        bench = Bench(folder=folder, speed=speed, card=CARDS[card], decoded=bool(films), **how)
        config = stand_ins(settings, bench)
        rows = clips(count)
        uris = pa.array(islice(cycle(map(str, films)), count)) if films else rows["clip_id"]
        rows = rows.set_column(rows.column_names.index("uri"), "uri", uris)
        watch = Watch()
        with model_actors(config.backends(), settings.engine) as handles:
            watch.start()
            stage = TimedAnnotate(config, handles, bench)
            done = 0
            for block, _ in run(stage, rows, settings.engine, Workspace(str(Path(folder, "work")))):
                done += block.rows
                if block.errors:
                    raise SystemExit(f"clips failed: {block.errors}")
            watch.stop()
        return _found(Path(folder), done, speed, watch.worker)


def _found(folder: Path, count: int, speed: float, worker_mb: float) -> Found:
    spans: dict[str, list[tuple[str, int, float, float, float]]] = defaultdict(list)
    for file in folder.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            role, gpu, process, began, ended, seconds = json.loads(line)
            spans[role].append((gpu, process, began, ended, seconds))
    every = [span for of in spans.values() for span in of]
    first, last = min(span[2] for span in every), max(span[3] for span in every)
    at_work, tenths, gpu_s = dict[str, float](), dict[str, list[float]](), dict[str, float]()
    gpus: dict[str, float] = defaultdict(float)
    for role, of in spans.items():
        began, ended = min(span[2] for span in of), max(span[3] for span in of)
        width = (ended - began) / 10
        shares = [0.0] * 10
        for _, _, start, _, seconds in of:
            tenth = min(int((start - began) / width), 9)
            shares[tenth] += seconds / speed / width / len({span[1] for span in of})
        at_work[role], tenths[role] = sum(shares) / 10, shares
        gpu_s[role] = sum(span[4] for span in of) / count
        for gpu, _, _, _, seconds in of:
            gpus[gpu] += seconds / (speed * (last - first))
    return Found(count, speed * (last - first), at_work, tenths, gpu_s, dict(gpus), worker_mb)


def tell(found: Found, gpus: int) -> None:
    """Print what a run showed."""
    rate = found.clips / found.seconds
    print(f"{rate:.2f} clips/s, {3600 * rate:,.0f} clips/h, {gpus / rate:.2f} GPU-seconds a clip reserved,")
    print(f"{sum(found.gpu_s.values()):.2f} of them at work; worker {found.worker_mb:.0f} MB")
    for role in found.at_work:
        tenths = " ".join(f"{share:.0%}" for share in found.tenths[role])
        print(f"  {role:<9} at work {found.at_work[role]:5.0%}, {found.gpu_s[role]:.3f} GPU-seconds a clip")
        print(f"            by tenths of its time: {tenths}")
    print("  GPUs      " + ", ".join(f"{name} {share:.0%}" for name, share in sorted(found.gpus.items())))


def start(gpus: int, cpus: int) -> None:
    """Start Ray with the CPUs and GPUs of the node that this machine stands for."""
    # Ray would start a process for each of these CPUs before anybody asks for one.
    os.environ |= {"RAY_enable_worker_prestart": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    import ray

    ray.init(
        address="local",
        num_cpus=cpus,
        num_gpus=gpus,
        job_config=job_config(),
        logging_level=logging.ERROR,
        log_to_driver=False,
        include_dashboard=False,
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--cpus", type=int, default=32)
    parser.add_argument("--clips", type=int, nargs="+", default=[300])
    parser.add_argument("--speed", type=float, default=4.0, help="node seconds in a real one")
    parser.add_argument("--card", choices=CARDS, default="H100")
    parser.add_argument("--flow-batch", type=int, default=FLOW_BATCH, help="pairs in a call of RAFT")
    parser.add_argument("--full-frames", action="store_true")
    parser.add_argument(
        "--input", type=Path, metavar="FOLDER", help="clips to decode and to measure for real"
    )
    asked = parser.parse_args()
    settings = load(asked.config, asked.set)
    films = (
        sorted(path.resolve() for path in asked.input.iterdir() if path.suffix == ".mp4")
        if asked.input
        else []
    )
    start(asked.gpus, asked.cpus)
    for count in asked.clips:
        step(f"{asked.config}: {count} clips")
        how = {"full_frames": asked.full_frames, "flow_batch": asked.flow_batch}
        found = measure(settings, count, asked.speed, asked.card, films, **how)
        tell(found, asked.gpus)
    step("done")


if __name__ == "__main__":
    main()
