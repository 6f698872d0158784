"""What the commands have in common: their options, and how one begins and ends."""

import contextlib
import shlex
import signal
import sys
from typing import Annotated, Any

import typer

from configs.settings import load
from jobs.session import Session, console
from pipeline.errors import CallError
from pipeline.registry import Registry
from pipeline.workspace import Workspace

ConfigPath = Annotated[
    str | None,
    typer.Option("--config", "-c", help="YAML file, or the name of a shipped one, such as embedded."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="A.B=C", help="Change one setting; may be repeated."),
]
Output = Annotated[str, typer.Option("--output", "-o", help="The workspace: a folder, created when missing.")]
Input = Annotated[
    str,
    typer.Option(
        "--input",
        "-i",
        help="A folder, a file, a glob, a .parquet/.jsonl/.csv with a column uri, or WebDataset .tar files.",
    ),
]
Restart = Annotated[
    bool,
    typer.Option("--restart", help="Discard what the workspace has of this step and of those after it."),
]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]

# Where a command starts anew, and the tables that it then discards.
AFTER = {
    "clips": ("clips", "duplicates", "scores", "annotations"),
    "scores": ("scores", "annotations"),
    "annotations": ("annotations",),
}
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes

ending = contextlib.ExitStack()  # what ends with the command: the lock of a workspace


def session(
    config: str | None,
    overrides: list[str] | None,
    output: str,
    restart: str | None = None,
    command: str | None = None,
) -> Session:
    """Begin a command on a workspace.

    Args:
        config: The settings file.
        overrides: Settings of the command line.
        output: The workspace.
        restart: A key of AFTER; None: nothing is discarded.
        command: The name of a command that writes to the workspace, which is then locked until it ends.
    """
    begun = Session(load(config, overrides or ()), Workspace(output))
    if command:
        ending.push(say_how_to_resume)
        ending.enter_context(begun.writing(command))
    if restart and begun.workspace.exists():
        begun.workspace.clear(AFTER[restart])
    return begun


def say_how_to_resume(_kind: object, error: BaseException | None, _trace: object) -> None:
    """Tell, at the end of a command that was stopped, how to go on; for `ending.push`."""
    if isinstance(error, SystemExit) and error.code in STOPPED:
        again = shlex.join(["motionsight", *(word for word in sys.argv[1:] if word != "--restart")])
        message = f"stopped; finished work is kept. Resume with: {again}"
        console().print(message, markup=False, soft_wrap=True)


def offered(registry: Registry[Any]) -> str:
    """List what a registry has, for --help; a broken plug-in is named there and breaks no other command."""
    try:
        return "; ".join(f"{each.name} ({each.help})" for each in registry)
    except CallError as error:
        return f"those installed, but {error}"
