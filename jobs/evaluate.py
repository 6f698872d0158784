"""`motionsight evaluate`: answer the questions of a benchmark, with one or several visual prompts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from configs.settings import Config
from jobs.console import console, visible
from jobs.precheck import ready
from jobs.session import Session
from pipeline import lock
from pipeline.engine import pending
from pipeline.errors import NOT_ALL, CallError, CeilingError
from pipeline.ledger import Notes, ledger, remarks, turned_away
from pipeline.workspace import Workspace
from stages.evaluate.benchmark import protocol_of, read
from stages.evaluate.protocols.protocol import DEFAULT
from stages.evaluate.question import BenchmarkQuestion
from stages.evaluate.rejudge import Run, comparison, leaderboard, rejudge
from stages.evaluate.results import answered, compare, markdown, summary
from stages.evaluate.stage import (
    ASKED,
    PROMPTS,
    Evaluate,
    Prompt,
    Terms,
    rows,
    to_ask,
    with_prompt,
    with_protocol,
)
from stages.models.metering import ceiling
from stages.models.registry import check

QUESTIONS = "questions.json"  # beside the replies: what was asked
SCORES = {"accuracy": "", "average_precision": "Average precision:\n\n"}  # what stands above their tables


@dataclass(frozen=True)
class Published:
    """A benchmark and where its files are.

    Attributes:
        benchmark: Its name in the registry.
        questions: The file of its questions, as its authors publish it.
        videos: The folder of its videos.
        protocol: The rules by which it is asked and scored.
    """

    benchmark: str
    questions: str
    videos: str
    protocol: str = DEFAULT


def run(
    config: Config, source: Published, output: str, names: Sequence[str], limit: int | None, dry_run: bool
) -> int:
    """Ask the questions that have no answer yet, and write results.json and results.md.

    Args:
        config: The settings.
        source: The benchmark.
        output: The folder of the results: a workspace per visual prompt, and the comparison.
        names: Visual prompts to evaluate; none: motionsight.
        limit: Ask only about the first clips, this many; None: about all.
        dry_run: Only print how many clips are left.

    Returns:
        The exit code: 3 if more than `max_failed_share` of the questions failed or the cost ceiling left
        clips out, else 0.

    Raises:
        CallError: A prompt or the benchmark is unknown, its questions cannot be read, or the output has
            answers made with other settings.
        RunError: The run failed.
    """
    if unknown := set(names) - set(PROMPTS):
        raise CallError(f"unknown prompt {', '.join(sorted(unknown))}; choose from {', '.join(PROMPTS)}")
    prompts = [name for name in PROMPTS if name in (names or ("motionsight",))]
    out = console()
    benchmark, protocol = source.benchmark, protocol_of(source.benchmark, source.protocol)
    config = with_protocol(config, protocol)
    items = to_ask(read(benchmark, source.questions, source.videos), protocol)
    asked = rows(items)[:limit]
    items = [BenchmarkQuestion(**one) for row in asked for one in row["items"]]
    out.print(f"{benchmark}: {len(items)} questions on {len(asked)} clips", markup=False)
    folder = Workspace(output if source.protocol == DEFAULT else f"{output}/{source.protocol}")
    if dry_run:
        for prompt in prompts:
            done = Workspace(f"{folder.root}/{prompt}").ids("predictions")
            todo = sum(row["clip_id"] not in done for row in asked)
            out.print(f"{prompt}: {todo} clips to ask about, {len(asked) - todo} already done", markup=False)
        return 0
    ready(config, config.own_backends(), ["evaluate"])
    run = Run(benchmark, source.protocol, config.mllm.title, tuple(items))
    summaries: dict[str, Any] = {}
    try:
        with lock.held(folder, "evaluate"):
            for prompt in prompts:
                answers = _answer(config, asked, run, prompt, folder)
                summaries[prompt] = summary(items, answers, protocol)
    except CeilingError as error:
        out.print(f"evaluate: {error}", markup=False, soft_wrap=True)
        return NOT_ALL
    worst = max(one["failed"] / len(items) for one in summaries.values())
    title = config.mllm.title
    titled = {f"{title}, {prompt}": results for prompt, results in summaries.items()}
    scores = [name for name in SCORES if name in next(iter(summaries.values()))]
    table = "\n".join(f"{SCORES[name]}{markdown(titled, name)}" for name in scores)
    results = {"benchmark": benchmark, "protocol": source.protocol, "model": title, "prompts": summaries}
    folder.write_bytes(json.dumps(results, indent=1, ensure_ascii=False).encode(), "results.json")
    heading = f"# {benchmark}\n\nProtocol: {source.protocol} ({protocol.source})"
    folder.write_bytes(f"{heading}\n\n{table}".encode(), "results.md")
    out.print(table, markup=False, soft_wrap=True)
    out.print(f"the results are in {folder.root}", markup=False, soft_wrap=True)
    return NOT_ALL if worst > config.max_failed_share else 0


def _answer(
    config: Config,
    asked: Sequence[dict[str, Any]],
    run: Run,
    prompt: Prompt,
    folder: Workspace,
) -> dict[str, dict[str, Any]]:
    """Ask the questions that have no answer with this visual prompt; return the answers to all, by id."""
    with_this, protocol = with_prompt(config, prompt), protocol_of(run.benchmark, run.protocol)
    session = Session(config, Workspace(f"{folder.root}/{prompt}"))
    workspace = session.workspace
    with session.writing("evaluate"):
        check(config.detector, config.tracker)
        session.bind("predictions", with_this, "annotations")
        missing = pending(pa.Table.from_pylist(list(asked), ASKED), workspace.ids("predictions"))
        if missing.num_rows:
            notes, most, settings = Notes(folder, "predictions"), ceiling(config.mllm), config.annotate
            with (
                session.models(with_this.own_backends()) as handles,
                ledger(most, [], notes, config.engine) as book,
            ):
                terms = Terms(protocol, settings.seed, settings.baseline_frames)
                stage = Evaluate(with_this, handles, config.score, book, terms)
                session.run(stage, missing, workspace)
                for remark in remarks(book) if most else ():
                    session.say(f"evaluate: {remark}")
                left = missing.num_rows - session.stages["evaluate"].rows
                if most and (said := turned_away(book, most, left)):
                    raise CeilingError(said)
        answers = answered(run.questions, _replies(asked, workspace), protocol)
        workspace.write_bytes(run.to_json().encode(), QUESTIONS)
        workspace.write_bytes(json.dumps(answers, indent=1, ensure_ascii=False).encode(), "answers.json")
        letters = {name: one["letter"] or "" for name, one in answers.items()}
        workspace.write_bytes(json.dumps(letters, indent=1, ensure_ascii=False).encode(), "submission.json")
    return answers


def _replies(asked: Sequence[dict[str, Any]], workspace: Workspace) -> list[dict[str, Any]]:
    """The rows of `predictions` for these of ASKED; a failed clip's error is the answer to each question."""
    wanted = {row["clip_id"]: row for row in asked}
    return [
        row if row["answers"] is not None else row | {"answers": _failed(wanted[row["clip_id"]], row)}
        for row in workspace.read("predictions").to_pylist()
        if row["clip_id"] in wanted
    ]


