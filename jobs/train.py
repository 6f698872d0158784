"""`motionsight train sft|dpo`: make MotionChat from a dataset."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.engine import EngineConfig, start
from pipeline.errors import CallError, RunError
from stages.train import loop
from stages.train.config import Stage, TrainConfig
from stages.train.loop import METRICS, Run
from stages.train.model import load_processor
from stages.train.plan import plan
from stages.train.rows import Source, read

PACKAGES = ("trl", "peft", "accelerate", "tensorboard")
LOG = "ray.log"
LOOK_S = 2.0  # between two looks at the workers' log


def run(
    stage: Stage,
    config: TrainConfig,
    source: Source,
    output: str,
    out: Console,
    restart: bool = False,
    dry: bool = False,
) -> None:
    """Say what will be done, and do it unless `dry`. Raises CallError, RunError."""
    if lacking := [name for name in PACKAGES if find_spec(name) is None]:
        raise CallError(f"training needs {', '.join(lacking)}: pip install 'motionsight-distill[train]'")
    if config.launch.deepspeed and not dry and find_spec("deepspeed") is None:
        raise CallError("training needs deepspeed: pip install deepspeed, or --set launch.deepspeed=null")
    if "://" in output:
        raise CallError(f"--output {output}: checkpoints need a folder, on a disk that all workers see")
    rank, world = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    launch = config.launch

    def say(text: str) -> None:
        if rank == 0:
            out.print(text, markup=False, soft_wrap=True)

    # Workers have working folders of their own.
    if Path(config.model).is_dir():
        config = config.model_copy(update={"model": _absolute(config.model)})
    source = replace(
        source, dataset=_absolute(source.dataset), videos=source.videos and _absolute(source.videos)
    )
    made = Run(stage, config, source, _absolute(output))
    if restart and not dry and rank == 0:
        loop.restart(Path(made.output))
    if rank == 0:
        rows = read(made.source, stage, "train", config.skip_missing)
        held = len(read(made.source, stage, "validation", config.skip_missing).rows)
        processes = world if launch.backend == "none" else launch.workers
        for line in plan(stage, rows, held, load_processor(config), config, processes).lines():
            say(line)
        loop.check(made, rows)
    if dry:
        say("train: dry run, nothing was trained")
        return
    say(f"train: metrics: tensorboard --logdir {Path(made.output, METRICS)}")
    if launch.backend == "accelerate":
        _by_accelerate(made)
    elif launch.backend == "ray":
        _by_ray(made, say)
    else:
        loop.train(made, say)
    if done := (loop.begun(Path(made.output)) or {}).get("done"):
        say(f"train: loss {done['train_loss']:.4g} on average, {done['train_runtime']:.0f} s; {made.output}")


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).expanduser().absolute())


def _by_accelerate(run: Run) -> None:
    """The run in processes of this machine, or of those that accelerate's own file names. Raises RunError."""
    launch = run.config.launch
    how = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(launch.workers)]
    if launch.accelerate_config:
        how = ["accelerate.commands.launch", "--config_file", launch.accelerate_config]
        how += ["--num_processes", str(launch.workers)]
    command = [sys.executable, "-m", *how, "-m", "jobs.train", json.dumps(loop.as_dict(run))]
    with subprocess.Popen(command) as process:
        try:
            code = process.wait()
        except SystemExit:
            process.terminate()
            raise
    if code:
        raise RunError(f"a process of the run failed (exit code {code}), as told above; checkpoints are kept")


def _by_ray(run: Run, say: Callable[[str], None]) -> None:
    """The run in Ray Train's workers, begun anew from the last checkpoint when some fail. Raises RunError."""
    start(EngineConfig())
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    launch = run.config.launch
    trainer = TorchTrainer(
        _in_ray,
        train_loop_config=loop.as_dict(run),
        torch_config=TorchConfig(backend="nccl" if launch.use_gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=launch.workers,
            use_gpu=launch.use_gpu,
            resources_per_worker={"CPU": launch.cpus_per_worker} | ({"GPU": 1} if launch.use_gpu else {}),
        ),
        run_config=RunConfig(
            storage_path=str(Path(run.output, "ray")), failure_config=FailureConfig(launch.max_failures)
        ),
    )
    try:
        with _followed(Path(run.output, LOG), say):
            trainer.fit()
    except TrainingFailedError as error:
        failed: Mapping[int, BaseException] = getattr(error, "worker_failures", {})
        first = next(iter(failed.values()), error)
        raise RunError(
            f"training failed: {' '.join(str(first).split())[-500:]}; checkpoints are kept"
        ) from error


def _in_ray(told: dict[str, Any]) -> None:
    """A worker's share. What it tells goes by a file: it cannot write to the driver's screen."""
    run = loop.from_dict(told)
    with Path(run.output, LOG).open("a", encoding="utf-8", buffering=1) as log:
        loop.train(run, lambda text: print(text, file=log))


@contextmanager
def _followed(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Tell each line that is added to a file meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    ended = threading.Event()

    def follow() -> None:
        with path.open(encoding="utf-8") as log:
            log.seek(0, os.SEEK_END)
            last = False
            while not last:
                last = ended.wait(LOOK_S)
                for line in log:
                    say(line.rstrip("\n"))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":  # a process that `_by_accelerate` started
    try:
        loop.train(loop.from_dict(json.loads(sys.argv[1])), partial(print, file=sys.stderr))
    except (CallError, RunError) as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
