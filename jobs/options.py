"""What the commands have in common: options, and how a command starts and ends."""

import contextlib
import json
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from jobs.console import console
from pipeline.errors import ERRORS, CallError
from pipeline.registry import Registry
from pipeline.text import without_keys

if TYPE_CHECKING:  # imported where they are used, for the help to come at once
    from configs.settings import Config
    from jobs.session import Session

PROFILE = "embedded"  # of a command that names none
ConfigPath = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        show_default=PROFILE,
        help="A YAML file, or the name of a built-in profile. A file with `extends: embedded` changes that"
        " profile.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="A.B=C", help="Override one setting. Repeatable."),
]
Output = Annotated[
    str, typer.Option("--output", "-o", help="The workspace: a folder, created if it does not exist.")
]
Input = Annotated[
    str,
    typer.Option(
        "--input",
        "-i",
        help="A folder, a file, a glob, a .parquet/.jsonl/.csv with a uri column, or WebDataset .tar files.",
    ),
]
Restart = Annotated[
    bool,
    typer.Option("--restart", help="Discard the results of this step and all later ones, and start over."),
]
Retry = Annotated[
    str | None,
    typer.Option(
        "--retry-failed",
        metavar="[CODE]",
        help="Only process the clips again that failed, or failed with this code, such as timeout.",
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        help="Take all gates and split settings of this command, whatever was published before.",
    ),
]
Host = Annotated[str, typer.Option(help="The address to listen on; all but the loopback require a token.")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="MOTIONSIGHT_TOKEN", help="The token that visitors need; default: generated if required."
    ),
]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")]

# The tables that --restart discards, keyed by the first of them.
AFTER = {
    "clips": ("clips", "duplicates", "fingerprints", "scores", "annotations"),
    "scores": ("scores", "annotations"),
    "annotations": ("annotations",),
}
# The tables in which --retry-failed of a command looks for failures.
FAILURES = {"distill": ("scores", "annotations"), "score": ("scores",), "annotate": ("annotations",)}
LISTED = 5  # settings that a note names
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes

ending = contextlib.ExitStack()  # closed when the command ends: releases the workspace's lock


def settings(config: str | None, overrides: list[str] | None) -> "Config":
    """Read the settings of a command, and say so if its file leaves out those of the usual profile.

    Args:
        config: The settings file, or the name of a profile; None: the usual one.
        overrides: Settings from the command line, as "a.b=c".

    Raises:
        CallError: A setting is wrong.
    """
    from configs.settings import Config, left_out, load

    loaded = load(config or PROFILE, overrides or ())
    if config and (names := left_out(config, Config, PROFILE)):
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        console().print(
            f"note: {config} does not set {', '.join(names[:LISTED])}{more}, which are at their defaults, not"
            f" as in {PROFILE}; with a line `extends: {PROFILE}` they would be",
            markup=False,
            soft_wrap=True,
        )
    return loaded


def session(
    config: str | None,
    overrides: list[str] | None,
    output: str,
    restart: str | None = None,
    command: str | None = None,
) -> "Session":
    """Open a workspace for a command.

    Args:
        config: The settings file, or the name of a profile.
        overrides: Settings from the command line, as "a.b=c".
        output: The workspace.
        restart: A key of AFTER, whose tables are discarded; None: nothing is.
        command: The name of a command that writes, for which the workspace is locked until it ends; None: the
            command only reads.

    Raises:
        CallError: A setting is wrong, the workspace cannot be reached, or another process writes to it.
    """
    from configs.published import Given
    from configs.settings import load
    from jobs.session import Session
    from pipeline.workspace import Workspace

    begun = Session(settings(config, overrides), Workspace(output))
    paths = [override.partition("=")[0].strip() for override in overrides or ()]
    name = config or PROFILE
    name = str(Path(name).absolute()) if Path(name).is_file() else name
    begun.given = Given(load(name), paths, config is not None, name=name)
    if command:
        ending.push(say_how_to_resume)
        ending.enter_context(begun.writing(command))
    if restart and begun.workspace.exists():
        begun.workspace.clear(AFTER[restart])
    return begun


def sticking(begun: "Session", yes: bool = False, version: str | None = None) -> "Session":
    """Put the gates and split settings of the published dataset in force where the command names no others.

    Args:
        begun: The workspace and the settings of the command, which are replaced.
        yes: Whether all settings of the command are to hold.
        version: Of the dataset; one that is not there yet follows the one without a name.

    Raises:
        CallError: The settings do not fit together.
    """
    from configs.published import settle

    if begun.given is None:
        return begun
    places = [("dataset", version)] if version else []
    held = settle(begun.config, replace(begun.given, all=yes), begun.published(*places, ("dataset",)))
    if held.kept:
        told = ", ".join(
            f"{path}={_short(was)} (not {_short(new)})" for path, (was, new) in held.kept.items()
        )
        begun.say(f"note: as in the published dataset: {told}; --yes takes the values of this command")
    for path, (was, new) in held.changed.items():
        begun.say(f"note: {path} is now {_short(new)}; the dataset was published with {_short(was)}")
    begun.config, begun.profile = held.config, held.profile
    return begun


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class Retrying(TyperCommand):
    """A command with --retry-failed, whose code may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of the command line, with the code that is meant in its place."""
        for at in range(len(args), 0, -1):
            if args[at - 1] == "--retry-failed" and (at == len(args) or args[at].startswith("-")):
                args = [*args[:at], "all", *args[at:]]
        return super().parse_args(ctx, args)


def retry_failed(session: "Session", command: str, code: str | None) -> set[str] | None:
    """Discard the failures that a command is to make again.

    Args:
        session: Holds the lock of the workspace.
        command: A key of FAILURES.
        code: The error code; "all": any; None: nothing is discarded.

    Returns:
        The ids of the clips, which alone are to be processed; None: all that are missing.

    Raises:
        CallError: There is no such code.
    """
    import pyarrow.compute as pc

    if code is None:
        return None
    if code != "all" and code not in ERRORS:
        raise CallError(f"--retry-failed: no error code {code!r}; known: all, {', '.join(ERRORS)}")
    ids: set[str] = set()
    for table in FAILURES[command]:
        rows = session.workspace.read(table, ["clip_id", "error"])
        failed = rows.filter(rows["error"].is_valid() if code == "all" else pc.equal(rows["error"], code))
        session.workspace.remove(table, failed["clip_id"].combine_chunks())
        session.say(f"{table}: {failed.num_rows} failures are made again")
        ids.update(failed["clip_id"].to_pylist())
    return ids


def say_how_to_resume(_kind: object, error: BaseException | None, _trace: object) -> None:
    """Print how to resume a command that was stopped by a signal; a callback for `ending.push`."""
    if isinstance(error, SystemExit) and error.code in STOPPED:
        again = shlex.join(["motionsight", *(without_keys(w) for w in sys.argv[1:] if w != "--restart")])
        message = f"stopped; finished work is kept. Resume with: {again}"
        console().print(message, markup=False, soft_wrap=True)


def offered(registry: Registry[Any]) -> str:
    """Return a list of a registry's classes for --help.

    A plug-in that cannot be imported is reported there, so that all other commands still work.
    """
    try:
        return "; ".join(f"{each.name} ({each.help})" for each in registry)
    except CallError as error:
        return f"those installed, but {error}"
