"""From tables to a dataset: which split a clip falls in, which tier, and which rows it gives.

Decided when the tables are read: what the gates leave, which clips are preference data (DPO) and which are
instruction data (SFT), and the split, by source video.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from filters.claims import claims
from filters.verdicts import GatesConfig, clip_verdicts, qa_verdict
from pipeline.schema import CLIPS
from stages.split.votes import Choice, choices

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Tier = Literal["sft", "dpo"]
TIERS: tuple[Tier, ...] = ("sft", "dpo")

# The no-reference metrics of pyiqa whose small values are the good ones.
LOWER_IS_BETTER = frozenset(
    ("piqe", "niqe", "niqe_matlab", "ilniqe", "brisque", "brisque_matlab", "pi", "afine_nr")
)


class Shares(BaseModel):
    """Share of the source videos in each split; they sum to 1."""

    model_config = ConfigDict(extra="forbid")

    train: float = Field(0.9, ge=0, le=1)
    validation: float = Field(0.05, ge=0, le=1)
    test: float = Field(0.05, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> "Shares":
        if abs(self.train + self.validation + self.test - 1) > 1e-6:
            raise ValueError("train, validation and test must sum to 1")
        return self


class Weights(BaseModel):
    """How much each rank counts in the composite that picks the preference clips."""

    model_config = ConfigDict(extra="forbid")

    quality: float = Field(1.0, ge=0)
    motion: float = Field(1.0, ge=0)
    alignment: float = Field(1.0, ge=0)


class SplitConfig(BaseModel):
    """How the clips become a dataset."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(0, description="of the split; another seed is another split of the same videos")
    shares: Shares = Shares()
    preference_share: float = Field(
        0.125, ge=0, le=1, description="clips that give DPO rows, at the most; paper: 5K of 40K"
    )
    weights: Weights = Weights()
    min_dpo_margin: float = Field(
        0.2, gt=0, le=1, description="by how much motion_check must prefer the answer to the baseline"
    )
    categories: tuple[Literal["object", "camera", "both"], ...] = Field(
        ("object", "camera", "both"), description="kinds of question that the dataset asks"
    )
    question_pattern: str | None = Field(
        None, description="regular expression that a question must hold, such as '(?i)camera'; null: any"
    )
    answer_words_min: int | None = Field(None, ge=1, description="words of an answer, at least")
    answer_words_max: int | None = Field(None, ge=1, description="words of an answer, at most")
    rows_per_shard: int = Field(1000, ge=1, description="rows in a Parquet file and its tar, about")
    shards: int | None = Field(
        None,
        ge=1,
        le=99999,
        description="shards of each split; null: from rows_per_shard. Set, they stay as data grows",
    )
    name: str = Field("MotionVid-QA", description="title of the dataset card")
    license: str = Field("unknown", description="licence of the dataset, as a Hugging Face identifier")
    licences: dict[str, str] = Field({}, description="licence of the videos, by source")

    @field_validator("question_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return pattern


@dataclass(frozen=True)
class Item:
    """A question on its way into the dataset.

    gate: what drops it. rejected, source: the worse text and who said so, None when there is no pair.
    verifier: what motion_check makes of the pair: supports, contradicts, or cannot_judge.
    alignment: mean of motion_check and VQAScore, 0 to 1, None without either.
    """

    index: int
    question: str
    category: str
    answer: str
    rejected: str | None = None
    source: str | None = None
    verifier: str | None = None
    gate: str | None = None
    alignment: float | None = None


CLIP_STATES = (
    "pending_score",
    "failed_score",
    "dropped",
    "pending_annotation",
    "failed_annotation",
    "no_qa_left",
    "sft",
    "dpo",
)
CLIP_COLUMNS = ("clip_id", "video_id", "uri", "start_s", "end_s", "source", "sha256")
PLAN_CLIPS = pa.schema(
    [CLIPS.field(name) for name in CLIP_COLUMNS]
    + [(name, pa.string()) for name in ("split", "state", "reason")]
)
PLAN_QA = pa.schema(
    [("clip_id", pa.string()), ("index", pa.int32())]
    + [(name, pa.string()) for name in ("category", "state", "reason")]
)
ROW = ("id", "clip_id", "split", "question", "category")
PLAN_SFT = pa.schema([(name, pa.string()) for name in (*ROW, "answer")])
PLAN_DPO = pa.schema(
    [(name, pa.string()) for name in (*ROW, "chosen", "rejected", "chosen_source", "kind", "verifier")]
)
PLAN = {"clips": PLAN_CLIPS, "qa": PLAN_QA, "sft": PLAN_SFT, "dpo": PLAN_DPO}


@dataclass(frozen=True)
class Plan:
    """What the dataset will hold, and why the rest is not in it.

    clips (PLAN_CLIPS): every clip in exactly one state out of CLIP_STATES; reason is the gate or error code.
    qa (PLAN_QA): every question of an annotated clip, its state sft, dpo or dropped (reason: the gate).
    sft, dpo (PLAN_SFT, PLAN_DPO): the rows, in order of clip_id and question. Of a pair, chosen_source says
    who chose: human or motion_check; kind is motion where its texts differ in a checkable claim, else other;
    and verifier what motion_check makes of it: supports, contradicts, cannot_judge.
    models: name and version of each backend that made them. warnings: what a person should know.
    """

    clips: pa.Table
    qa: pa.Table
    sft: pa.Table
    dpo: pa.Table
    models: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def uniform(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def split_of(video_id: str, seed: int, shares: Shares) -> Split:
    """The split of a source video: the same for ever, whatever other videos there are."""
    at = uniform(f"{seed}\n{video_id}")
    bound = 0.0
    for name in SPLITS:
        bound += getattr(shares, name)
        if at < bound:
            return name
    return max(SPLITS, key=lambda name: getattr(shares, name))  # shares that sum to a little under 1


def ranks(values: np.ndarray) -> np.ndarray:
    """Share of the values that are not greater, (N,) in (0, 1]; equal values rank alike, NaN ranks 0."""
    known = np.sort(values[~np.isnan(values)])
    above = np.searchsorted(known, values, side="right") / max(1, len(known))
    return np.where(np.isnan(values), 0.0, above)


def composite(
    quality: np.ndarray, flow: np.ndarray, object_motion: np.ndarray, alignment: np.ndarray, weights: Weights
) -> np.ndarray:
    """Weighted mean of the ranks of quality (higher is better), motion and alignment: (N,) in [0, 1].

    The rank of motion is the mean of those of the whole flow and of the objects' own motion. Ranks, because
    the numbers have no common unit. NaN where something was not measured.
    """
    motion = (ranks(flow) + ranks(object_motion)) / 2
    total = weights.quality + weights.motion + weights.alignment
    parts = weights.quality * ranks(quality) + weights.motion * motion + weights.alignment * ranks(alignment)
    return parts / (total or 1.0)


def tiers(scores: Mapping[str, float], eligible: set[str], human: set[str], share: float) -> set[str]:
    """The clips that become preference data: at most ceil(share * all clips) of the eligible ones.

    scores: composite by clip_id, of every clip that has a row to give. Those that people chose on go first,
    then the highest composite; ties by clip_id.
    """
    order = sorted(eligible, key=lambda clip: (clip not in human, -scores[clip], clip))
    return set(order[: math.ceil(round(share * len(scores), 6))])


def build(
    clips: pa.Table,
    scores: pa.Table,
    annotations: pa.Table,
    preferences: pa.Table,
    gates: GatesConfig,
    config: SplitConfig,
) -> Plan:
    """Decide on every clip and every question; nothing is read or written.

    Tier is per clip; a question of a preference clip that makes no pair is instruction data, in the same
    split. People's choices replace the answer in both tiers and pass the QA gates.
    """
    clips = clips.select(CLIP_COLUMNS).sort_by("clip_id")
    state, reason = _states(clips["clip_id"], scores, annotations, gates)
    wanted = set(clips["clip_id"].filter(pc.equal(state, "annotated")).to_pylist())
    decided = choices(preferences)
    items = {
        clip_id: [
            _item(index, one, decided.get((clip_id, one["question"])), gates, config)
            for index, one in enumerate(qa or [])
        ]
        for clip_id, qa in _columns(annotations, "clip_id", "qa")
        if clip_id in wanted
    }
    usable = {clip_id: left for clip_id, every in items.items() if (left := [i for i in every if not i.gate])}
    preferred = _preferred(usable, scores, config)

    tier = {clip: "dpo" if clip in preferred else "sft" if clip in usable else "no_qa_left" for clip in items}
    at = pc.index_in(clips["clip_id"], pa.array(tier, pa.string()))
    videos = clips["video_id"].combine_chunks().dictionary_encode()
    splits = [split_of(video, config.seed, config.shares) for video in videos.dictionary.to_pylist()]
    clips = (
        clips.append_column("split", pa.array(splits, pa.string()).take(videos.indices))
        .append_column("state", pc.coalesce(pa.array(tier.values(), pa.string()).take(at), state))
        .append_column("reason", reason)
        .cast(PLAN_CLIPS)
    )
    rows: dict[str, list[dict[str, Any]]] = {"qa": [], "sft": [], "dpo": []}
    for clip_id, split in _columns(clips.filter(at.is_valid()), "clip_id", "split"):
        for item in items[clip_id]:
            told = {"clip_id": clip_id, "index": item.index, "category": item.category}
            to = "dropped" if item.gate else "dpo" if clip_id in preferred and item.rejected else "sft"
            rows["qa"].append(told | {"state": to, "reason": item.gate})
            told |= {"id": f"{clip_id}-{item.index:02d}", "split": split, "question": item.question}
            if to == "sft":
                rows["sft"].append(told | {"answer": item.answer})
            elif to == "dpo":
                rows["dpo"].append(told | _pair(item))
    tables = {name: pa.Table.from_pylist(rows[name], PLAN[name]) for name in rows}
    models = {
        " ".join(filter(None, pair))
        for clip_id, pairs in _columns(annotations, "clip_id", "models")
        if clip_id in usable
        for pair in pairs or ()
    }
    return Plan(
        clips,
        **tables,
        models=tuple(sorted(models)),
        warnings=tuple(_warnings(tables["sft"], tables["dpo"])),
    )


def _columns(table: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a table as tuples, a batch at a time."""
    for batch in table.select(names).to_batches(max_chunksize=4096):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _states(
    ids: pa.ChunkedArray, scores: pa.Table, annotations: pa.Table, gates: GatesConfig
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """State and reason of every clip as the tables and the gates have it; "annotated" where it goes on."""
    passed = scores["error"].is_null()
    gate = pc.replace_with_mask(
        pa.nulls(scores.num_rows, pa.string()),
        passed.combine_chunks(),
        clip_verdicts(scores.filter(passed), gates),
    )
    score, annotation = (pc.index_in(ids, table["clip_id"]) for table in (scores, annotations))
    score_error, dropped = scores["error"].take(score), gate.take(score)
    annotation_error = annotations["error"].take(annotation)
    reached = {
        "pending_score": score.is_null(),
        "failed_score": score_error.is_valid(),
        "dropped": dropped.is_valid(),
        "pending_annotation": annotation.is_null(),
        "failed_annotation": annotation_error.is_valid(),
    }
    state = pc.case_when(pc.make_struct(*reached.values(), field_names=list(reached)), *reached, "annotated")
    on = pc.or_(score_error.is_valid(), dropped.is_valid())
    return state, pc.if_else(on, pc.coalesce(score_error, dropped), annotation_error)


def _item(
    index: int, qa: Mapping[str, Any], choice: Choice | None, gates: GatesConfig, config: SplitConfig
) -> Item:
    check, worse = qa["motion_check"], qa["baseline_check"]
    numbers = [number for number in (check, qa["vqascore"]) if number is not None]
    alignment = _mean(numbers) if numbers else None
    item = Item(index, qa["question"], qa["category"], qa["answer"], alignment=alignment)
    if qa["category"] not in config.categories:
        return replace(item, gate="categories")
    if config.question_pattern and not re.search(config.question_pattern, qa["question"] or ""):
        return replace(item, gate="question_pattern")
    if choice and choice.shown and choice.shown != {qa["answer"], qa["baseline"]}:
        choice = None  # it was about texts that have made way for others since
    if choice and choice.both_bad:
        return replace(item, gate="both_bad")
    if choice and choice.chosen:
        item = replace(item, answer=choice.chosen)
        return _fits(item, config) or _paired(item, choice.rejected or qa["baseline"], "human", qa)
    if dropped := qa_verdict(qa, gates):
        return replace(item, gate=dropped.gate)
    if unfit := _fits(item, config):
        return unfit
    if choice or check is None or worse is None or not check - worse >= config.min_dpo_margin:
        return item
    return _paired(item, qa["baseline"], "motion_check", qa)


def _fits(item: Item, config: SplitConfig) -> Item | None:
    """The item, dropped, when its answer has too few or too many words."""
    words = len(item.answer.split())
    if config.answer_words_min and words < config.answer_words_min:
        return replace(item, gate="answer_words_min")
    if config.answer_words_max and words > config.answer_words_max:
        return replace(item, gate="answer_words_max")
    return None


def _paired(item: Item, rejected: str | None, source: str, qa: Mapping[str, Any]) -> Item:
    """The item as a preference pair, if there is another text to prefer it to."""
    if not rejected or rejected.split() == item.answer.split():
        return item
    known = {qa["baseline"]: qa["baseline_check"], qa["answer"]: qa["motion_check"]}
    better, worse = known.get(item.answer), known.get(rejected)
    if better is None or worse is None or better == worse:
        verifier = "cannot_judge"
    else:
        verifier = "supports" if better > worse else "contradicts"
    return replace(item, rejected=rejected, source=source, verifier=verifier)


def _pair(item: Item) -> dict[str, Any]:
    """The columns of a preference row. Only a pair that differs in a checkable claim is about motion."""
    differs = set(claims(item.answer)) != set(claims(item.rejected or ""))
    return {
        "chosen": item.answer,
        "rejected": item.rejected,
        "chosen_source": item.source,
        "kind": "motion" if differs else "other",
        "verifier": item.verifier,
    }


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else math.nan


def _preferred(usable: Mapping[str, Sequence[Item]], scores: pa.Table, config: SplitConfig) -> set[str]:
    """The clips of the preference tier, out of those with a row to give."""
    names = ("clip_id", "quality", "quality_metric", "flow_mean", "object_motion")
    rows = [row for row in _columns(scores, *names) if row[0] in usable]
    if not rows:
        return set()
    ids, quality, metric, flow, object_motion = zip(*rows, strict=True)
    sign = np.where([name in LOWER_IS_BETTER for name in metric], -1.0, 1.0)
    alignment = [
        _mean([item.alignment for item in usable[clip] if item.alignment is not None]) for clip in ids
    ]
    values = composite(
        sign * np.array(quality, float),
        np.array(flow, float),
        np.array(object_motion, float),
        np.array(alignment),
        config.weights,
    )
    sources = {clip: {item.source for item in items if item.rejected} for clip, items in usable.items()}
    return tiers(
        dict(zip(ids, values.tolist(), strict=True)),
        {clip for clip, found in sources.items() if found},
        {clip for clip, found in sources.items() if "human" in found},
        config.preference_share,
    )


def _warnings(sft: pa.Table, dpo: pa.Table) -> Iterator[str]:
    for name, table in (("SFT", sft), ("DPO", dpo)):
        empty = [split for split in SPLITS if split not in set(table["split"].to_pylist())]
        if len(empty) == len(SPLITS):
            yield f"{name} has no rows"
        elif "train" in empty:
            yield f"{name} has no rows in train: with few source videos the hash may spare a split; add clips"