def _failed(asked: dict[str, Any], row: dict[str, Any]) -> list[dict[str, Any]]:
    """Answers for the questions about a clip that failed: the clip's error for each."""
    return [
        {"id": item["id"], "answer": "", "letter": None, "score": None, "error": row["error"]}
        for item in asked["items"]
    ]


def rejudged(folder: str, source: Published | None) -> int:
    """Judge the replies of a run by every protocol, and write the leaderboard's files, without the model.

    Args:
        folder: The folder of one visual prompt of a run, such as bench/none.
        source: The benchmark; None: the questions that the run has kept.

    Returns:
        The exit code, 0.

    Raises:
        CallError: The folder has no replies, or not the questions that they answer.
    """
    workspace = Workspace(folder)
    if source:
        protocol = protocol_of(source.benchmark, source.protocol)
        items = to_ask(read(source.benchmark, source.questions, source.videos), protocol)
        done = workspace.ids("predictions")
        kept = [one for row in rows(items) if row["clip_id"] in done for one in row["items"]]
        run = Run(source.benchmark, source.protocol, "model", tuple(BenchmarkQuestion(**one) for one in kept))
    elif (saved := workspace.read_bytes(QUESTIONS)) is not None:
        run = Run.of_json(saved)
    else:
        raise CallError(
            f"{folder} has no {QUESTIONS}; give the folder of one prompt, such as out/spotlight, and for a"
            " run of an older version also --benchmark, --questions and --videos"
        )
    replies = _replies(rows(run.questions), workspace)
    if not replies:
        raise CallError(f"{folder} has no replies to the questions of {run.benchmark}")
    found = rejudge(run, replies)
    table = comparison(found)
    text = (
        f"{table}\nThe questions were put by the protocol {run.protocol}. A score by another one is not"
        " comparable with published ones where its prompt or its frames differ.\n"
    )
    workspace.write_bytes(json.dumps(found, indent=1, ensure_ascii=False).encode(), "rejudged.json")
    workspace.write_bytes(f"# {run.benchmark}\n\n{text}".encode(), "rejudged.md")
    print(visible(text), end="")
    for name, content in leaderboard(run, replies).items():
        workspace.write_bytes(content.encode(), "leaderboard", *name.split("/"))
        print(visible(f"written: {folder}/leaderboard/{name}"))
    return 0


def compared(one: str, other: str) -> int:
    """Print the difference in accuracy between two runs, on the questions that they have in common.

    Args:
        one: The folder of one visual prompt of a run, such as bench/none.
        other: Likewise; the difference is this minus `one`.

    Returns:
        The exit code, 0.

    Raises:
        CallError: A folder has no answers, or they have no question in common.
    """
    answers = []
    for folder in (one, other):
        data = Workspace(folder).read_bytes("answers.json")
        if data is None:
            raise CallError(
                f"{folder} has no answers.json; give the folder of one prompt, such as out/spotlight"
            )
        answers.append(json.loads(data))
    differences = compare(*answers)
    if not differences:
        raise CallError(f"{one} and {other} have no questions in common whose correct answers are known")
    lines = ["| | questions | difference | 95 % interval |", "| --- | ---: | ---: | ---: |"]
    for name, it in differences.items():
        change, low, high = (f"{100 * it[part]:+.1f}" for part in ("difference", "low", "high"))
        lines.append(f"| {name} | {it['questions']} | {change} | {low} to {high} |")
    print(visible("\n".join(lines)))
    return 0
