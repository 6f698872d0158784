"""`motionsight train sft` and `motionsight train dpo`, with their options."""

from typing import Annotated

import typer

from jobs.console import console
from jobs.options import ConfigPath, Dry, Overrides, ending, say_how_to_resume
from stages.train.settings import Format, Phase

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


def _train(
    phase: Phase,
    place: tuple[str, Format, str | None],
    output: str,
    asked: tuple[str | None, list[str] | None, str | None],
    restart: bool,
    dry_run: bool,
) -> None:
    """Train on a dataset, its format and videos; `asked` are the config, overrides and base model."""
    from configs.settings import read
    from jobs import train as job
    from stages.train.rows import Source
    from stages.train.run import TrainingRun
    from stages.train.settings import TrainConfig

    config, overrides, base = asked
    settings = read(config, [*([f"model={base}"] if base else []), *(overrides or ())], TrainConfig)
    ending.push(say_how_to_resume)
    job.run(TrainingRun(phase, settings, Source(*place), output), console(), restart, dry_run)


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
    asked = config, overrides, model
    _train("sft", (dataset, format, videos), output, asked, restart, dry_run)


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
    asked = config, overrides, model
    _train("dpo", (dataset, format, videos), output, asked, restart, dry_run)
