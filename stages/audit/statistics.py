"""What became of every clip and question: counts that must add up, and how the numbers are distributed."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from filters.gates.near_duplicates import near_duplicates
from filters.verdicts import COLUMNS, GatesConfig, clip_verdicts
from pipeline.schema import CAMERA_LABELS
from stages.split.plan import DatasetPlan
from stages.split.schema import SPLITS

BINS = 20
CHART_BINS = 48
MANY = 1000  # values, from which on a chart leaves out the rarest
SOURCES_SHOWN = 12  # by name; the rest are counted together
EXAMPLES = 3  # of each error
TOP = 15  # claims and repeated answers
MOVES = 0.02  # share of the frame that moves on its own, from which on objects are said to move

# The columns that are counted, of tables that may be large.
CLIPS = ("clip_id", "video_id", "uri", "start_s", "end_s", "source", "sha256")
SCORES = sorted(
    {
        *("clip_id", "error", "error_detail", "duration_s", "phash", "camera_motion"),
        *("quality", "quality_metric", "flow_mean", "object_motion", "object_area"),
        *("pan", "tilt", "zoom", "roll", "shake"),
        *COLUMNS,
    }
)
ANNOTATIONS = ("clip_id", "qa", "error", "error_detail")

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
# What is not gated and shown as a chart.
PROFILE = ("object_motion", "object_area", "pan", "tilt", "zoom", "roll", "shake")

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

SOURCES_SQL = """
select source, count(*) as clips,
    count(*) filter (state = 'failed_score') as failed,
    count(*) filter (state = 'pending_score') as pending,
    count(*) filter (state = 'dropped') as dropped,
    count(*) filter (state not in ('failed_score', 'pending_score', 'dropped')) as kept,
    count(*) filter (state in ('sft', 'dpo')) as in_dataset,
    coalesce(sum(asked), 0)::bigint as rows
from clips join plan_clips using (clip_id)
    left join (
        select clip_id, count(*) as asked from plan_qa where state <> 'dropped' group by 1
    ) using (clip_id)
group by 1 order by 2 desc, 1
"""
# Clips that were measured, by what the camera does and whether objects move on their own.
PROFILE_SQL = f"""
select case when len(camera_motion) = 0 then 'no one direction' when list_contains(camera_motion, 'static')
        then 'static' else 'moves' end as camera,
    case when object_area is null or isnan(object_area) then 'not measured'
        when object_area >= {MOVES} then 'move' else 'still' end as objects,
    count(*) as clips
from scores where error is null group by 1, 2 order by 1, 2
"""
# The model's answer against the baseline's, by the share of claims that the measurements support.
AGREEMENT_SQL = """
select category, count(*) as questions,
    count(*) filter (trim(answer) = trim(baseline)) as same_text,
    count(*) filter (motion_check > baseline_check) as answer_better,
    count(*) filter (motion_check = baseline_check) as equal,
    count(*) filter (motion_check < baseline_check) as baseline_better,
    count(*) filter ((motion_check > baseline_check or motion_check <= baseline_check) is not true)
        as cannot_judge
from (select category, answer, baseline, nullif(motion_check, 'nan') as motion_check,
    nullif(baseline_check, 'nan') as baseline_check from qa)
