"""`motionsight submit`, with its options."""

import os
from typing import Annotated

import typer

from jobs.console import console


def submit(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND...", help="The command, with its own options.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="The cluster's job server, http://HEAD:8265; default: RAY_API_SERVER_ADDRESS."),
    ] = None,
    working_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Upload this folder, usually a checkout of this package."),
    ] = None,
    runtime_env: Annotated[
        str | None,
        typer.Option(
            metavar="YAML", help="Ray's runtime environment: a file, or YAML such as '{pip: [...]}'."
        ),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A Python of the cluster's nodes that has this package; default: this one, if it is there.",
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=VALUE]",
            help="Set an environment variable of the job; VALUE defaults to its value here. Repeatable.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name for the job.")] = None,
    num_cpus: Annotated[float | None, typer.Option(help="CPUs to reserve for the driver.")] = None,
    num_gpus: Annotated[float | None, typer.Option(help="GPUs to reserve for the driver.")] = None,
    memory_gb: Annotated[float | None, typer.Option(help="Memory to reserve for the driver, GiB.")] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=N", help="A custom resource to reserve for the driver. Repeatable."),
    ] = None,
    follow: Annotated[bool, typer.Option(help="Print the job's log until it ends.")] = True,
    status: Annotated[str | None, typer.Option(metavar="JOB", help="Only print the status of a job.")] = None,
    logs: Annotated[str | None, typer.Option(metavar="JOB", help="Only print the log of a job.")] = None,
    stop: Annotated[str | None, typer.Option(metavar="JOB", help="Only stop a job.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Only list the jobs.")] = False,
) -> None:
    """Run one of the other commands as a job on a Ray cluster.

    Example: motionsight submit --env AWS_PROFILE score --output s3://bucket/work
    """
    from jobs import submit as job

    out = console()
    if status:
        raise typer.Exit(job.status(status, address, console(report=True)))
    if logs:
        raise typer.Exit(job.watch(logs, address, console(report=True)))
    if stop:
        raise typer.Exit(job.stop(stop, address, out))
    if listing:
        raise typer.Exit(job.listing(address, console(report=True)))
    made = job.submission(
        name=name,
        working_dir=working_dir,
        python=python,
        runtime_env=job.read_environment(runtime_env, env or (), os.environ),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        memory_gb=memory_gb,
        resources=job.read_resources(resource or ()),
    )
    raise typer.Exit(job.run(words or (), made, address, follow, out))
