"""What became of every clip and question: counts that must add up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from filters.gates.near_duplicates import near_duplicates
from filters.verdicts import COLUMNS, GatesConfig, clip_verdicts
from pipeline.schema import CAMERA_LABELS
from stages.audit.distributions import CLIP_NUMBERS, MOTION_NUMBERS, QA_NUMBERS, histogram, spread
from stages.audit.links import OTHERS, UNKNOWN
from stages.split.plan import DatasetPlan
from stages.split.schema import SPLITS, TIERS

SOURCES_SHOWN = 12  # by name; the rest are counted together
EXAMPLES = 3  # of each error
TOP = 15  # claims and repeated answers
MOVING_SHARE = 0.02  # share of the frame that moves on its own, from which on objects are said to move

# The columns that the audit reads, of tables that may be large.
CLIP_COLUMNS = ("clip_id", "video_id", "uri", "start_s", "end_s", "source", "sha256")
SCORE_COLUMNS = sorted(
    {
        *("clip_id", "error", "error_detail", "duration_s", "phash", "camera_motion"),
        *("quality", "quality_metric", "flow_mean", "object_motion", "object_area"),
        *("pan", "tilt", "zoom", "roll", "shake"),
        *COLUMNS,
    }
)
ANNOTATION_COLUMNS = ("clip_id", "qa", "error", "error_detail")

Row = dict[str, Any]

# Each total and the parts that sum to it, as names of the funnel's counts.
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

# How far the clips came. One that is in a table twice counts twice, so that the sums give it away.
CLIPS_SQL = """
select count(*) filter (s.clip_id is null) as pending_score,
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
# What became of the clips of each source, and how many rows they gave the dataset.
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
# The questions of clips that are kept and annotated.
QA_SQL = """
select unnest(q) from (
    select unnest(qa) as q from annotations join verdicts using (clip_id) where kept and error is null
)
"""
# Measured clips, by what the camera does and whether objects move on their own.
MOTION_PROFILE_SQL = f"""
select case when len(camera_motion) = 0 then 'no one direction' when list_contains(camera_motion, 'static')
        then 'static' else 'moves' end as camera,
    case when object_area is null or isnan(object_area) then 'not measured'
        when object_area >= {MOVING_SHARE} then 'move' else 'still' end as objects,
    count(*) as clips
from scores where error is null group by 1, 2 order by 1, 2
"""
# Whose claims the measurements support more, the answer's or the baseline's, by category of the question.
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


@dataclass(frozen=True)
class Tables:
    """The tables of a workspace that the audit counts.

    Attributes:
        clips: clip_id, uri, source.
        duplicates: Inputs whose bytes a clip already has.
        scores: The columns SCORE_COLUMNS.
        annotations: The columns ANNOTATION_COLUMNS.
    """

    clips: pa.Table
    duplicates: pa.Table
    scores: pa.Table
    annotations: pa.Table


def stats(tables: Tables, plan: DatasetPlan, gates: GatesConfig, look_alike: int) -> dict[str, Any]:
    """Count everything; the same tables give the same answer.

    Args:
        tables: What is counted.
        plan: What `split` makes of these tables with these gates.
        gates: Thresholds, for which gate drops a clip.
        look_alike: Clips that look like an earlier one, from `look_alikes`.

    Returns:
        The content of `audit/stats.json`, without NaN. `adds_up` says whether all `equations` hold; `broken`
        gives those that do not, as when a table has a clip twice or one that was never ingested, or when
        `plan` was made with other gates.
    """
    good = tables.scores.filter(tables.scores["error"].is_null())
    db = _Database(tables, good, plan, gates)
    funnel = _funnel(db, tables, plan)
    qa = db.table("qa")
    return {
        **_sums(funnel),
        "funnel": funnel,
        **_losses(db),
        "near_duplicates": look_alike,
        "quality_metrics": sorted(filter(None, pc.unique(good["quality_metric"]).to_pylist())),
        **_motion(db),
        **_dataset(db),
        **_texts(db),
        "histograms": {name: histogram(good[name]) for name in CLIP_NUMBERS}
        | {name: histogram(qa[name]) for name in QA_NUMBERS},
        "spread": {name: spread(good[name].to_numpy().astype(float)) for name in MOTION_NUMBERS},
        "warnings": list(plan.warnings),
    }


