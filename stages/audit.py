"""What became of every clip and question: counts that must add up, and how the numbers are distributed."""

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from filters.gates import GatesConfig, clip_verdicts, near_duplicates
from pipeline.schema import CAMERA_LABELS
from stages.split import SPLITS, Plan

BINS = 20

# Numbers whose distribution is shown, with their unit: of clips without an error, and of their questions.
CLIP_NUMBERS = {
    "duration_s": "s",
    "quality": "metric's own",
    "flow_mean": "diagonals/s",
    "object_motion": "diagonals/s",
    "object_area": "share of frame",
    "pan": "widths/s, right",
    "tilt": "heights/s, down",
    "zoom": "e-folds/s, in",
    "roll": "degrees/s, clockwise",
    "shake": "widths",
}
QA_NUMBERS = {
    "motion_check": "share of claims",
    "baseline_check": "share of claims",
    "vqascore": "probability",
}

# Each total and the parts that it is the sum of: names of funnel counts.
EQUATIONS = (
    ("inputs", ("clips", "duplicates")),
    ("clips", ("scored", "failed_score", "pending_score")),
    ("score_rows", ("scored", "failed_score")),
    ("scored", ("kept", "dropped")),
    ("kept", ("annotated", "failed_annotation", "pending_annotation")),
    ("annotation_rows", ("annotated", "failed_annotation", "annotated_but_not_kept")),
    ("annotated", ("sft_clips", "dpo_clips", "no_qa_left")),
    ("questions", ("sft_rows", "dpo_rows", "dropped_questions")),
)

# One row for a clip and each of its rows in the other tables, so that a clip that is there twice shows.
CLIPS_SQL = """
select count(*) as rows,
    count(*) filter (s.clip_id is null) as pending_score,
    count(*) filter (s.error is not null) as failed_score,
    count(*) filter (s.clip_id is not null and s.error is null) as scored,
    count(*) filter (v.kept) as kept,
    count(*) filter (not v.kept) as dropped,
    count(*) filter (v.kept and a.clip_id is null) as pending_annotation,
    count(*) filter (v.kept and a.error is not null) as failed_annotation,
    count(*) filter (v.kept and a.clip_id is not null and a.error is null) as annotated,
    count(*) filter (v.kept is not true and a.clip_id is not null) as annotated_but_not_kept,
    coalesce(sum(len(a.qa)) filter (v.kept and a.error is null), 0)::bigint as questions
from clips c left join scores s using (clip_id) left join verdicts v using (clip_id)
    left join annotations a using (clip_id)
"""


def stats(
    clips: pa.Table,
    duplicates: pa.Table,
    scores: pa.Table,
    annotations: pa.Table,
    plan: Plan,
    gates: GatesConfig,
) -> dict[str, Any]:
    """Count everything; the same tables give the same JSON-able answer, without NaN.

    `adds_up` says whether all of `equations` hold; `broken` names those that do not, as when a table has a
    clip twice or one that was never ingested, or when `plan` was built with other gates.
    """
    good = scores.filter(scores["error"].is_null()).sort_by("clip_id")
    gate = clip_verdicts(good, gates)
    db = duckdb.connect(config={"threads": 1})
    for name, table in {
        "clips": clips.select(["clip_id"]),
        "scores": scores.select(["clip_id", "error", "camera_motion"]),
        "verdicts": pa.table({"clip_id": good["clip_id"], "gate": gate, "kept": gate.is_null()}),
        "annotations": annotations.select(["clip_id", "error", "qa"]),
        "plan_clips": plan.clips,
        "plan_qa": plan.qa,
        "sft": plan.sft,
        "dpo": plan.dpo,
    }.items():
        db.register(name, table)

    def counts(sql: str) -> dict[str, int]:
        """The rows (name, count) of a query, the most frequent first."""
        return dict(db.execute(f"{sql} group by 1 order by 2 desc, 1").fetchall())

    joined = db.execute(CLIPS_SQL)
    funnel = dict(zip([column[0] for column in joined.description], joined.fetchone() or (), strict=True))
    states = counts("select state, count(*) from plan_clips")
    funnel |= {
        "clips": clips.num_rows,
        "duplicates": duplicates.num_rows,
        "inputs": clips.num_rows + duplicates.num_rows,
        "score_rows": scores.num_rows,
        "annotation_rows": annotations.num_rows,
        "sft_clips": states.get("sft", 0),
        "dpo_clips": states.get("dpo", 0),
        "no_qa_left": states.get("no_qa_left", 0),
        "sft_rows": plan.sft.num_rows,
        "dpo_rows": plan.dpo.num_rows,
        "dropped_questions": counts("select state, count(*) from plan_qa").get("dropped", 0),
    }
    del funnel["rows"]
    broken = [
        f"{total} = {' + '.join(parts)}: {funnel[total]} = {' + '.join(str(funnel[part]) for part in parts)}"
        for total, parts in EQUATIONS
        if funnel[total] != sum(funnel[part] for part in parts)
    ]
    labels = counts("select unnest(camera_motion), count(*) from scores where error is null")
    qa = db.sql(
        "select unnest(q) from (select unnest(qa) as q from annotations join verdicts using (clip_id)"
        " where kept and error is null)"
    ).to_arrow_table()
    looks_alike = near_duplicates(good["phash"].to_pylist(), gates.phash_distance) >= 0
    return {
        "adds_up": not broken,
        "broken": broken,
        "equations": [f"{total} = {' + '.join(parts)}" for total, parts in EQUATIONS],
        "funnel": funnel,
        "errors": {
            "scores": counts("select error, count(*) from scores where error is not null"),
            "annotations": counts("select error, count(*) from annotations where error is not null"),
        },
        "dropped": {
            "clips": counts("select gate, count(*) from verdicts where not kept"),
            "questions": counts("select reason, count(*) from plan_qa where state = 'dropped'"),
        },
        "near_duplicates": int(looks_alike.sum()),
        "camera_motion": {label: labels.get(label, 0) for label in CAMERA_LABELS},
        "dataset": {
            tier: {
                split: {"clips": clips_, "rows": rows}
                for split, clips_, rows in db.execute(
                    f"select split, count(distinct clip_id), count(*) from {tier} group by 1"
                    f" order by list_position({list(SPLITS)}, split)"
                ).fetchall()
            }
            for tier in ("sft", "dpo")
        },
        "categories": {
            state: counts(f"select category, count(*) from plan_qa where state = '{state}'")
            for state in ("sft", "dpo", "dropped")
        },
        "chosen_source": counts("select chosen_source, count(*) from dpo"),
        "histograms": {name: histogram(good[name]) for name in CLIP_NUMBERS}
        | {name: histogram(qa[name]) for name in QA_NUMBERS},
        "warnings": list(plan.warnings),
    }


