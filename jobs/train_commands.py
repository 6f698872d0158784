"""`motionsight train sft` and `motionsight train dpo`, with their options."""

from typing import Annotated

import typer

from configs.settings import read
from jobs.console import console
from jobs.options import ConfigPath, Dry, Overrides, ending, say_how_to_resume
from stages.train.rows import Format, Source
from stages.train.run import TrainingRun
from stages.train.settings import TrainConfig

train = typer.Typer(
    help="Train MotionChat from a video MLLM: first sft, then dpo on the resulting model.",
    no_args_is_help=True,
)
Dataset = Annotated[
    str, typer.Option("--dataset", "-d", help="A dataset folder, or a file in another --format.")
]
Model = Annotated[str, typer.Option("--output", "-o", help="The folder to write the model to.")]
Base = Annotated[
    str | None,
    typer.Option("--model", "-m", help="The model to start from; default: the one in the config."),
]
Form = Annotated[Format, typer.Option("--format", help="The format of the dataset.")]
Videos = Annotated[
    str | None, typer.Option(metavar="DIR", help="The folder of the videos; default: the dataset's tars.")
]
Anew = Annotated[bool, typer.Option("--restart", help="Discard existing checkpoints and start over.")]


def _train_config(config: str | None, overrides: list[str] | None, base: str | None) -> TrainConfig:
    return read(config, [*([f"model={base}"] if base else []), *(overrides or ())], TrainConfig)


def _train(run: TrainingRun, restart: bool, dry_run: bool) -> None:
    from jobs import train as job

    ending.push(say_how_to_resume)
    job.run(run, console(), restart, dry_run)


@train.command()
def sft(
    dataset: Dataset,
    output: Model,
    config: ConfigPath = "train_sft",
    overrides: Overrides = None,
    model: Base = None,
    format: Form = "motionvid_qa",
    videos: Videos = None,
    restart: Anew = False,
    dry_run: Dry = False,
) -> None:
    """Fine-tune a model on questions and answers; run the same command again to resume.

    Example: motionsight train sft --dataset work/dataset --output motionchat-sft --dry-run
    """
    settings = _train_config(config, overrides, model)
    run = TrainingRun("sft", settings, Source(dataset, format, videos), output)
    _train(run, restart, dry_run)


@train.command()
def dpo(
    dataset: Dataset,
    output: Model,
    config: ConfigPath = "train_dpo",
    overrides: Overrides = None,
    model: Base = None,
    format: Form = "motionvid_qa",
    videos: Videos = None,
    restart: Anew = False,
    dry_run: Dry = False,
) -> None:
    """Train a model on preferences by DPO; run the same command again to resume.

    Example: motionsight train dpo --dataset work/dataset --model motionchat-sft --output motionchat
    """
    settings = _train_config(config, overrides, model)
    run = TrainingRun("dpo", settings, Source(dataset, format, videos), output)
    _train(run, restart, dry_run)
