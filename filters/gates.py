"""Verdicts on what was measured: which clips go on, which answers are believed, and why the others not.

A verdict carries the name of the gate, which is the name of its setting. Gates are applied when a table is
read, never stored in it: a new threshold re-decides at once what was dear to measure.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipeline.schema import SCORES


class GatesConfig(BaseModel):
    """Thresholds on clips and on answers, inclusive; null switches a gate off.

    A clip whose number is missing does not pass the gate on it.
    """

    model_config = ConfigDict(extra="forbid")

    quality_min: float | None = Field(None, description="for metrics where higher is better (clipiqa, musiq)")
    quality_max: float | None = Field(
        80.0, description="for metrics where lower is better; PIQE, 0 to 100, calls 80 and more bad"
    )
    flow_min: float | None = Field(
        None,
        ge=0,
        description="enough motion: mean flow, diagonals/s; null keeps still clips, which teach 'static'",
    )
    flow_max: float | None = Field(
        1.0, gt=0, description="not too much motion: above a diagonal per second little can be followed"
    )
    duration_min_s: float | None = Field(1.0, ge=0, description="too short to show a motion, seconds")
    duration_max_s: float | None = Field(
        120.0, gt=0, description="16 frames no longer tell what moves, seconds"
    )
    side_min: int | None = Field(128, ge=1, description="shorter side, pixels: below it small motion is gone")
    cuts_max: int | None = Field(0, ge=0, description="hard cuts inside the clip: across a cut nothing moves")
    near_duplicates: Literal["keep", "drop"] = Field(
        "keep", description="'drop' keeps the first (by clip_id) of clips that look alike"
    )
    phash_distance: int = Field(
        12, ge=0, le=192, description="bits of 192 in which clips that look alike may differ"
    )

    alignment_min: float | None = Field(
        None, ge=0, le=1, description="VQAScore of the answer; applies where there is one"
    )
    motion_check_min: float | None = Field(
        0.99, ge=0, le=1, description="share of the answer's checkable claims that the measurements support"
    )
    motion_check_required: bool = Field(False, description="drop answers that make no checkable claim")


class Verdict(NamedTuple):
    """Why something is dropped: the gate's name, and a sentence with the numbers."""

    gate: str
    reason: str


# Gate, what it measures, unit. In this order: the first that fails gives the reason.
LIMITS = (
    ("duration_min_s", "duration", "s"),
    ("duration_max_s", "duration", "s"),
    ("side_min", "shorter side", "px"),
    ("cuts_max", "hard cuts", ""),
    ("quality_min", "quality", ""),
    ("quality_max", "quality", ""),
    ("flow_min", "mean flow", "diagonals/s"),
    ("flow_max", "mean flow", "diagonals/s"),
)


def clip_verdicts(scores: pa.Table, config: GatesConfig) -> pa.Array:
    """The gate (string) that drops each row of `scores`, null for a row that is kept.

    Only for rows without an error: a clip that failed is neither kept nor dropped.
    """
    numbers = measured(scores)
    gates = np.full(scores.num_rows, None, object)
    for name, what, _ in LIMITS:
        limit = getattr(config, name)
        if limit is not None:
            values = numbers[what]
            # NaN compares as false: what was not measured does not pass.
            passes = values >= limit if "_min" in name else values <= limit
            gates[~passes & (gates == None)] = name  # noqa: E711
    if config.near_duplicates == "drop":
        left = np.flatnonzero(gates == None)  # noqa: E711
        left = left[np.argsort(np.array(scores["clip_id"].to_pylist(), object)[left], kind="stable")]
        hashes = scores["phash"].take(pa.array(left)).to_pylist()
        alike = near_duplicates(hashes, config.phash_distance) >= 0
        gates[left[alike | np.array([not value for value in hashes], bool)]] = "near_duplicates"
    return pa.array(gates, pa.string())


def kept(scores: pa.Table, config: GatesConfig) -> pa.Table:
    """The rows of `scores` without an error that pass every gate."""
    good = scores.filter(scores["error"].is_null())
    return good.filter(clip_verdicts(good, config).is_null())


def verdict(score: Mapping[str, Any], config: GatesConfig) -> Verdict | None:
    """The verdict on one row of `scores` by itself (near duplicates take a table); None: kept."""
    table = pa.Table.from_pylist([dict(score)], schema=SCORES)
    gate = clip_verdicts(table, config.model_copy(update={"near_duplicates": "keep"}))[0].as_py()
    if gate is None:
        return None
    what, unit = next((what, unit) for name, what, unit in LIMITS if name == gate)
    value = measured(table)[what][0]
    limit = f"{'at least' if '_min' in gate else 'at most'} {getattr(config, gate):g} {unit}".strip()
    return Verdict(
        gate, f"{what} was not measured" if np.isnan(value) else f"{what} {value:.4g}, not {limit}"
    )


