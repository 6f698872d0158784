"""The vocabulary of a dataset: its splits, its tiers, and the columns of its plan and of its files."""

from typing import Any, Literal

import pyarrow as pa

from pipeline.schema import CLIPS, SCORES

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Tier = Literal["sft", "dpo"]
TIERS: tuple[Tier, ...] = ("sft", "dpo")
Row = dict[str, Any]

# Where a clip can end up, in the order in which a plan decides. The last two are the tiers.
CLIP_STATES = (
    "pending_score",
    "failed_score",
    "dropped",
    "pending_annotation",
    "failed_annotation",
    "no_qa_left",
    *TIERS,
)
TEXT = pa.string()
CLIP_COLUMNS = ("clip_id", "video_id", "uri", "start_s", "end_s", "source", "sha256")
PLAN_CLIPS = pa.schema(
    [CLIPS.field(name) for name in CLIP_COLUMNS] + [(name, TEXT) for name in ("split", "state", "reason")]
)
PLAN_QA = pa.schema(
    [("clip_id", TEXT), ("index", pa.int32())] + [(name, TEXT) for name in ("category", "state", "reason")]
)
_PLAN_ROW = ("id", "clip_id", "split", "question", "category")
PLAN_ROWS: dict[Tier, pa.Schema] = {
    "sft": pa.schema([(name, TEXT) for name in (*_PLAN_ROW, "answer")]),
    "dpo": pa.schema(
        [(name, TEXT) for name in (*_PLAN_ROW, "chosen", "rejected", "chosen_source", "kind", "verifier")]
    ),
}

# What the JSON beside each video says of a row, besides its id.
QA_COLUMNS: dict[Tier, tuple[str, ...]] = {
    "sft": ("question", "answer", "category"),
    "dpo": ("question", "chosen", "rejected", "category", "chosen_source", "kind", "verifier"),
}
_HEAD = ("id", "clip_id", "video", "question")
PARQUET: dict[Tier, pa.Schema] = {
    "sft": pa.schema(
        [(name, TEXT) for name in (*_HEAD, "answer", "category")]
        + [("messages", pa.list_(pa.struct([("role", TEXT), ("content", TEXT)])))]
    ),
    "dpo": pa.schema([(name, TEXT) for name in (*_HEAD, "prompt", *QA_COLUMNS["dpo"][1:])]),
}
# What a reader of the card learns of each column of the two tables.
MEANINGS = {
    "id": "the row: `clip_id` and the number of the question",
    "clip_id": "the clip; rows with the same one are about the same video",
    "video": "name of the video's file in the tars",
    "question": "what was asked",
    "answer": "the answer to learn",
    "category": "the motion that the question is about: `object`, `camera` or `both`",
    "messages": "question and answer as a conversation",
    "prompt": "the question again, under the name that trainers look for",
    "chosen": "the better answer",
    "rejected": "the worse answer",
    "chosen_source": "who preferred `chosen`: `human`, or `motion_check`, which goes by the measured motion",
    "kind": "`motion` if the two answers differ in a claim about motion that can be checked, else `other`",
    "verifier": "whether the measured motion `supports` or `contradicts` the choice, or `cannot_judge`",
}
# What the card tells of the motion of the clips, out of `scores`.
MOTION = pa.schema(
    [SCORES.field(name) for name in ("clip_id", "duration_s", "camera_motion", "object_motion")]
)
# A few clips with their videos, one a row, which viewers of Parquet can play.
PREVIEW = pa.schema(
    [
        ("clip_id", TEXT),
        ("video", pa.struct([("bytes", pa.binary()), ("path", TEXT)])),
        ("qa", pa.list_(pa.struct([(name, TEXT) for name in ("question", "answer", "category")]))),
    ]
)
# Where a clip's two files are in the tars, for readers that seek: bytes from the start of the tar.
INDEX = pa.schema(
    [(name, TEXT) for name in ("tier", "split", "clip_id", "tar", "video")]
    + [(name, pa.int64()) for name in ("offset", "size", "json_offset", "json_size")]
)
