"""Which clips a report shows: those that a gate all but drops, and those that it drops by little."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from filters.verdicts import ANSWER_GATES, LIMITS, GatesConfig, clip_verdicts, measured

EACH = 2  # clips on each side of a gate
MOST = 24  # clips in all
QA_GATES = tuple((name, gate.column) for gate in ANSWER_GATES for name in gate.limits())


@dataclass(frozen=True)
class Sample:
    """A clip near a gate. value: what the gate measures, of the clip or of the question nearest to it."""

    clip_id: str
    gate: str
    limit: float
    value: float
    kept: bool


def samples(scores: pa.Table, annotations: pa.Table, gates: GatesConfig) -> list[Sample]:
    """For each gate the clips nearest to it on either side: at most MOST, each once.

    Kept are clips that all gates keep; dropped are those that this gate drops.
    """
    good = scores.filter(scores["error"].is_null())
    verdicts = clip_verdicts(good, gates)
    near = [*_clips(good, verdicts, gates), *_questions(good, verdicts, annotations, gates)]
    found: dict[str, Sample] = {}
    for sample in sorted(near, key=lambda sample: sample.kept):  # what is dropped is looked at first
        found.setdefault(sample.clip_id, sample)
    return list(found.values())[:MOST]


def _clips(good: pa.Table, verdicts: pa.Array, gates: GatesConfig) -> Iterator[Sample]:
    values = measured(good)
    drops = np.array(verdicts.to_pylist(), object)
    for gate, what, _ in LIMITS:
        limit = getattr(gates, gate)
        if limit is None:
            continue
        away = np.abs(values[what] - limit)
        for kept, group in ((False, drops == gate), (True, drops == None)):  # noqa: E711
            at = np.flatnonzero(group & np.isfinite(away))
            for n in at[np.argsort(away[at], kind="stable")][:EACH].tolist():
                yield Sample(good["clip_id"][n].as_py(), gate, limit, float(values[what][n]), kept)


def _questions(
    good: pa.Table, verdicts: pa.Array, annotations: pa.Table, gates: GatesConfig
) -> Iterator[Sample]:
    db = duckdb.connect(config={"threads": 1})
    db.register("kept", pa.table({"clip_id": good["clip_id"]}).filter(verdicts.is_null()))
    db.register("annotations", annotations.select(["clip_id", "qa"]))
    for gate, column in QA_GATES:
        limit = getattr(gates, gate)
        if limit is None:
            continue
        nearest = db.execute(
            f"""
            select clip_id, value, value >= $limit as stays from (
                select clip_id, q.{column} as value
                from (select clip_id, unnest(qa) as q from annotations join kept using (clip_id))
            )
            where isfinite(value)
            qualify row_number() over (partition by stays order by abs(value - $limit), clip_id) <= {EACH}
            order by stays, abs(value - $limit), clip_id
            """,
            {"limit": limit},
        )
        for clip_id, value, stays in nearest.fetchall():
            yield Sample(clip_id, gate, limit, value, stays)