def measured(scores: pa.Table) -> dict[str, np.ndarray]:
    """By name, what the limits are on: (N,) float64, NaN where it was not measured."""

    def floats(values: pa.ChunkedArray) -> np.ndarray:
        return values.cast(pa.float64()).to_numpy(zero_copy_only=False)

    return {
        "duration": floats(scores["duration_s"]),
        "shorter side": np.minimum(floats(scores["width"]), floats(scores["height"])),
        "hard cuts": floats(pc.list_value_length(scores["cuts"])),
        "quality": floats(scores["quality"]),
        "mean flow": floats(scores["flow_mean"]),
    }


def qa_verdict(qa: Mapping[str, Any], config: GatesConfig) -> Verdict | None:
    """The verdict on one question and answer (a struct `pipeline.schema.QA`); None: kept."""
    if qa["error"]:
        return Verdict("answer_error", f"the answer failed: {qa['error']}")
    if not (qa["answer"] or "").strip() or not (qa["question"] or "").strip():
        return Verdict("answer_empty", "the question or the answer is empty")
    score, check = qa["vqascore"], qa["motion_check"]
    if config.alignment_min is not None and score is not None and not score >= config.alignment_min:
        return Verdict("alignment_min", f"VQAScore {score:.3g}, not at least {config.alignment_min:g}")
    if check is None:
        required = config.motion_check_required
        return Verdict("motion_check_required", "the answer makes no checkable claim") if required else None
    if config.motion_check_min is not None and not check >= config.motion_check_min:
        return Verdict(
            "motion_check_min", f"{check:.0%} of its claims hold, not {config.motion_check_min:.0%}"
        )
    return None


def near_duplicates(phashes: Sequence[str | None], distance: int) -> np.ndarray:
    """For each hash the index of the first earlier one it looks like, -1 for none: (N,) int64.

    phashes: hex strings; those of another length, and null ones, look like nothing. distance: bits that may
    differ. Only hashes that are themselves no duplicates count as the earlier one.
    """
    first = np.full(len(phashes), -1, np.int64)
    texts = np.array([text or "" for text in phashes], object)
    lengths = np.array([len(text) for text in texts], np.int64)
    for length in set(lengths.tolist()) - {0}:
        own = np.flatnonzero(lengths == length)
        packed = np.frombuffer(bytes.fromhex("".join(texts[own]) + "0" * (length * len(own) % 2)), np.uint8)
        bits = np.unpackbits(packed)[: 4 * length * len(own)].reshape(len(own), 4 * length)
        words = np.packbits(np.pad(bits, ((0, 0), (0, -4 * length % 64))), axis=1).view(np.uint64)
        _, where, of = np.unique(words, axis=0, return_index=True, return_inverse=True)
        once = np.sort(where)  # of equal hashes the first
        found = np.full(len(once), -1, np.int64)
        for early, late in _pairs(bits[once], words[once], distance):
            if found[early] < 0 and found[late] < 0:
                found[late] = early
        representative = np.searchsorted(once, where)[of.reshape(-1)]
        at = np.where(found >= 0, found, np.arange(len(once)))[representative]
        first[own] = np.where(own == own[once[at]], -1, own[once[at]])
    return first


def _pairs(bits: np.ndarray, words: np.ndarray, distance: int) -> list[tuple[int, int]]:
    """The pairs (early, late) of hashes that differ in at most `distance` bits, in order of (late, early).

    bits (N, B) uint8 and words (N, B / 64) uint64 are the same hashes. Such a pair agrees wholly on one of
    distance + 1 bands (pigeonhole), so only hashes that meet when sorted by a band are compared.
    """
    pairs: list[np.ndarray] = []
    for band in np.array_split(bits, min(distance, bits.shape[1]) + 1, axis=1):
        keys = np.packbits(np.pad(band, ((0, 0), (0, 1))), axis=1)  # a band may be empty
        keys = keys.view(f"V{keys.shape[1]}").reshape(-1)
        order = np.argsort(keys, kind="stable")
        _, group = np.unique(keys[order], return_inverse=True)
        sorted_words = words[order]
        at = np.arange(len(order) - 1)
        step = 0
        while len(at):
            step += 1
            at = at[at + step < len(order)]
            at = at[group[at] == group[at + step]]
            near = at
            differ = np.zeros(len(near), np.int64)
            for word in sorted_words.T:  # most are told apart by the first word
                differ = differ + np.bitwise_count(word[near] ^ word[near + step])
                near, differ = near[differ <= distance], differ[differ <= distance]
            pairs.append(np.stack((order[near + step], order[near]), axis=1))
    every = np.unique(np.concatenate(pairs), axis=0) if pairs else np.empty((0, 2), np.int64)
    return [(early, late) for late, early in every.tolist()]
