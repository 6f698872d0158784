"""What-if: every clip and question in a few bytes, so that a page can move the gates and count exactly.

A gate moves over a list of positions in rising order. The value of a clip or question is stored as a code of
one byte that says where it lies among them: twice the number of positions below it, plus one if it is itself
a position. So `value >= positions[i]` is `code >= 2 i + 1`, and `value <= positions[i]` is `code <= 2 i + 1`,
exactly, as no value is rounded.
"""

import base64
import gzip
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from filters.gate import kind
from filters.verdicts import ANSWER_LIMITS, LIMITS, GatesConfig, answers_measured, measured
from stages.audit.distributions import spread
from stages.split.plan import build
from stages.split.settings import SplitConfig
from stages.split.votes import choices

POSITIONS = 60  # of a measure, about; codes stay below PASSES
# Codes of values that are not compared: NaN, which fails any gate; null, which passes all but a gate that
# requires a value; and an answer that people chose, which passes all.
FAILS, ABSENT, PASSES = 255, 254, 253

OPEN: dict[str, Any] = {  # settings with which no gate drops anything
    **dict.fromkeys([*(name for name, *_ in LIMITS), *(name for name, _ in ANSWER_LIMITS)]),
    **{"motion_check_required": False, "near_duplicates": "keep"},
}


def what_if(
    clips: pa.Table,
    scores: pa.Table,
    annotations: pa.Table,
    preferences: pa.Table,
    gates: GatesConfig,
    config: SplitConfig,
) -> dict[str, Any]:
    """Collect what a page needs to count what `split` would keep with the gates at any offered positions.

    Near duplicates are not looked for.

    Args:
        clips: Rows of `clips` with the columns that a plan needs.
        scores: Rows of `scores`.
        annotations: Rows of `annotations`.
        preferences: Rows of `preferences`.
        gates: Where the gates stand now.
        config: Settings of `split` other than the gates.

    Returns:
        Ready for JSON. `sources`: their names. `measures`: title, unit, `positions` in rising order, and the
        distribution of the values. `gates`: name, index of its `measure`, kind (min, max, required), indices
        of the positions `offered`, and the `current` one or None. `clips`: those without an error, equal ones
        counted together; `questions`: those that only a gate can drop; both `packed`.
    """
    good = scores.filter(scores["error"].is_null())
    names = clips["source"].unique().sort()
    source = pc.index_in(clips["source"], names).take(pc.index_in(good["clip_id"], clips["clip_id"]))
    values = measured(good)
    questions = _questions(clips, scores, annotations, preferences, gates, config)
    measures: list[dict[str, Any]] = []
    movable: list[dict[str, Any]] = []
    columns = {"source": pc.fill_null(source, 0).cast(pa.uint8())}
    for at, what in enumerate(dict.fromkeys(what for _, what, _ in LIMITS)):
        own = [(name, unit) for name, other, unit in LIMITS if other == what]
        positions = offered(values[what], [getattr(gates, name) for name, _ in own])
        columns[f"m{at}"] = pa.array(coded(values[what], positions))
        measures.append(_measure(what, own[0][1], positions, values[what], [name for name, _ in own], gates))
        movable += [_gate(name, at, positions, gates) for name, _ in own]
    for name, gate in ANSWER_LIMITS:
        known = questions[name].to_numpy()
        positions = offered(known, [getattr(gates, name)])
        codes = coded(known, positions)
        codes[questions[name].is_null().to_numpy()] = ABSENT
        codes[questions["human"].to_numpy()] = PASSES
        questions = questions.append_column(f"m{len(measures)}", pa.array(codes))
        movable.append(_gate(name, len(measures), positions, gates))
        measures.append(_measure(gate.title, gate.unit, positions, known, [name], gates))
    checked = next(gate["measure"] for gate in movable if gate["name"] == "motion_check_min")
    required = {"name": "motion_check_required", "measure": checked, "kind": "required"}
    movable.append(required | {"offered": [], "current": gates.motion_check_required})
    question_codes = [f"m{at}" for at in range(len(columns) - 1, len(measures))]
    coded_clips = pa.table({"clip_id": good["clip_id"], **columns})
    clip_rows, question_rows = _coded_rows(coded_clips, questions, question_codes)
    return {
        "sources": names.to_pylist(),
        "measures": measures,
        "gates": movable,
        "clips": packed(clip_rows),
        "questions": packed(question_rows),
    }


def _coded_rows(
    clips: pa.Table, questions: pa.Table, question_codes: Sequence[str]
) -> tuple[pa.Table, pa.Table]:
    """The codes of clips, with a `count` of those that have the same, and of questions with their clip's.

    The questions of a clip follow each other; `first` is 1 at the first of them, else 0.

    clips: clip_id and codes. questions: clip_id, index, and codes among others.
    """
    db = duckdb.connect(config={"threads": 1})
    db.register("clips", clips)
    db.register("questions", questions)
    codes = ", ".join(name for name in clips.column_names if name != "clip_id")
    grouped = db.sql(f"select {codes}, count(*)::uinteger as count from clips group by all order by all")
    asked = db.sql(f"""
        select {codes}, {", ".join(question_codes)},
            (row_number() over (partition by clip_id order by index) = 1)::utinyint as first
        from questions join clips using (clip_id) order by {codes}, clip_id, index
    """)
    return grouped.to_arrow_table(), asked.to_arrow_table()


