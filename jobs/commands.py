"""The commands and their options; each calls the job of its name."""

import os
from importlib.metadata import version
from typing import Annotated

import typer

from configs.settings import load
from jobs.options import (
    ConfigPath,
    Dry,
    Input,
    Output,
    Overrides,
    Restart,
    ending,
    offered,
    say_how_to_resume,
    session,
)
from jobs.session import console
from jobs.train_commands import train
from pipeline.errors import CallError
from pipeline.workspace import Workspace
from stages.evaluate.benchmark import BENCHMARKS
from stages.motionsight.prompt import VisualPrompt

app = typer.Typer(
    name="motionsight",
    help="Distil motion-understanding datasets (MotionVid-QA) from raw video clips with MotionSight, on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(train, name="train")


@app.command()
def distill(
    input: Input,
    output: Output,
    config: ConfigPath = "embedded",
    overrides: Overrides = None,
    restart: Restart = False,
    dry_run: Dry = False,
) -> None:
    """Clips in, dataset and report out: ingest, score, annotate, split, audit.

    Does only what is missing, so the same command again goes on where it stopped.

    Example: motionsight distill --input ~/clips --output work
    """
    from jobs import distill as job

    if dry_run:
        raise typer.Exit(job.dry_run(session(config, overrides, output), input))
    raise typer.Exit(
        job.run(session(config, overrides, output, "clips" if restart else None, "distill"), input)
    )


@app.command()
def ingest(
    input: Input,
    output: Output,
    config: ConfigPath = "embedded",
    overrides: Overrides = None,
    restart: Restart = False,
) -> None:
    """Find the clips and give each its identity.

    Example: motionsight ingest --input 'videos/*.mp4' --output work --set ingest.shots=adaptive
    """
    from jobs import ingest as job

    job.run(session(config, overrides, output, "clips" if restart else None, "ingest"), input)


@app.command()
def score(
    output: Output, config: ConfigPath = "embedded", overrides: Overrides = None, restart: Restart = False
) -> None:
    """Measure every clip: quality, flow, camera and object motion.

    Example: motionsight score --output work --set decode.fps=4 --restart
    """
    from jobs import score as job

    job.run(session(config, overrides, output, "scores" if restart else None, "score"))


@app.command()
def annotate(
    output: Output, config: ConfigPath = "embedded", overrides: Overrides = None, restart: Restart = False
) -> None:
    """Ask and answer questions about every clip that passes the gates.

    Example: motionsight annotate --output work --set annotate.questions=3 --restart
    """
    from jobs import annotate as job

    raise typer.Exit(
        job.run(session(config, overrides, output, "annotations" if restart else None, "annotate"))
    )


@app.command()
def split(
    output: Annotated[str | None, typer.Option("--output", "-o", help="The workspace.")] = None,
    config: ConfigPath = "embedded",
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change in the published dataset.")
    ] = False,
    version: Annotated[
        str | None, typer.Option(help="Write dataset/VERSION beside the others; default: dataset itself.")
    ] = None,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Only say in what two datasets differ: versions, or folders."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the difference as JSON.")] = False,
) -> None:
    """Write the dataset from the tables, with the gates and shares as they are set now.

    Example: motionsight split --output work --set gates.flow_min=0.01 --dry-run

    Example: motionsight split --output work --version v2; motionsight split --output work --diff dataset v2
    """
    from jobs import split as job

    if diff:
        job.diff(session(config, overrides, output) if output else None, diff, as_json)
    elif output is None:
        raise CallError("--output is needed: the workspace whose tables become a dataset")
    else:
        job.run(session(config, overrides, output, command=None if dry_run else "split"), dry_run, version)


@app.command()
def audit(output: Output, config: ConfigPath = "embedded", overrides: Overrides = None) -> None:
    """Count what happened to every clip, and show how the scores are spread.

    Example: motionsight audit --output work
    """
    from jobs import audit as job

    raise typer.Exit(job.run(session(config, overrides, output, command="audit")))


