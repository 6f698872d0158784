"""`motionsight submit`: any command as a job on a Ray cluster, through its job server."""

import asyncio
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import join, quote
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline import joining
from pipeline.errors import CallError, RunError, reason
from pipeline.requirements import MADE_BY_RAY

FAILED = 1
CLI = "jobs/cli.py"  # what tells a checkout of this package from other folders


class Submission(BaseModel):
    """How a command runs on the cluster. Its own resources are the driver's; workers ask for theirs."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, description="of the job; null: made up by Ray")
    working_dir: str | None = Field(None, description="a folder to send along, less what .gitignore names")
    runtime_env: dict[str, Any] = Field({}, description="as Ray takes it")
    python: str | None = Field(
        None, description="a Python of the nodes that has this package; null: this one"
    )
    num_cpus: float | None = Field(None, ge=0)
    num_gpus: float | None = Field(None, ge=0)
    memory_gb: float | None = Field(None, gt=0)
    resources: dict[str, float] = Field({}, description="custom ones, such as {score_pool: 0.01}")


def run(words: Sequence[str], submission: Submission, address: str | None, follow: bool, out: Console) -> int:
    """Submit `motionsight WORDS`. Returns its exit code, or 0 at once without `follow`.

    address: of the job server, http://HEAD:8265; None: RAY_API_SERVER_ADDRESS or RAY_ADDRESS. Raises
    CallError for a command or an environment that cannot be submitted, RunError without a cluster.
    """
    if not words or words[0] == "submit":
        raise CallError("which command? for example: motionsight submit score --output s3://bucket/work")
    environment = dict(submission.runtime_env)
    if submission.working_dir:
        if not Path(submission.working_dir).is_dir() and "://" not in submission.working_dir:
            raise CallError(f"--working-dir {submission.working_dir!r} is no folder")
        environment["working_dir"] = submission.working_dir
    # An environment that Ray makes for the job has a Python of its own.
    python = submission.python or (None if MADE_BY_RAY & environment.keys() else sys.executable)
    with _told():
        client = connect(address)
        job = client.submit_job(
            entrypoint=entrypoint(words, environment.get("working_dir"), python),
            submission_id=submission.name,
            runtime_env=environment,
            metadata={"command": join(["motionsight", *words])},
            entrypoint_num_cpus=submission.num_cpus,
            entrypoint_num_gpus=submission.num_gpus,
            entrypoint_memory=int(submission.memory_gb * 1024**3) if submission.memory_gb else None,
            entrypoint_resources=submission.resources or None,
        )
    out.print(f"job {job} submitted", markup=False)
    return watch(job, address, out) if follow else 0


def entrypoint(words: Sequence[str], working_dir: str | None, python: str | None = None) -> str:
    """The shell command that a job runs.

    The console script finds the installed package whatever else is in the folder that the job starts in. A
    checkout sent along need not be installed on the cluster, so it runs as a module: Ray starts the job in it
    and puts it first on PYTHONPATH.

    Args:
        words: The command, with its options.
        working_dir: The folder sent along, or an archive or URI of one; those cannot be looked into, and are
            taken for checkouts.
        python: The Python to run it with, where there is one of this path; None: that on the job's PATH.
    """
    checkout = working_dir and (not Path(working_dir).is_dir() or (Path(working_dir) / CLI).is_file())
    plain = ["python", "-m", "jobs.cli", *words] if checkout else ["motionsight", *words]
    if not python:
        return join(plain)
    named = [python, "-m", "jobs.cli", *words] if checkout else [f"{Path(python).parent}/motionsight", *words]
    return f"if [ -x {quote(named[0])} ]; then exec {join(named)}; else exec {join(plain)}; fi"


def watch(job: str, address: str | None, out: Console) -> int:
    """Print a job's log until it ends. Returns its exit code."""

    async def tail() -> None:
        async for lines in client.tail_job_logs(job):
            out.print(lines, end="", markup=False, soft_wrap=True)

    logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.ERROR)  # it tells of its socket
    try:
        with _told():
            client = connect(address)
            asyncio.run(tail())
            info = client.get_job_info(job)
    except SystemExit:  # Ctrl-C ends the watching alone
        out.print(f"job {job} goes on; motionsight submit --logs {job}, or --stop {job}", markup=False)
        raise
    out.print(f"job {job}: {info.status}", markup=False)
    return 0 if info.status == "SUCCEEDED" else info.driver_exit_code or FAILED