class _Database:
    """The tables in SQL: clips, scores, verdicts, annotations, plan_clips, plan_qa, sft, dpo, and qa.

    verdicts: of each clip without an error whether it is `kept`, else the `gate` that drops it. qa: the
    questions of clips that are kept and annotated.
    """

    def __init__(self, tables: Tables, good: pa.Table, plan: DatasetPlan, gates: GatesConfig) -> None:
        gate = clip_verdicts(good, gates)
        clips, scores, annotations = tables.clips, tables.scores, tables.annotations
        self._db = duckdb.connect(config={"threads": 1})
        for name, table in {
            "clips": clips.select(["clip_id", "uri"]).append_column("source", sources(clips["source"])),
            "scores": scores.select(["clip_id", "error", "error_detail", "camera_motion", "object_area"]),
            "verdicts": pa.table({"clip_id": good["clip_id"], "gate": gate, "kept": gate.is_null()}),
            "annotations": annotations.select(["clip_id", "error", "error_detail", "qa"]),
            "plan_clips": plan.clips.select(["clip_id", "state"]),
            "plan_qa": plan.qa,
            "sft": plan.sft,
            "dpo": plan.dpo,
        }.items():
            self._db.register(name, table)
        self._db.register("qa", self._db.sql(QA_SQL).to_arrow_table())

    def table(self, name: str) -> pa.Table:
        """All of one table."""
        return self._db.table(name).to_arrow_table()

    def rows(self, sql: str) -> list[Row]:
        """The rows of a query, by column name."""
        found = self._db.execute(sql)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def counts(self, sql: str) -> dict[str, int]:
        """The rows (name, count) of a query written without its grouping, the most frequent first."""
        return dict(self._db.execute(f"{sql} group by 1 order by 2 desc, 1").fetchall())


def _funnel(db: _Database, tables: Tables, plan: DatasetPlan) -> dict[str, int]:
    """How many clips and questions are left after each step, and how many went where."""
    (joined,) = db.rows(CLIPS_SQL)
    states = db.counts("select state, count(*) from plan_clips")
    return joined | {
        "clips": tables.clips.num_rows,
        "duplicates": tables.duplicates.num_rows,
        "inputs": tables.clips.num_rows + tables.duplicates.num_rows,
        "score_rows": tables.scores.num_rows,
        "annotation_rows": tables.annotations.num_rows,
        "sft_clips": states.get("sft", 0),
        "dpo_clips": states.get("dpo", 0),
        "no_qa_left": states.get("no_qa_left", 0),
        "sft_rows": plan.sft.num_rows,
        "dpo_rows": plan.dpo.num_rows,
        "dropped_questions": db.counts("select state, count(*) from plan_qa").get("dropped", 0),
    }


def _sums(funnel: Mapping[str, int]) -> dict[str, Any]:
    broken = [
        f"{total} = {' + '.join(parts)}: {funnel[total]} = {' + '.join(str(funnel[part]) for part in parts)}"
        for total, parts in EQUATIONS
        if funnel[total] != sum(funnel[part] for part in parts)
    ]
    equations = [f"{total} = {' + '.join(parts)}" for total, parts in EQUATIONS]
    return {"adds_up": not broken, "broken": broken, "equations": equations}