@app.command()
def demo(output: Output = "out/demo", config: ConfigPath = "embedded", overrides: Overrides = None) -> None:
    """Render clips whose motion is known, distil them, and tell how much came out right.

    Example: motionsight demo --output out/demo
    """
    from jobs import demo as job

    raise typer.Exit(job.run(session(config, overrides, output, command="demo")))


@app.command()
def ask(
    video: Annotated[str, typer.Argument(help="A video file, or its s3:// or gs:// address.")],
    question: Annotated[str, typer.Argument(help="What to ask of it.")],
    config: ConfigPath = "embedded",
    overrides: Overrides = None,
    prompt: Annotated[
        VisualPrompt | None, typer.Option(help="The frames' enhancement; default: as the question needs it.")
    ] = None,
    save_prompt: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Write the frames that the model saw, and a contact sheet."),
    ] = None,
) -> None:
    """Ask MotionSight one question about one video.

    Example: motionsight ask clip.mp4 "How does the camera move?" --save-prompt seen
    """
    from jobs import ask as job

    job.run(load(config, overrides or ()), video, question, prompt, save_prompt, console())


@app.command()
def review(
    output: Annotated[str, typer.Option("--output", "-o", help="The workspace.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own asks for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8008,
    token: Annotated[
        str | None,
        typer.Option(envvar="MOTIONSIGHT_TOKEN", help="What visitors must know; default: made when needed."),
    ] = None,
    annotator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who votes; default: the page asks.")
    ] = None,
    overlap: Annotated[int, typer.Option(min=1, help="People who are asked each question.")] = 1,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many questions, the most uncertain ones.")
    ] = None,
    votes: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where votes are kept; default: in the workspace.")
    ] = None,
    to_label_studio: Annotated[
        str | None,
        typer.Option("--export-label-studio", metavar="FILE", help="Only write Label Studio's JSON."),
    ] = None,
    from_label_studio: Annotated[
        str | None, typer.Option("--import-label-studio", metavar="FILE", help="Only take votes from it.")
    ] = None,
    agreement: Annotated[bool, typer.Option("--agreement", help="Only say how far people agree.")] = False,
) -> None:
    """Let people choose between answers on a web page. What they choose, `split` takes first.

    Example: motionsight review --output work --overlap 2

    Example: motionsight review --output work --agreement
    """
    from jobs import review as job

    what = job.Review(Workspace(output), console(), votes, limit)
    if to_label_studio:
        job.export(what, to_label_studio)
    elif from_label_studio:
        job.take_in(what, from_label_studio)
    elif agreement:
        job.report(what)
    else:
        job.serve(what, host, port, token, annotator, overlap)


