"""The command line, run as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = ("-m", "jobs.cli")
TIMEOUT_S = 500.0  # below pytest's own limit, so that a command that hangs is killed and its test fails

Environment = Mapping[str, str | None]


def motionsight(
    *words: object, by: Sequence[str] = (), env: Environment | None = None, timeout_s: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run `motionsight` to its end, in the root of the project, and capture what it prints.

    Args:
        words: The command and its arguments, each converted to a string.
        by: A command that runs it, with arguments, such as `setpriv`.
        env: Variables to change in the environment; None unsets one.
        timeout_s: Seconds after which the process is killed.

    Returns:
        The finished process, whatever its exit code.

    Raises:
        subprocess.TimeoutExpired: The time is over.
    """
    return subprocess.run(
        [*by, sys.executable, *PROGRAM, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=ROOT,
        env=_environment(env),
    )


def start(
    *words: object,
    program: Sequence[str] = PROGRAM,
    env: Environment | None = None,
    stdout: int | None = None,
    stderr: int | None = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start `motionsight` in a process group of its own, which a test can signal as a whole.

    Args:
        words: The command and its arguments, each converted to a string.
        program: What Python runs instead of the command line, such as `("-c", code)`.
        env: Variables to change in the environment; None unsets one.
        stdout: Where reports go; None: where this process's own output goes.
        stderr: Where messages go. A pipe blocks the process once it is full, unless the test reads it.
    """
    return subprocess.Popen(
        [sys.executable, *program, *map(str, words)],
        stdout=stdout,
        stderr=stderr,
        text=True,
        cwd=ROOT,
        env=_environment(env),
        start_new_session=True,
    )


def sets(*settings: str) -> list[str]:
    """Options that change settings: `--set` before each `key=value`."""
    return [word for setting in settings for word in ("--set", setting)]


# Models of annotate alone, which no machine has the GPUs for: another command that reserved them would fail.
UNUSED_MODELS = sets(
    "baseline={backend: vllm, model: m, actor: {num_gpus: 1000}}",
    "vqascore={backend: t2v_metrics, actor: {num_gpus: 1000}}",
)


def _environment(changes: Environment | None) -> dict[str, str]:
    changed = os.environ | dict(changes or {})
    return {name: value for name, value in changed.items() if value is not None}