def status(job: str, address: str | None, out: Console) -> int:
    """Print what became of a job. Returns 1 if it failed or was stopped."""
    with _told():
        info = connect(address).get_job_info(job)
    out.print(f"{info.status}: {' '.join((info.message or '').split())}", markup=False, soft_wrap=True)
    return FAILED if info.status in ("FAILED", "STOPPED") else 0


def stop(job: str, address: str | None, out: Console) -> int:
    """Stop a job as SIGTERM stops a command: what is done is kept."""
    with _told():
        stopped = connect(address).stop_job(job)
    out.print(f"job {job}: {'stopping' if stopped else 'had ended'}", markup=False)
    return 0


def listing(address: str | None, out: Console) -> int:
    """Print the jobs of a cluster, the newest first."""
    with _told():
        jobs = connect(address).list_jobs()
    table = Table("job", "status", "command", box=None)
    for info in sorted(jobs, key=lambda info: -(info.start_time or 0)):
        told = (info.metadata or {}).get("command", info.entrypoint)
        table.add_row(info.submission_id or info.job_id, str(info.status), escape(told))
    out.print(table)
    return 0


def connect(address: str | None) -> Any:
    """A client of the job server. Raises RunError when there is none, or it wants another token."""
    joining.take_token()
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    try:
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        raise RunError(joining.NOT_LET_IN) from error
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = address or "RAY_API_SERVER_ADDRESS or RAY_ADDRESS"
        raise RunError(f"no Ray job server at {where}: {_last(error)}") from error


def read_environment(given: str | None, variables: Sequence[str], here: Mapping[str, str]) -> dict[str, Any]:
    """A Ray runtime environment out of YAML or JSON, or a file of it, and variables NAME or NAME=VALUE.

    here: where the value of a bare NAME comes from. Raises CallError.
    """
    environment: Any = {}
    if given:
        try:
            environment = yaml.safe_load(given if given.lstrip().startswith("{") else Path(given).read_text())
        except (OSError, yaml.YAMLError) as error:
            raise CallError(f"--runtime-env {given!r} cannot be read: {reason(error)}") from error
    if not isinstance(environment, dict):
        raise CallError(f"--runtime-env {given!r} must hold settings (name: value)")
    for variable in variables:
        name, equals, value = variable.partition("=")
        if not equals and name not in here:
            raise CallError(f"--env {name}: no such variable here; give it as {name}=VALUE")
        environment.setdefault("env_vars", {})[name] = value if equals else here[name]
    return environment


def submission(**given: Any) -> Submission:
    """The settings as given on the command line. Raises CallError."""
    try:
        return Submission(**given)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise CallError(told) from None


def read_resources(given: Sequence[str]) -> dict[str, float]:
    """{NAME: AMOUNT} out of NAME=AMOUNT. Raises CallError."""
    try:
        return {name: float(amount) for name, amount in (one.split("=", 1) for one in given)}
    except ValueError:
        raise CallError(f"--resource {' '.join(given)}: expected NAME=AMOUNT, as in score_pool=1") from None


@contextmanager
def _told() -> Iterator[None]:
    """Tell what the job server says against a call in one line."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if "status code 5" in str(error):
            raise RunError(f"the job server failed: {_last(error)}") from error
        raise CallError(f"the job server refuses: {_last(error)}") from error
    except ConnectionError as error:
        raise RunError(f"the job server cannot be reached: {_last(error)}") from error


def _last(error: BaseException) -> str:
    """The end of a message, which may hold a traceback of the server's."""
    lines = [line.strip() for line in str(error).replace("\\n", "\n").splitlines() if line.strip(" '\".")]
    return lines[-1][-300:] if lines else type(error).__name__