@app.command()
def doctor(
    config: ConfigPath = "embedded",
    overrides: Overrides = None,
    folder: Annotated[
        str, typer.Option("--weights", metavar="DIR", help="Where fetched weights go: a disk all nodes see.")
    ] = "weights",
) -> None:
    """Say what a configuration needs that is not here, and how to get it.

    Example: motionsight doctor --config motionvid_qa --weights /mnt/weights
    """
    from jobs import doctor as job

    raise typer.Exit(job.run(load(config, overrides or ()), folder, console()))


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def submit(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND...", help="The command, with its own options.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="The cluster's job server, http://HEAD:8265; default: RAY_API_SERVER_ADDRESS."),
    ] = None,
    working_dir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Send this folder along: a checkout of this package.")
    ] = None,
    runtime_env: Annotated[
        str | None, typer.Option(metavar="YAML", help="Ray's runtime environment: a file, or '{pip: [...]}'.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=VALUE]", help="Set a variable there, to its value here; repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the job is called.")] = None,
    num_cpus: Annotated[float | None, typer.Option(help="CPUs that the driver takes.")] = None,
    num_gpus: Annotated[float | None, typer.Option(help="GPUs that the driver takes.")] = None,
    memory_gb: Annotated[float | None, typer.Option(help="Memory that the driver takes, GiB.")] = None,
    resource: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="Custom resource that the driver takes.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Print its log until it ends.")] = True,
    status: Annotated[str | None, typer.Option(metavar="JOB", help="Only say what became of a job.")] = None,
    logs: Annotated[str | None, typer.Option(metavar="JOB", help="Only print a job's log.")] = None,
    stop: Annotated[str | None, typer.Option(metavar="JOB", help="Only stop a job.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Only list the jobs.")] = False,
) -> None:
    """Run any of these commands as a job on a Ray cluster.

    Example: motionsight submit --env AWS_PROFILE score --output s3://bucket/work
    """
    from jobs import submit as job

    out = console()
    if status:
        raise typer.Exit(job.status(status, address, out))
    if logs:
        raise typer.Exit(job.watch(logs, address, out))
    if stop:
        raise typer.Exit(job.stop(stop, address, out))
    if listing:
        raise typer.Exit(job.listing(address, out))
    made = job.submission(
        name=name,
        working_dir=working_dir,
        runtime_env=job.read_environment(runtime_env, env or (), os.environ),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        memory_gb=memory_gb,
        resources=job.read_resources(resource or ()),
    )
    raise typer.Exit(job.run(words or (), made, address, follow, out))


@app.command()
def evaluate(
    output: Annotated[str, typer.Option("--output", "-o", help="The folder of the results.")],
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", "-b", metavar="NAME", help=f"One of {offered(BENCHMARKS)}.")
    ] = None,
    questions: Annotated[
        str | None,
        typer.Option("--questions", "-q", help="Its questions: the file that its authors publish."),
    ] = None,
    videos: Annotated[str | None, typer.Option(metavar="DIR", help="The folder of its videos.")] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            help="none, spotlight, crop, background_blur, motion_blur, red_circle or motionsight (its own"
            " decision, the default); may be repeated."
        ),
    ] = None,
    config: ConfigPath = "embedded",
    overrides: Overrides = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many clips.")] = None,
    compare: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Only say how this run differs from --output.")
    ] = None,
    dry_run: Dry = False,
) -> None:
    """Ask a model the questions of a benchmark, such as MotionBench, and score its answers.

    The same command again asks only what has not been answered.

    Example: motionsight evaluate --benchmark motionbench --questions video_info.meta.jsonl --videos videos
    --prompt none --prompt motionsight --config openai --output bench; then
    motionsight evaluate --output bench/none --compare bench/motionsight
    """
    from jobs import evaluate as job

    if compare:
        raise typer.Exit(job.compared(output, compare))
    if not (benchmark and questions and videos):
        raise CallError("--benchmark, --questions and --videos are needed")
    ending.push(say_how_to_resume)
    settings = load(config, overrides or ())
    raise typer.Exit(job.run(settings, benchmark, questions, videos, output, prompt or (), limit, dry_run))


@app.command()
def config(config: ConfigPath = "embedded", overrides: Overrides = None) -> None:
    """Print every setting with its meaning, unit, default and value, as YAML to save and use.

    Example: motionsight config --config openai --set decode.fps=4 > mine.yaml
    """
    from jobs import config as job

    job.run(load(config, overrides or ()), config, overrides or ())


@app.command()
def serve(
    config: ConfigPath = "embedded",
    overrides: Overrides = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own asks for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(envvar="MOTIONSIGHT_TOKEN", help="The clients' API key; default: made when needed."),
    ] = None,
) -> None:
    """Answer questions about videos as OpenAI's API does, with MotionSight in front of the model.

    Example: motionsight serve --config openai --set mllm.base_url=http://127.0.0.1:8001/v1
    """
    from jobs import serve as job

    job.run(load(config, overrides or ()), host, port, token, console())


@app.callback(invoke_without_command=True)
def _root(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if show_version:
        print(version("motionsight-distill"))
        raise typer.Exit