def _losses(db: _Database) -> dict[str, Any]:
    """What failed and what was dropped, in all and by source."""
    failing = ("scores", "annotations")
    return {
        "errors": {
            table: db.counts(f"select error, count(*) from {table} where error is not null")
            for table in failing
        },
        "error_examples": [row for table in failing for row in db.rows(_examples_sql(table))],
        "dropped": {
            "clips": db.counts("select gate, count(*) from verdicts where not kept"),
            "questions": db.counts("select reason, count(*) from plan_qa where state = 'dropped'"),
        },
        "sources": db.rows(SOURCES_SQL),
        "dropped_by_source": db.rows(
            "select source, gate, count(*) as clips from clips join verdicts using (clip_id)"
            " where not kept group by all order by source, clips desc, gate"
        ),
    }


def _examples_sql(table: str) -> str:
    return f"""
        select '{table}' as table, error, clip_id, uri, error_detail as detail
        from {table} left join clips using (clip_id) where error is not null
        qualify row_number() over (partition by error order by clip_id, uri) <= {EXAMPLES}
        order by error, clip_id, uri
    """


def _motion(db: _Database) -> dict[str, Any]:
    labels = db.counts("select unnest(camera_motion), count(*) from scores where error is null")
    return {
        "camera_motion": {label: labels.get(label, 0) for label in CAMERA_LABELS},
        "motion_profile": db.rows(MOTION_PROFILE_SQL),
    }


def _dataset(db: _Database) -> dict[str, Any]:
    """The rows of each tier and split, what they ask, and who chose between the texts of the pairs."""
    return {
        "dataset": {
            tier: {
                row.pop("split"): row
                for row in db.rows(
                    f"select split, count(distinct clip_id) as clips, count(*) as rows from {tier} group by 1"
                    f" order by list_position({list(SPLITS)}, split)"
                )
            }
            for tier in TIERS
        },
        "categories": {
            state: db.counts(f"select category, count(*) from plan_qa where state = '{state}'")
            for state in (*TIERS, "dropped")
        },
        "chosen_source": db.counts("select chosen_source, count(*) from dpo"),
        "pairs": {name: db.counts(f"select {name}, count(*) from dpo") for name in ("kind", "verifier")},
    }


def _texts(db: _Database) -> dict[str, Any]:
    """What the questions, answers and baselines of the kept clips are like."""
    return {
        "words": {
            name: db.rows(
                f"select len(string_split_regex(trim({name}), '\\s+')) as words, count(*) as count from qa"
                f" where trim({name}) <> '' group by 1 order by 1"
            )
            for name in ("question", "answer", "baseline")
        },
        "answers": db.rows("select count(answer) as all, count(distinct answer) as distinct from qa")[0],
        "repeated_answers": db.rows(
            "select answer, count(*) as count from qa where answer is not null group by 1"
            f" having count(*) > 1 order by 2 desc, 1 limit {TOP}"
        ),
        "claims": dict(list(db.counts("select unnest(claims), count(*) from qa").items())[:TOP]),
        "agreement": db.rows(AGREEMENT_SQL),
    }


def look_alikes(scores: pa.Table, gates: GatesConfig) -> int:
    """Count the clips that look like an earlier one, by clip_id.

    Args:
        scores: clip_id, error, phash; clips with an error are left out.
        gates: How alike is alike.
    """
    good = scores.filter(scores["error"].is_null()).select(["clip_id", "phash"]).sort_by("clip_id")
    return int((near_duplicates(good["phash"].to_pylist(), gates.phash_distance) >= 0).sum())


def sources(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Group the small sources together, so that tables and charts stay readable.

    Args:
        column: The source of each clip; null or "" where there is none.

    Returns:
        The column with at most SOURCES_SHOWN different values: the largest sources by name, "unknown" for no
        source, and "(others)".
    """
    named = pc.if_else(pc.equal(pc.fill_null(column, ""), ""), UNKNOWN, column)
    found = sorted(pc.value_counts(named).to_pylist(), key=lambda row: (-row["counts"], row["values"]))
    if len(found) <= SOURCES_SHOWN:
        return named
    large = pa.array([row["values"] for row in found[: SOURCES_SHOWN - 1]])
    return pc.if_else(pc.is_in(named, large), named, OTHERS)
