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
from stages.evaluate.benchmark import BenchmarkQuestion, read
from stages.evaluate.results import answered, compare, markdown, summary
from stages.evaluate.stage import ASKED, PROMPTS, Evaluate, Prompt, rows, with_prompt
from stages.models.metering import ceiling
from stages.models.registry import check


@dataclass(frozen=True)
class Published:
    """A benchmark and where its files are.

    Attributes:
        benchmark: Its name in the registry.
        questions: The file of its questions, as its authors publish it.
        videos: The folder of its videos.
    """

    benchmark: str
    questions: str
    videos: str


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
    benchmark = source.benchmark
    items = read(benchmark, source.questions, source.videos)
    asked = rows(items)[:limit]
    items = [BenchmarkQuestion(**one) for row in asked for one in row["items"]]
    out.print(f"{benchmark}: {len(items)} questions on {len(asked)} clips", markup=False)
    if dry_run:
        for prompt in prompts:
            done = Workspace(f"{output}/{prompt}").ids("predictions")
            todo = sum(row["clip_id"] not in done for row in asked)
            out.print(f"{prompt}: {todo} clips to ask about, {len(asked) - todo} already done", markup=False)
        return 0
    ready(config, config.own_backends(), ["evaluate"])
    folder = Workspace(output)
    summaries: dict[str, Any] = {}
    try:
        with lock.held(folder, "evaluate"):
            for prompt in prompts:
                answers = _answer(config, asked, items, prompt, folder)
                summaries[prompt] = summary(items, answers)
    except CeilingError as error:
        out.print(f"evaluate: {error}", markup=False, soft_wrap=True)
        return NOT_ALL
    worst = max(one["failed"] / len(items) for one in summaries.values())
    title = config.mllm.title
    titled = {f"{title}, {prompt}": results for prompt, results in summaries.items()}
    table = markdown(titled)
    if "average_precision" in next(iter(summaries.values())):
        table += "\nAverage precision:\n\n" + markdown(titled, "average_precision")
    results = {"benchmark": benchmark, "model": title, "prompts": summaries}
    folder.write_bytes(json.dumps(results, indent=1, ensure_ascii=False).encode(), "results.json")
    folder.write_bytes(f"# {benchmark}\n\n{table}".encode(), "results.md")
    out.print(table, markup=False, soft_wrap=True)
    out.print(f"the results are in {folder.root}", markup=False, soft_wrap=True)
    return NOT_ALL if worst > config.max_failed_share else 0


def _answer(
    config: Config,
    asked: Sequence[dict[str, Any]],
    items: Sequence[BenchmarkQuestion],
    prompt: Prompt,
    folder: Workspace,
) -> dict[str, dict[str, Any]]:
    """Ask the questions that have no answer with this visual prompt; return the answers to all, by id."""
    with_this = with_prompt(config, prompt)
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
                limits, frames = config.score, settings.baseline_frames
                stage = Evaluate(with_this, handles, limits, book, settings.seed, frames)
                session.run(stage, missing, workspace)
                for remark in remarks(book) if most else ():
                    session.say(f"evaluate: {remark}")
                left = missing.num_rows - session.stages["evaluate"].rows
                if most and (said := turned_away(book, most, left)):
                    raise CeilingError(said)
        wanted = {row["clip_id"]: row for row in asked}
        predictions = [
            row if row["answers"] is not None else row | {"answers": _failed(wanted[row["clip_id"]], row)}
            for row in workspace.read("predictions").to_pylist()
            if row["clip_id"] in wanted
        ]
        answers = answered(items, predictions)
        workspace.write_bytes(json.dumps(answers, indent=1, ensure_ascii=False).encode(), "answers.json")
        letters = {name: one["letter"] or "" for name, one in answers.items()}
        workspace.write_bytes(json.dumps(letters, indent=1, ensure_ascii=False).encode(), "submission.json")
    return answers


def _failed(asked: dict[str, Any], row: dict[str, Any]) -> list[dict[str, Any]]:
    """Answers for the questions about a clip that failed: the clip's error for each."""
    return [
        {"id": item["id"], "answer": "", "letter": None, "score": None, "error": row["error"]}
        for item in asked["items"]
    ]


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
