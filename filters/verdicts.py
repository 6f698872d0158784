"""Verdicts of all gates, on the clips of a table and on single questions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, create_model

from filters.gate import AnswerGate, ClipGate, Gate, Verdict, bound
from pipeline.registry import Registry
from pipeline.schema import SCORES

GATES = Registry("gate", "filters.gates", Gate)


def _ordered(base: type[Gate]) -> list[Any]:
    gates = (gate for gate in GATES if issubclass(gate, base))
    return sorted(gates, key=lambda gate: (gate.order, gate.name))


CLIP_GATES: list[type[ClipGate]] = _ordered(ClipGate)
ANSWER_GATES: list[type[AnswerGate]] = _ordered(AnswerGate)

if TYPE_CHECKING:

    class GatesConfig(BaseModel):
        """The settings of all gates."""

        def __getattr__(self, name: str) -> Any: ...
else:
    GatesConfig = create_model(
        "GatesConfig",
        __config__=ConfigDict(extra="forbid"),
        __doc__="Which clips and answers are kept; null disables a setting.",
        __module__=__name__,
        **{
            name: (field.annotation, field)
            for gate in (*CLIP_GATES, *ANSWER_GATES)
            for name, field in gate.model_fields.items()
        },
    )

# The columns of `scores` that the gates read.
COLUMNS = tuple(sorted({name for gate in CLIP_GATES for name in gate.columns}))
# Every setting that limits a number of a clip: its name, what it limits, and the unit.
LIMITS = tuple((name, gate.title, gate.unit) for gate in CLIP_GATES for name in gate.limits())
# Every setting that limits a number of an answer, and its gate.
ANSWER_LIMITS = tuple((name, gate) for gate in ANSWER_GATES for name in gate.limits())


def clip_verdicts(scores: pa.Table, config: GatesConfig) -> pa.Array:
    """Decide which clips to drop.

    Args:
        scores: N rows of `scores` without an error; a failed clip is neither kept nor dropped.
        config: The settings of the gates.

    Returns:
        (N,) string: the setting that drops a clip, null for a clip that is kept.
    """
    verdicts = np.full(scores.num_rows, None, object)
    left = np.ones(scores.num_rows, bool)
    for gate in CLIP_GATES:
        for name, dropped in gate.drops(scores, config, left):
            verdicts[dropped & left] = name
            left &= ~dropped
    return pa.array(verdicts, pa.string())


def kept(scores: pa.Table, config: GatesConfig) -> pa.Table:
    """Return the rows of `scores` without an error that pass every gate."""
    good = scores.filter(scores["error"].is_null())
    return good.filter(clip_verdicts(good, config).is_null())


def verdict(score: Mapping[str, Any], config: GatesConfig) -> Verdict | None:
    """Decide on a single row of `scores`, ignoring near duplicates.

    Returns:
        Why it is dropped; None if it is kept.
    """
    table = pa.Table.from_pylist([dict(score)], schema=SCORES)
    name = clip_verdicts(table, config.model_copy(update={"near_duplicates": "keep"}))[0].as_py()
    if name is None:
        return None
    what, unit = next((what, unit) for limit, what, unit in LIMITS if limit == name)
    value = measured(table)[what][0]
    limit = f"{bound(name)} {getattr(config, name):g} {unit}".strip()
    return Verdict(
        name, f"{what} was not measured" if np.isnan(value) else f"{what} {value:.4g}, not {limit}"
    )


def measured(scores: pa.Table) -> dict[str, np.ndarray]:
    """Return the limited numbers of clips, by title: (N,) float64, NaN where not measured."""
    return {gate.title: gate.values(scores) for gate in CLIP_GATES if gate.limits()}


def qa_verdict(qa: Mapping[str, Any], config: GatesConfig) -> Verdict | None:
    """Decide on one question with its answer.

    Args:
        qa: A struct `pipeline.schema.QA`.
        config: The settings of the gates.

    Returns:
        Why it is dropped; None if it is kept.
    """
    if qa["error"]:
        return Verdict("answer_error", f"the answer failed: {qa['error']}")
    if not (qa["answer"] or "").strip() or not (qa["question"] or "").strip():
        return Verdict("answer_empty", "the question or the answer is empty")
    verdicts = (gate.verdict(qa, config) for gate in ANSWER_GATES)
    return next((found for found in verdicts if found), None)


def answers_measured(annotations: pa.Table) -> pa.Table:
    """Return the limited numbers of all answers.

    Args:
        annotations: clip_id and qa.

    Returns:
        A row for each question, with clip_id, index, question and, for each setting of ANSWER_LIMITS, a
        column of its name: float64, null where the number is missing or there is no answer.
    """
    names = [name for name, _ in ANSWER_LIMITS]
    schema = pa.schema(
        [("clip_id", pa.string()), ("index", pa.int64()), ("question", pa.string())]
        + [(name, pa.float64()) for name in names]
    )
    gates = {gate for _, gate in ANSWER_LIMITS}
    batches = []
    for batch in annotations.select(["clip_id", "qa"]).to_batches(max_chunksize=1024):
        rows = []
        for clip in batch.to_pylist():
            for index, qa in enumerate(clip["qa"] or ()):
                whole = not qa["error"] and qa["answer"] and qa["question"]
                values = {gate: gate.value(qa) if whole else None for gate in gates}
                head = {"clip_id": clip["clip_id"], "index": index, "question": qa["question"]}
                rows.append(head | {name: values[gate] for name, gate in ANSWER_LIMITS})
        batches.append(pa.RecordBatch.from_pylist(rows, schema))
    return pa.Table.from_batches(batches, schema)