def histogram(column: pa.ChunkedArray) -> dict[str, Any]:
    """Counts in BINS equal bins from min to max, and what they leave out: missing are null, NaN, infinite."""
    values = column.to_numpy().astype(float)
    known = values[np.isfinite(values)]
    told: dict[str, Any] = {"count": len(known), "missing": len(values) - len(known)}
    if not len(known):
        return told | {"min": None, "median": None, "mean": None, "max": None, "bins": []}
    summary = {"min": known.min(), "median": np.median(known), "mean": known.mean(), "max": known.max()}
    told |= {name: float(f"{value:.6g}") for name, value in summary.items()}
    return told | {"bins": np.histogram(known, BINS)[0].tolist()}


def render_text(stats: Mapping[str, Any]) -> RenderableType:
    """The audit for a terminal of 100 columns, as something that rich prints."""
    return Group(*_parts(stats))


def _parts(stats: Mapping[str, Any]) -> Iterator[RenderableType]:
    funnel, dropped, errors = stats["funnel"], stats["dropped"], stats["errors"]
    table = _table("Clips", "step", ">clips", "", "and the others")
    steps: tuple[tuple[str, dict[str, int]], ...] = (
        ("inputs", {}),
        ("clips", {"duplicates": funnel["duplicates"]}),
        ("scored", errors["scores"] | {"pending": funnel["pending_score"]}),
        ("kept", dropped["clips"]),
        ("annotated", errors["annotations"] | {"pending": funnel["pending_annotation"]}),
        ("in the dataset", {"no question left": funnel["no_qa_left"]}),
    )
    for step, others in steps:
        count = funnel["sft_clips"] + funnel["dpo_clips"] if step == "in the dataset" else funnel[step]
        _row(table, step, count, bar(count, funnel["inputs"]), _listed(others))
    yield table

    table = _table("Dataset", "tier", "split", ">clips", ">rows")
    for tier, splits in stats["dataset"].items():
        for split, part in splits.items():
            _row(table, tier, split, part["clips"], part["rows"])
    yield table
    table = _table("Questions", "state", ">count", "kinds")
    for state, count in (("sft", "sft_rows"), ("dpo", "dpo_rows"), ("dropped", "dropped_questions")):
        _row(table, state, funnel[count], _listed(stats["categories"][state]))
    yield table
    yield Text(f"dropped by: {_listed(dropped['questions']) or 'nothing'}")
    yield Text(f"chosen by: {_listed(stats['chosen_source']) or 'nobody'}")
    yield Text(f"clips that look like an earlier one: {stats['near_duplicates']:,}")

    table = _table("Camera motion", "label", ">clips", "")
    most = max(stats["camera_motion"].values())
    for label, count in stats["camera_motion"].items():
        _row(table, label, count, bar(count, most))
    yield table

    table = _table("Distributions", "number", "unit", ">min", ">median", ">max", "min to max", ">missing")
    for name, unit in (CLIP_NUMBERS | QA_NUMBERS).items():
        told = stats["histograms"][name]
        if told["count"]:
            numbers = (f"{told[key]:.3g}" for key in ("min", "median", "max"))
            _row(table, name, unit, *numbers, sparkline(told["bins"]), told["missing"])
    yield table
    for warning in stats["warnings"]:
        yield Text(f"warning: {warning}", "yellow")
    for equation in stats["broken"]:
        yield Text(f"does not add up: {equation}", "bold red")
    if stats["adds_up"]:
        yield Text(f"all {len(stats['equations'])} sums add up", "green")


def bar(count: int, most: int, width: int = 24) -> str:
    """A bar of eighths of a cell, `width` cells at `most`; never empty for a count above 0."""
    eighths = max(bool(count), round(8 * width * count / most)) if most else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def sparkline(counts: list[int]) -> str:
    """One character for each bin, its height the count's; a blank for 0."""
    most = max(counts, default=0)
    return "".join("▁▂▃▄▅▆▇█"[(8 * count - 1) // most] if count else " " for count in counts)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def _row(table: Table, *cells: str | int) -> None:
    table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else cell) for cell in cells))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