def _questions(
    clips: pa.Table,
    scores: pa.Table,
    annotations: pa.Table,
    preferences: pa.Table,
    gates: GatesConfig,
    config: SplitConfig,
) -> pa.Table:
    """The questions that pass everything but the gates: clip_id, index, the gated numbers, human.

    human: people chose the answer, so no gate drops it.
    """
    ids = annotations["clip_id"]
    plan = build(
        clips.filter(pc.is_in(clips["clip_id"], ids)),
        scores.filter(pc.is_in(scores["clip_id"], ids)),
        annotations,
        preferences,
        gates.model_copy(update=OPEN),
        config.model_copy(update={"preference_share": 0.0}),  # pairs are costly to make, and not needed here
    )
    chosen = [key for key, choice in choices(preferences).items() if choice.chosen]
    db = duckdb.connect(config={"threads": 1})
    db.register("plan_qa", plan.qa)
    db.register("answers", answers_measured(annotations))
    votes = {"clip_id": [clip for clip, _ in chosen], "question": [question for _, question in chosen]}
    db.register("votes", pa.table(votes, pa.schema([(name, pa.string()) for name in votes])))
    numbers = "".join(f"a.{name}, " for name, _ in ANSWER_LIMITS)
    return db.sql(f"""
        select clip_id, index, {numbers}v.clip_id is not null as human
        from answers a join plan_qa p using (clip_id, index)
            left join votes v on v.clip_id = p.clip_id and v.question = a.question
        where p.state <> 'dropped' order by clip_id, index
    """).to_arrow_table()


def standing_at(what_if: Mapping[str, Any]) -> dict[str, float]:
    """Return where the gates stand, by setting; those that are off are left out.

    Args:
        what_if: What `what_if` returned.
    """
    limits = (gate for gate in what_if["gates"] if gate["kind"] != "required" and gate["current"] is not None)
    return {
        gate["name"]: what_if["measures"][gate["measure"]]["positions"][gate["current"]] for gate in limits
    }


def _measure(
    title: str,
    unit: str,
    positions: Sequence[float],
    values: np.ndarray,
    names: Sequence[str],
    gates: GatesConfig,
) -> dict[str, Any]:
    settings = [limit for name in names if (limit := getattr(gates, name)) is not None]
    return {"title": title, "unit": unit, "positions": positions, **spread(values, settings)}


def _gate(name: str, measure: int, positions: Sequence[float], gates: GatesConfig) -> dict[str, Any]:
    current = getattr(gates, name)
    return {
        "name": name,
        "measure": measure,
        "kind": kind(name),
        "offered": [at for at, value in enumerate(positions) if _valid(name, value)],
        "current": None if current is None else list(positions).index(current),
    }


def _valid(name: str, value: float) -> bool:
    try:
        return bool(GatesConfig.model_validate({name: value}))
    except ValidationError:
        return False


def offered(values: np.ndarray, settings: Sequence[float | None]) -> list[float]:
    """Choose the positions over which gates on these values can move.

    Args:
        values: (N,) what the gates measure; NaN and infinite ones are left out.
        settings: Where the gates stand now; None for one that is off.

    Returns:
        Numbers in rising order, with those of `settings` among them: all values when they are few, else
        about POSITIONS quantiles rounded to four digits. Whole numbers are int.
    """
    known = np.unique(values[np.isfinite(values)])
    if len(known) > POSITIONS:
        finite = values[np.isfinite(values)]
        quantiles = np.quantile(finite, np.linspace(0, 1, POSITIONS))
        known = np.array([float(f"{value:.4g}") for value in quantiles])
    every = sorted({*known.tolist(), *(float(value) for value in settings if value is not None)})
    return [int(value) if value.is_integer() else value for value in every]


def coded(values: np.ndarray, positions: Sequence[float]) -> np.ndarray:
    """Encode where values lie among the positions.

    Args:
        values: (N,) numbers.
        positions: In rising order, fewer than PASSES / 2.

    Returns:
        (N,) uint8 codes as the module describes them; FAILS for NaN.
    """
    at = np.array(positions, float)
    codes = np.searchsorted(at, values, "left") + np.searchsorted(at, values, "right")
    return np.where(np.isnan(values), FAILS, codes).astype(np.uint8)


def packed(table: pa.Table) -> dict[str, Any]:
    """Pack a table for JSON.

    Args:
        table: Columns of unsigned integers without nulls.

    Returns:
        `rows`; `columns`, the bytes per value by name; and `data`, the columns one after the other,
        little-endian, gzipped, in base64.
    """
    planes = b"".join(column.to_numpy().tobytes() for column in table.columns)
    return {
        "rows": table.num_rows,
        "columns": {field.name: field.type.bit_width // 8 for field in table.schema},
        "data": base64.b64encode(gzip.compress(planes, 6, mtime=0)).decode(),
    }
