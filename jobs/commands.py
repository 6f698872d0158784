"""The commands and their options. Each command calls the job of the same name."""

from importlib.metadata import version
from typing import Annotated

import typer

from jobs.browse_command import browse
from jobs.console import console
from jobs.options import (
    PROFILE,
    ConfigPath,
    Dry,
    Host,
    Input,
    Output,
    Overrides,
    Restart,
    Retry,
    Retrying,
    Token,
    Yes,
    ending,
    offered,
    retry_failed,
    say_how_to_resume,
    session,
    settings,
    sticking,
)
from jobs.submit_command import submit
from jobs.train_commands import train
from pipeline.errors import CallError
from stages.evaluate.benchmark import BENCHMARKS
from stages.evaluate.protocols.protocol import DEFAULT
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


@app.command(cls=Retrying)
def distill(
    input: Input,
    output: Output,
    config: ConfigPath = None,
    overrides: Overrides = None,
    restart: Restart = False,
    retry: Retry = None,
    yes: Yes = False,
    dry_run: Dry = False,
) -> None:
    """Turn clips into a dataset and a report: ingest, score, annotate, split, audit.

    Processes only what is missing: run the same command again to resume.

    Example: motionsight distill --input ~/clips --output work

    Example: motionsight distill --input ~/clips --output work --retry-failed timeout
    """
    from jobs import distill as job

    if dry_run:
        raise typer.Exit(job.dry_run(sticking(session(config, overrides, output), yes), input, restart))
    begun = sticking(session(config, overrides, output, "clips" if restart else None, "distill"), yes)
    raise typer.Exit(job.run(begun, input, retry_failed(begun, "distill", retry)))


@app.command()
def ingest(
    input: Input,
    output: Output,
    config: ConfigPath = None,
    overrides: Overrides = None,
    restart: Restart = False,
) -> None:
    """Find the clips and identify each by a checksum.

    Example: motionsight ingest --input 'videos/*.mp4' --output work --set ingest.shots=adaptive
    """
    from jobs import ingest as job

    job.run(session(config, overrides, output, "clips" if restart else None, "ingest"), input)


@app.command(cls=Retrying)
def score(
    output: Output,
    config: ConfigPath = None,
    overrides: Overrides = None,
    restart: Restart = False,
    retry: Retry = None,
) -> None:
    """Measure every clip: quality, flow, camera and object motion.

    Example: motionsight score --output work --set decode.fps=4 --restart
    """
    from jobs import score as job

    begun = session(config, overrides, output, "scores" if restart else None, "score")
    job.run(begun, retry_failed(begun, "score", retry))


@app.command(cls=Retrying)
def annotate(
    output: Output,
    config: ConfigPath = None,
    overrides: Overrides = None,
    restart: Restart = False,
    retry: Retry = None,
    yes: Yes = False,
) -> None:
    """Generate questions and answers about every clip that passes the gates.

    Example: motionsight annotate --output work --set annotate.questions=3 --restart
    """
    from jobs import annotate as job

    begun = session(config, overrides, output, "annotations" if restart else None, "annotate")
    sticking(begun, yes)
    raise typer.Exit(job.run(begun, retry_failed(begun, "annotate", retry)))


@app.command()
def split(
    output: Annotated[str | None, typer.Option("--output", "-o", help="The workspace.")] = None,
    config: ConfigPath = None,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would change in the published dataset.")
    ] = False,
    version: Annotated[
        str | None,
        typer.Option(help="Write to dataset/VERSION, next to earlier versions; default: to dataset."),
    ] = None,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Only print how two datasets differ; each a version or a folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
    yes: Yes = False,
) -> None:
    """Write the dataset from the tables, applying the current gates and shares.

    Example: motionsight split --output work --set gates.flow_min=0.01 --dry-run

    Example: motionsight split --output work --version v2; motionsight split --output work --diff dataset v2
    """
    from jobs import split as job

    if diff:
        job.diff(session(config, overrides, output) if output else None, diff, as_json)
    elif output is None:
        raise CallError("missing --output: the workspace whose tables become the dataset")
    else:
        begun = session(config, overrides, output, command=None if dry_run else "split")
        job.run(sticking(begun, yes, version), dry_run, version)


@app.command()
def audit(output: Output, config: ConfigPath = None, overrides: Overrides = None, yes: Yes = False) -> None:
    """Report what happened to every clip, and how the scores are distributed.

    Example: motionsight audit --output work
    """
    from jobs import audit as job

    raise typer.Exit(job.run(sticking(session(config, overrides, output, command="audit"), yes)))


@app.command()
def demo(
    output: Output = "out/demo",
    config: ConfigPath = None,
    overrides: Overrides = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only a few clips: half a minute on 2 cores.")
    ] = False,
) -> None:
    """Render clips with known motion, distil them, and print the accuracy.

    Example: motionsight demo --quick
    """
    from jobs import demo as job

    raise typer.Exit(job.run(sticking(session(config, overrides, output, command="demo")), quick))


@app.command()
def ask(
    video: Annotated[str, typer.Argument(help="A video file, or its s3:// or gs:// URI.")],
    question: Annotated[str, typer.Argument(help="The question to answer.")],
    config: ConfigPath = None,
    overrides: Overrides = None,
    prompt: Annotated[
        VisualPrompt | None, typer.Option(help="How frames are enhanced; default: chosen by the question.")
    ] = None,
    save_prompt: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Save the frames that the model sees, and a contact sheet, to DIR."),
    ] = None,
) -> None:
    """Ask MotionSight one question about one video.

    Example: motionsight ask clip.mp4 "How does the camera move?" --save-prompt seen
    """
    from jobs import ask as job

    raise typer.Exit(job.run(settings(config, overrides), video, question, prompt, save_prompt, console()))