group by 1 order by 1
"""


def stats(
    clips: pa.Table,
    duplicates: pa.Table,
    scores: pa.Table,
    annotations: pa.Table,
    plan: DatasetPlan,
    gates: GatesConfig,
    alike: int,
) -> dict[str, Any]:
    """Count everything; the same tables give the same JSON-able answer, without NaN.

    Of `scores` and `annotations` the columns SCORES and ANNOTATIONS are read; alike: of `look_alikes`.
    `adds_up` says whether all of
    `equations` hold; `broken` names those that do not, as when a table has a clip twice or one that was never
    ingested, or when `plan` was built with other gates.
    """
    good = scores.filter(scores["error"].is_null())
    gate = clip_verdicts(good, gates)
    db = duckdb.connect(config={"threads": 1})
    named = pa.table({"clip_id": clips["clip_id"], "uri": clips["uri"], "source": sources(clips["source"])})
    for name, table in {
        "clips": named,
        "scores": scores.select(["clip_id", "error", "error_detail", "camera_motion", "object_area"]),
        "verdicts": pa.table({"clip_id": good["clip_id"], "gate": gate, "kept": gate.is_null()}),
        "annotations": annotations.select(["clip_id", "error", "error_detail", "qa"]),
        "plan_clips": plan.clips.select(["clip_id", "state"]),
        "plan_qa": plan.qa,
        "sft": plan.sft,
        "dpo": plan.dpo,
    }.items():
        db.register(name, table)

    def rows(sql: str) -> list[dict[str, Any]]:
        found = db.execute(sql)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def counts(sql: str) -> dict[str, int]:
        """The rows (name, count) of a query, the most frequent first."""
        return dict(db.execute(f"{sql} group by 1 order by 2 desc, 1").fetchall())

    (funnel,) = rows(CLIPS_SQL)
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
    db.register("qa", qa)
    return {
        "adds_up": not broken,
        "broken": broken,
        "equations": [f"{total} = {' + '.join(parts)}" for total, parts in EQUATIONS],
        "funnel": funnel,
        "errors": {
            "scores": counts("select error, count(*) from scores where error is not null"),
            "annotations": counts("select error, count(*) from annotations where error is not null"),
        },
        "error_examples": [row for table in ("scores", "annotations") for row in rows(_examples_sql(table))],
        "dropped": {
            "clips": counts("select gate, count(*) from verdicts where not kept"),
            "questions": counts("select reason, count(*) from plan_qa where state = 'dropped'"),
        },
        "sources": rows(SOURCES_SQL),
        "dropped_by_source": rows(
            "select source, gate, count(*) as clips from clips join verdicts using (clip_id)"
            " where not kept group by all order by source, clips desc, gate"
        ),
        "near_duplicates": alike,
        "camera_motion": {label: labels.get(label, 0) for label in CAMERA_LABELS},
        "motion_profile": rows(PROFILE_SQL),
        "dataset": {
            tier: {
                split: {"clips": clips_, "rows": rows_}
                for split, clips_, rows_ in db.execute(
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
        "pairs": {name: counts(f"select {name}, count(*) from dpo") for name in ("kind", "verifier")},
        "words": {
            name: rows(
                f"select len(string_split_regex(trim({name}), '\\s+')) as words, count(*) as count from qa"
                f" where trim({name}) <> '' group by 1 order by 1"
            )
            for name in ("question", "answer", "baseline")
        },
        "answers": rows("select count(answer) as all, count(distinct answer) as distinct from qa")[0],
        "repeated_answers": rows(
            "select answer, count(*) as count from qa where answer is not null group by 1"
            f" having count(*) > 1 order by 2 desc, 1 limit {TOP}"
        ),
        "claims": dict(list(counts("select unnest(claims), count(*) from qa").items())[:TOP]),
        "agreement": rows(AGREEMENT_SQL),
        "histograms": {name: histogram(good[name]) for name in CLIP_NUMBERS}
        | {name: histogram(qa[name]) for name in QA_NUMBERS},
        "spread": {name: spread(good[name].to_numpy().astype(float)) for name in PROFILE},
        "warnings": list(plan.warnings),
    }


def look_alikes(scores: pa.Table, gates: GatesConfig) -> int:
    """How many of the clips without an error look like an earlier one. Of `scores`: clip_id, error, phash."""
    good = scores.filter(scores["error"].is_null()).select(["clip_id", "phash"]).sort_by("clip_id")
    return int((near_duplicates(good["phash"].to_pylist(), gates.phash_distance) >= 0).sum())


def _examples_sql(table: str) -> str:
    return f"""
        select '{table}' as table, error, clip_id, uri, error_detail as detail
        from {table} left join clips using (clip_id) where error is not null
        qualify row_number() over (partition by error order by clip_id, uri) <= {EXAMPLES}
        order by error, clip_id, uri
    """


def sources(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The source of each clip, by name for the SOURCES_SHOWN largest; "unknown" for none."""
    named = pc.if_else(pc.equal(pc.fill_null(column, ""), ""), "unknown", column)
    found = sorted(pc.value_counts(named).to_pylist(), key=lambda row: (-row["counts"], row["values"]))
    if len(found) <= SOURCES_SHOWN:
        return named
    large = pa.array([row["values"] for row in found[: SOURCES_SHOWN - 1]])
    return pc.if_else(pc.is_in(named, large), named, "(others)")


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


def spread(values: np.ndarray, settings: Sequence[float] = ()) -> dict[str, Any]:
    """The distribution of values (N,) for a chart: `bins` of lo, hi and count, of all that are finite.

    Bins reach over the settings and all values, of many the middle 99%; the outermost hold those `beyond`.
    They are of equal ratio (`log`) for numbers from 0 up with a long tail, and 1 wide for `whole` numbers.
    """
    known = values[np.isfinite(values)]
    told: dict[str, Any] = {"missing": len(values) - len(known), "beyond": 0, "log": False, "whole": False}
    if not len(known):
        return told | {"bins": []}
    rare = 0.005 if len(known) >= MANY else 0.0
    low, high = np.quantile(known, [rare, 1 - rare])
    low, high = min(low, *settings, high), max(high, *settings, low)
    above = known[known > 0]
    least = min([np.quantile(above, rare), *(value for value in settings if value > 0)]) if len(above) else 0
    told["log"] = bool(known.min() >= 0 < least and high > max(100 * least, 5 * np.median(known)))
    told["whole"] = bool((np.append(known, settings) % 1 == 0).all() and high - low < CHART_BINS)
    if told["whole"]:
        edges = np.arange(low - 0.5, high + 1)
        told["log"] = False
    elif told["log"]:
        edges = np.geomspace(least, high, CHART_BINS + 1)
    else:
        edges = np.linspace(low, high if high > low else low + 1, CHART_BINS + 1)
    told["beyond"] = int(((known < edges[0]) | (known > edges[-1])).sum())
    found, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    ends = [float(f"{edge:.6g}") for edge in edges]
    told["bins"] = [
        {"lo": lo, "hi": hi, "count": count}
        for (lo, hi), count in zip(pairwise(ends), found.tolist(), strict=True)
    ]
    return told


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
    if examples := stats["error_examples"]:
        table = _table(f"Failed (at most {EXAMPLES} of each kind)", "kind", "clip", "why")
        table.columns[1].overflow = "fold"
        for example in examples:
            _row(table, example["error"], example["uri"] or example["clip_id"], example["detail"] or "")
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
