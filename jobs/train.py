"""`motionsight train sft|dpo`: train MotionChat on a dataset."""

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
from pipeline.workspace import normal
from stages.train import loop
from stages.train.model import load_processor
from stages.train.plan import plan
from stages.train.rows import read_rows
from stages.train.run import METRICS, TrainingRun, discard, is_done, read_record
from stages.train.settings import TrainConfig

PACKAGES = ("trl", "peft", "accelerate", "tensorboard")
LOG = "ray.log"
POLL_S = 2.0  # how often the workers' log is read


def run(training: TrainingRun, out: Console, restart: bool = False, dry_run: bool = False) -> None:
    """Print what will be done and, unless it is a dry run, do it.

    Args:
        training: The run. Paths in it may be relative.
        out: Where to print.
        restart: Discard the checkpoints and the record in the output folder first.
        dry_run: Only print, and check the settings.

    Raises:
        CallError: The settings do not fit together, the model or the data, or a package is missing.
        RunError: The training failed.
    """
    _check_packages(training.config, dry_run)
    if "://" in training.output:
        raise CallError(
            f"--output {training.output}: checkpoints need a folder, on a disk that all workers can access"
        )
    training = _absolute(training)
    rank, processes = (int(os.environ.get(name, unset)) for name, unset in (("RANK", 0), ("WORLD_SIZE", 1)))
    launch = training.config.launch

    def say(text: str) -> None:
        if rank == 0:
            out.print(text, markup=False, soft_wrap=True)

    if restart and not dry_run and rank == 0:
        discard(training.folder)
    if rank == 0:
        _announce(training, processes if launch.backend == "none" else launch.workers, say)
    if dry_run:
        say("train: dry run, nothing was trained")
        return
    say(f"train: metrics: tensorboard --logdir {training.folder / METRICS}")
    if launch.backend == "accelerate":
        _by_accelerate(training)
    elif launch.backend == "ray":
        _by_ray(training, say)
    else:
        loop.train(training, say)
    if done := (read_record(training.folder) or {}).get("done"):
        loss, seconds = done["train_loss"], done["train_runtime"]
        say(f"train: mean loss {loss:.4g}, {seconds:.0f} s; the model is in {training.output}")


def _check_packages(config: TrainConfig, dry_run: bool) -> None:
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise CallError(f"training needs {', '.join(missing)}: pip install 'motionsight-distill[train]'")
    if config.launch.deepspeed and not dry_run and find_spec("deepspeed") is None:
        raise CallError("training needs deepspeed: pip install deepspeed, or --set launch.deepspeed=null")


def _absolute(training: TrainingRun) -> TrainingRun:
    """The run with absolute paths, as workers have working directories of their own."""

    def absolute(place: str) -> str:
        return normal(place) if "://" in place else str(Path(place).expanduser().absolute())

    config, source = training.config, training.source
    if Path(config.model).is_dir():  # otherwise a name on the Hugging Face Hub
        config = config.model_copy(update={"model": absolute(config.model)})
    source = replace(
        source, dataset=absolute(source.dataset), videos=source.videos and absolute(source.videos)
    )
    return replace(training, config=config, source=source, output=absolute(training.output))


def _announce(training: TrainingRun, processes: int, say: Callable[[str], None]) -> None:
    """Print the plan. Raises CallError for a run that cannot be trained or whose folder is another run's."""
    config, source, phase = training.config, training.source, training.phase
    rows = read_rows(source, phase, "train", config.skip_missing)
    validation = len(read_rows(source, phase, "validation", config.skip_missing).rows)
    for line in plan(training, rows, validation, load_processor(config), processes).lines():
        say(line)
    is_done(training, rows)


def _by_accelerate(training: TrainingRun) -> None:
    """Train in processes of this machine, or of those that accelerate's own file names. Raises RunError."""
    launch = training.config.launch
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(launch.workers)]
    if launch.accelerate_config:
        launcher = ["accelerate.commands.launch", "--config_file", launch.accelerate_config]
        launcher += ["--num_processes", str(launch.workers)]
    command = [sys.executable, "-m", *launcher, "-m", "jobs.train", json.dumps(training.as_dict())]
    with subprocess.Popen(command) as process:
        try:
            code = process.wait()
        except SystemExit:
            process.terminate()
            raise
    if code:
        raise RunError(f"a training process failed (exit code {code}), see above; checkpoints are kept")


def _by_ray(training: TrainingRun, say: Callable[[str], None]) -> None:
    """Train in Ray Train's workers, restarted from the last checkpoint if some fail. Raises RunError."""
    start(EngineConfig())
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    launch = training.config.launch
    trainer = TorchTrainer(
        _in_ray,
        train_loop_config=training.as_dict(),
        torch_config=TorchConfig(backend="nccl" if launch.use_gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=launch.workers,
            use_gpu=launch.use_gpu,
            resources_per_worker={"CPU": launch.cpus_per_worker} | ({"GPU": 1} if launch.use_gpu else {}),
        ),
        run_config=RunConfig(
            storage_path=str(training.folder / "ray"), failure_config=FailureConfig(launch.max_failures)
        ),
    )
    try:
        with _followed(training.folder / LOG, say):
            trainer.fit()
    except TrainingFailedError as error:
        failed: Mapping[int, BaseException] = getattr(error, "worker_failures", {})
        first = next(iter(failed.values()), error)
        raise RunError(
            f"training failed: {' '.join(str(first).split())[-500:]}; checkpoints are kept"
        ) from error


def _in_ray(values: dict[str, Any]) -> None:
    """The share of one worker. Its output goes to a file, as it cannot write to the driver's terminal."""
    training = TrainingRun.from_dict(values)
    with (training.folder / LOG).open("a", encoding="utf-8", buffering=1) as log:
        loop.train(training, lambda text: print(text, file=log))


@contextmanager
def _followed(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Print the lines that are added to a file in the meantime."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    ended = threading.Event()

    def follow() -> None:
        with path.open(encoding="utf-8") as log:
            log.seek(0, os.SEEK_END)
            last = False
            while not last:
                last = ended.wait(POLL_S)
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
        loop.train(TrainingRun.from_dict(json.loads(sys.argv[1])), partial(print, file=sys.stderr))
    except (CallError, RunError) as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
