"""From tables to a dataset: which split a clip is in, which tier, and which rows it gives.

All of it is decided when the tables are read: what the gates leave, which clips are preference data (DPO) and
which instruction data (SFT), and the split, by source video.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from filters.verdicts import GatesConfig, clip_verdicts
from stages.split.candidates import Candidate, candidate
from stages.split.schema import CLIP_COLUMNS, MOTION, PLAN_CLIPS, PLAN_QA, PLAN_ROWS, SPLITS, Row
from stages.split.settings import SplitConfig
from stages.split.splits import split_of
from stages.split.tiers import RANKED, preferred
from stages.split.votes import BAD_CLIP, Choice, bad_clips, choices


@dataclass(frozen=True)
class DatasetPlan:
    """What the dataset will hold, and why the rest is not in it.

    Attributes:
        clips: Every clip (PLAN_CLIPS) in exactly one of CLIP_STATES; reason is the gate or the error code.
        qa: Every question of an annotated clip (PLAN_QA); its state is sft, dpo or dropped, with the gate as
            the reason.
        sft: The SFT rows (PLAN_ROWS), in order of clip_id and question.
        dpo: The DPO rows, in the same order. chosen_source says who chose: human or motion_check; kind is
            motion where the two texts differ in a checkable claim, else other; verifier is what motion_check
            makes of the pair: supports, contradicts or cannot_judge.
        models: Role, name and version of each backend that made the rows.
        warnings: What a person should know.
        motion: The measured motion (MOTION) of the clips that give rows, as far as the scores have it.
        made: The settings that each table was made with, as of `Workspace.made_with`.
    """

    clips: pa.Table
    qa: pa.Table
    sft: pa.Table
    dpo: pa.Table
    models: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    motion: pa.Table = field(default_factory=MOTION.empty_table)
    made: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def build(
    clips: pa.Table,
    scores: pa.Table,
    annotations: pa.Table,
    preferences: pa.Table,
    gates: GatesConfig,
    config: SplitConfig,
) -> DatasetPlan:
    """Decide on every clip and every question; nothing is read or written.

    A clip has one tier, but a question of a preference clip that makes no pair is instruction data, in the
    same split. People's choices replace the answer in both tiers and pass the gates on answers; what they
    call a bad question or a bad clip is left out.

    Args:
        clips: The table `clips`.
        scores: The table `scores`, or those of its columns that the gates and the ranks read.
        annotations: The columns clip_id, qa, models and error of the table.
        preferences: The table `preferences`.
        gates: Thresholds on clips and answers.
        config: Shares, filters and weights.
    """
    clips = clips.select(CLIP_COLUMNS).sort_by("clip_id")
    state, reason = _states(clips["clip_id"], scores, annotations, gates)
    annotated = set(clips["clip_id"].filter(pc.equal(state, "annotated")).to_pylist())
    decided, spoiled = choices(preferences), dict.fromkeys(bad_clips(preferences), Choice(spoiled=BAD_CLIP))
    candidates = {
        clip_id: [
            candidate(
                index, one, spoiled.get(clip_id) or decided.get((clip_id, one["question"])), gates, config
            )
            for index, one in enumerate(qa or [])
        ]
        for clip_id, qa in _tuples(annotations, "clip_id", "qa")
        if clip_id in annotated
    }
    usable = {
        clip_id: left for clip_id, every in candidates.items() if (left := [c for c in every if not c.gate])
    }
    in_dpo = preferred(usable, _tuples(scores, *RANKED), config)

    tier = {
        clip_id: "dpo" if clip_id in in_dpo else "sft" if clip_id in usable else "no_qa_left"
        for clip_id in candidates
    }
    at = pc.index_in(clips["clip_id"], pa.array(tier, pa.string()))
    videos = clips["video_id"].combine_chunks().dictionary_encode()
    splits = [split_of(video, config.seed, config.shares) for video in videos.dictionary.to_pylist()]
    clips = (
        clips.append_column("split", pa.array(splits, pa.string()).take(videos.indices))
        .append_column("state", pc.coalesce(pa.array(tier.values(), pa.string()).take(at), state))
        .append_column("reason", reason)
        .cast(PLAN_CLIPS)
    )
    qa, sft, dpo = _rows(clips.filter(at.is_valid()), candidates, in_dpo)
    models = {
        " ".join(filter(None, pair))
        for clip_id, pairs in _tuples(annotations, "clip_id", "models")
        if clip_id in usable
        for pair in pairs or ()
    }
    motion = scores.select([name for name in MOTION.names if name in scores.column_names])
    motion = motion.filter(pc.is_in(motion["clip_id"], pa.array(usable, pa.string()))).sort_by("clip_id")
    return DatasetPlan(clips, qa, sft, dpo, tuple(sorted(models)), tuple(_warnings(sft, dpo)), motion)


def _tuples(table: pa.Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Iterate over rows as tuples, a batch in memory at a time."""
    for batch in table.select(columns).to_batches(max_chunksize=4096):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _states(
    ids: pa.ChunkedArray, scores: pa.Table, annotations: pa.Table, gates: GatesConfig
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """State and reason of every clip by the tables and the gates; "annotated" if its questions decide."""
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
    before = pc.or_(score_error.is_valid(), dropped.is_valid())
    return state, pc.if_else(before, pc.coalesce(score_error, dropped), annotation_error)


def _rows(
    clips: pa.Table, candidates: dict[str, list[Candidate]], in_dpo: set[str]
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The tables qa, sft and dpo of the plan for these clips, in their order."""
    qa: list[Row] = []
    sft: list[Row] = []
    dpo: list[Row] = []
    for clip_id, split in _tuples(clips, "clip_id", "split"):
        for one in candidates[clip_id]:
            head = {"clip_id": clip_id, "index": one.index, "category": one.category}
            state = "dropped" if one.gate else "dpo" if clip_id in in_dpo and one.rejected else "sft"
            qa.append(head | {"state": state, "reason": one.gate})
            head |= {"id": f"{clip_id}-{one.index:02d}", "split": split, "question": one.question}
            if state == "sft":
                sft.append(head | {"answer": one.answer})
            elif state == "dpo":
                dpo.append(head | one.pair())
    return (
        pa.Table.from_pylist(qa, PLAN_QA),
        pa.Table.from_pylist(sft, PLAN_ROWS["sft"]),
        pa.Table.from_pylist(dpo, PLAN_ROWS["dpo"]),
    )


def _warnings(sft: pa.Table, dpo: pa.Table) -> Iterator[str]:
    for name, table in (("SFT", sft), ("DPO", dpo)):
        empty = [split for split in SPLITS if split not in set(table["split"].to_pylist())]
        if len(empty) == len(SPLITS):
            yield f"{name} has no rows"
        elif "train" in empty:
            yield (
                f"{name} has no rows in train: with few source videos the hash may leave a split empty; "
                "add clips"
            )
