"""`motionsight evaluate`: the questions of a benchmark, with one visual prompt or several to compare."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from configs.settings import Config
from jobs.session import Session, console
from pipeline.engine import pending
from pipeline.errors import CallError
from pipeline.workspace import Workspace
from stages.evaluate.benchmark import BenchmarkQuestion, read
from stages.evaluate.results import answered, compare, markdown, summary
from stages.evaluate.stage import ASKED, PROMPTS, Evaluate, Prompt, rows, with_prompt
from stages.models.actors import model_actors
from stages.models.registry import check


def run(
    config: Config,
    benchmark: str,
    questions: str,
    videos: str,
    output: str,
    names: Sequence[str],
    limit: int | None,
    dry_run: bool,
) -> int:
    """Ask what has not been asked yet, and write results.json and results.md. Returns the exit code.

    names: the visual prompts to try; none: motionsight. limit: ask about the first clips alone.
    """
    if unknown := set(names) - set(PROMPTS):
        raise CallError(f"no prompt {', '.join(sorted(unknown))}; there are {', '.join(PROMPTS)}")
    prompts = [name for name in PROMPTS if name in (names or ("motionsight",))]
    out = console()
    items = read(benchmark, questions, videos)
    asked = rows(items)[:limit]
    items = [BenchmarkQuestion(**one) for row in asked for one in row["items"]]
    out.print(f"{benchmark}: {len(items)} questions on {len(asked)} clips", markup=False)
    if dry_run:
        for prompt in prompts:
            done = Workspace(f"{output}/{prompt}").ids("predictions")
            todo = sum(row["clip_id"] not in done for row in asked)
            out.print(f"{prompt}: {todo} clips to ask about, {len(asked) - todo} done", markup=False)
        return 0
    worst = 0.0
    found: dict[str, Any] = {}
    for prompt in prompts:
        answers = _asked(config, asked, items, prompt, f"{output}/{prompt}")
        found[prompt] = summary(items, answers)
        worst = max(worst, found[prompt]["failed"] / len(items))
    place = Workspace(output)
    title = config.mllm.title
    table = markdown({f"{title}, {prompt}": told for prompt, told in found.items()})
    if "average_precision" in next(iter(found.values())):
        table += "\nAverage precision:\n\n" + markdown(
            {f"{title}, {prompt}": told for prompt, told in found.items()}, "average_precision"
        )
    told = {"benchmark": benchmark, "model": title, "prompts": found}
    place.write_bytes(json.dumps(told, indent=1, ensure_ascii=False).encode(), "results.json")
    place.write_bytes(f"# {benchmark}\n\n{table}".encode(), "results.md")
    out.print(table, markup=False, soft_wrap=True)
    out.print(f"the results are in {place.root}", markup=False, soft_wrap=True)
    return 3 if worst > config.max_failed_share else 0


def _asked(
    config: Config,
    asked: Sequence[dict[str, Any]],
    items: Sequence[BenchmarkQuestion],
    prompt: Prompt,
    place: str,
) -> dict[str, dict[str, Any]]:
    """Ask with one visual prompt what is missing; the answers to all questions."""
    made = with_prompt(config, prompt)
    session = Session(config, Workspace(place))
    workspace = session.workspace
    with session.writing("evaluate"):
        check(config.detector, config.tracker)
        session.bind("predictions", made, "annotations")
        missing = pending(pa.Table.from_pylist(list(asked), ASKED), workspace.ids("predictions"))
        if missing.num_rows:
            with model_actors(made.own_backends(), config.engine) as handles:
                settings = config.annotate
                stage = Evaluate(made, handles, config.score, settings.seed, settings.baseline_frames)
                session.run(stage, missing, workspace)
        wanted = {row["clip_id"]: row for row in asked}
        predictions = [
            row if row["answers"] is not None else row | {"answers": _failed(wanted[row["clip_id"]], row)}
            for row in workspace.read("predictions").to_pylist()
            if row["clip_id"] in wanted
        ]
        answers = answered(items, predictions)
        told = json.dumps(answers, indent=1, ensure_ascii=False)
        workspace.write_bytes(told.encode(), "answers.json")
        letters = {name: one["letter"] or "" for name, one in answers.items()}
        workspace.write_bytes(json.dumps(letters, indent=1, ensure_ascii=False).encode(), "submission.json")
    return answers


def _failed(asked: dict[str, Any], row: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of the questions about a clip that failed."""
    return [
        {"id": item["id"], "answer": "", "letter": None, "score": None, "error": row["error"]}
        for item in asked["items"]
    ]


def compared(one: str, other: str) -> int:
    """Print how two runs differ: folders of a run with one visual prompt each. Returns the exit code."""
    answers = []
    for place in (one, other):
        data = Workspace(place).read_bytes("answers.json")
        if data is None:
            raise CallError(
                f"{place} has no answers.json; give the folder of one prompt, such as out/spotlight"
            )
        answers.append(json.loads(data))
    found = compare(*answers)
    if not found:
        raise CallError(f"{one} and {other} have no questions in common whose answers are known")
    lines = ["| | questions | difference | 95 % interval |", "| --- | ---: | ---: | ---: |"]
    for name, it in found.items():
        change, low, high = (f"{100 * it[part]:+.1f}" for part in ("difference", "low", "high"))
        lines.append(f"| {name} | {it['questions']} | {change} | {low} to {high} |")
    print("\n".join(lines))
    return 0
