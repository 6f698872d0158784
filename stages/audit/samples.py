"""Which clips the report shows: those that a gate only just keeps, and those that it only just drops."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from filters.gate import kind
from filters.verdicts import (
    ANSWER_LIMITS,
    LIMITS,
    GatesConfig,
    answers_measured,
    clip_verdicts,
    measured,
)

EACH = 2  # clips on each side of a gate, at most
MOST = 24  # clips in all, at most


@dataclass(frozen=True)
class Sample:
    """A clip near a gate.

    Attributes:
        clip_id: The clip.
        gate: Name of the gate, which is the name of its setting.
        limit: Where the gate stands.
        value: What the gate measures, of the clip or of its question nearest to the limit.
        kept: Whether the gate keeps it.
    """

    clip_id: str
    gate: str
    limit: float
    value: float
    kept: bool


def samples(
    scores: pa.Table, annotations: pa.Table, gates: GatesConfig, dropped: Mapping[str, Mapping[str, int]]
) -> list[Sample]:
    """Pick the clips nearest to each gate, on either side.

    Args:
        scores: Rows of `scores`.
        annotations: clip_id and qa.
        gates: Where the gates stand.
        dropped: How many `clips` and `questions` each gate drops, as in `stages.audit.statistics.stats`.

    Returns:
        At most MOST clips, each once: by gate, that which drops most clips first, then by questions; those
        that it drops first. The kept ones pass every gate; a dropped one is dropped by the gate that it is
        shown for.
    """
    good = scores.filter(scores["error"].is_null())
    verdicts = clip_verdicts(good, gates)
    near = [*_clips(good, verdicts, gates), *_questions(good, verdicts, annotations, gates)]

    def drops(sample: Sample) -> tuple[int, ...]:
        return tuple(-dropped[what].get(sample.gate, 0) for what in ("clips", "questions"))

    found: dict[str, Sample] = {}
    # A clip that a gate drops is shown for that gate, and not for one that it is near to as well.
    for sample in sorted(near, key=lambda sample: (sample.kept, drops(sample))):
        found.setdefault(sample.clip_id, sample)
    return sorted(list(found.values())[:MOST], key=lambda sample: (drops(sample), sample.gate, sample.kept))


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
    db.register("answers", answers_measured(annotations))
    for gate, _ in ANSWER_LIMITS:
        limit = getattr(gates, gate)
        if limit is None:
            continue
        nearest = db.execute(
            f"""
            select clip_id, {gate} as value, value {">=" if kind(gate) == "min" else "<="} $limit as stays
            from answers join kept using (clip_id)
            where isfinite(value)
            qualify row_number() over (partition by stays order by abs(value - $limit), clip_id) <= {EACH}
            order by stays, abs(value - $limit), clip_id
            """,
            {"limit": limit},
        )
        for clip_id, value, stays in nearest.fetchall():
            yield Sample(clip_id, gate, limit, value, stays)