app.command()(browse)


@app.command()
def review(
    output: Annotated[str, typer.Option("--output", "-o", help="The workspace.")],
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any free port.")] = 8008,
    token: Token = None,
    annotator: Annotated[
        str | None, typer.Option(metavar="NAME", help="The annotator's name; default: the page asks for it.")
    ] = None,
    overlap: Annotated[int, typer.Option(min=1, help="Number of annotators for each question.")] = 1,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Ask at most this many questions, the most uncertain ones.")
    ] = None,
    votes: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file for votes; default: one in the workspace.")
    ] = None,
    to_label_studio: Annotated[
        str | None,
        typer.Option(
            "--export-label-studio",
            metavar="FILE",
            help="Only export questions to Label Studio JSON, with videos.",
        ),
    ] = None,
    from_label_studio: Annotated[
        str | None,
        typer.Option(
            "--import-label-studio", metavar="FILE", help="Only import votes from Label Studio JSON."
        ),
    ] = None,
    agreement: Annotated[
        bool,
        typer.Option("--agreement", help="Only print how well annotators agree, and what they reported."),
    ] = False,
) -> None:
    """Let people choose between answers on a web page; `split` prefers their choices.

    Example: motionsight review --output work --overlap 2

    Example: motionsight review --output work --agreement
    """
    from jobs import review as job
    from pipeline.workspace import Workspace

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
    config: ConfigPath = None,
    overrides: Overrides = None,
    folder: Annotated[
        str,
        typer.Option(
            "--weights", metavar="DIR", help="Where to download weights to, such as a disk that nodes share."
        ),
    ] = "weights",
) -> None:
    """Check what a configuration needs, and print how to get what is missing.

    Example: motionsight doctor --config motionvid_qa --weights /mnt/weights
    """
    from jobs import doctor as job

    raise typer.Exit(job.run(settings(config, overrides), folder, console(report=True)))


app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(submit)


@app.command()
def evaluate(
    output: Annotated[str, typer.Option("--output", "-o", help="The folder for the results.")],
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", "-b", metavar="NAME", help=f"One of {offered(BENCHMARKS)}.")
    ] = None,
    questions: Annotated[
        str | None,
        typer.Option(
            "--questions", "-q", help="The benchmark's questions: the file that its authors publish."
        ),
    ] = None,
    videos: Annotated[str | None, typer.Option(metavar="DIR", help="The folder of its videos.")] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            help="none, spotlight, crop, background_blur, motion_blur, red_circle, or motionsight (chosen by"
            " the question; the default). Repeatable."
        ),
    ] = None,
    config: ConfigPath = None,
    overrides: Overrides = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask about at most this many clips.")] = None,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Whose rules: strict, official, lmms_eval or motionsight; docs/evaluation.md says which"
            " a benchmark has.",
        ),
    ] = DEFAULT,
    compare: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Only print how this run differs from --output.")
    ] = None,
    rejudge: Annotated[
        bool,
        typer.Option(
            "--rejudge",
            help="Only judge the replies in --output, the folder of one prompt, by every protocol, and write"
            " the leaderboard's files.",
        ),
    ] = False,
    dry_run: Dry = False,
) -> None:
    """Ask a model the questions of a benchmark, such as MotionBench, and score its answers.

    Asks only what has no answer yet: run the same command again to resume.

    Example: motionsight evaluate --benchmark motionbench --questions video_info.meta.jsonl --videos videos
    --prompt none --prompt motionsight --config openai --output bench; then
    motionsight evaluate --output bench/none --compare bench/motionsight
    """
    from jobs import evaluate as job

    if compare:
        raise typer.Exit(job.compared(output, compare))
    source = (
        job.Published(benchmark, questions, videos, protocol) if benchmark and questions and videos else None
    )
    if rejudge:
        raise typer.Exit(job.rejudged(output, source))
    if not source:
        raise CallError("--benchmark, --questions and --videos are required")
    ending.push(say_how_to_resume)
    asked = settings(config, overrides)
    raise typer.Exit(job.run(asked, source, output, prompt or (), limit, dry_run))


@app.command()
def config(config: ConfigPath = None, overrides: Overrides = None) -> None:
    """Print every setting as YAML, with its meaning, unit, default and value.

    Example: motionsight config --config openai --set decode.fps=4 > mine.yaml
    """
    from jobs import config as job

    job.run(settings(config, overrides), config or PROFILE, overrides or ())


@app.command()
def serve(
    config: ConfigPath = None,
    overrides: Overrides = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any free port.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="MOTIONSIGHT_TOKEN", help="The API key that clients need; default: generated if required."
        ),
    ] = None,
) -> None:
    """Serve an OpenAI-compatible API that puts MotionSight in front of a model.

    Example: motionsight serve --config openai --set mllm.base_url=http://127.0.0.1:8001/v1
    """
    from jobs import serve as job

    job.run(settings(config, overrides), host, port, token, console())


@app.callback(invoke_without_command=True)
def _root(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if show_version:
        print(version("motionsight-distill"))
        raise typer.Exit
