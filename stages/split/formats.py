"""The forms in which trainers read the rows: pure functions from a row to what a file of theirs holds."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

Row = dict[str, Any]

TEXT = pa.string()
HEAD = ("id", "clip_id", "video", "question")
KEYS = {
    "sft": ("question", "answer", "category"),
    "dpo": ("question", "chosen", "rejected", "category", "chosen_source", "kind", "verifier"),
}
PARQUET = {
    "sft": pa.schema(
        [(name, TEXT) for name in (*HEAD, "answer", "category")]
        + [("messages", pa.list_(pa.struct([("role", TEXT), ("content", TEXT)])))]
    ),
    "dpo": pa.schema([(name, TEXT) for name in (*HEAD, "prompt", *KEYS["dpo"][1:])]),
}
# One message of TRL's conversational form. A part has no "video" key: chat templates take any part that has
# one for a video. The files themselves are in the column `videos`, in order.
MESSAGES = pa.list_(
    pa.struct([("role", TEXT), ("content", pa.list_(pa.struct([("type", TEXT), ("text", TEXT)])))])
)
TRL_HEAD: list[tuple[str, pa.DataType]] = [("id", TEXT), ("videos", pa.list_(TEXT))]
TRL = {
    "sft": pa.schema([*TRL_HEAD, ("messages", MESSAGES)]),
    "dpo": pa.schema([*TRL_HEAD, ("prompt", MESSAGES), ("chosen", MESSAGES), ("rejected", MESSAGES)]),
}

# Where a clip's files are in the tars, for readers that seek: bytes from the start of the tar.
INDEX = pa.schema(
    [(name, TEXT) for name in ("tier", "split", "clip_id", "tar", "video")]
    + [(name, pa.int64()) for name in ("offset", "size", "json_offset", "json_size")]
)


def parquet(row: Row) -> Row:
    """The row with the columns that `PARQUET` has besides."""
    messages = [("user", row["question"]), ("assistant", row.get("answer"))]
    return row | {
        "prompt": row["question"],
        "messages": [{"role": role, "content": text} for role, text in messages],
    }


def llava(row: Row) -> Row:
    """LLaVA's form, as Qwen2-VL-Finetune reads it."""
    prompt = f"<video>\n{row['question']}"
    head = {"id": row["id"], "video": row["video"]}
    if "chosen" in row:
        return head | {"prompt": prompt, "chosen": row["chosen"], "rejected": row["rejected"]}
    turns = [{"from": "human", "value": prompt}, {"from": "gpt", "value": row["answer"]}]
    return head | {"conversations": turns}


def sharegpt(row: Row) -> Row:
    """ShareGPT's form, as LLaMA-Factory reads it with the `dataset_info` below."""

    def turn(role: str, text: str) -> Row:
        return {"from": role, "value": text}

    asked = turn("human", f"<video>{row['question']}")
    if "chosen" in row:
        sides = {side: turn("gpt", row[side]) for side in ("chosen", "rejected")}
        return {"conversations": [asked], **sides, "videos": [row["video"]]}
    return {"conversations": [asked, turn("gpt", row["answer"])], "videos": [row["video"]]}


def dataset_info(files: Mapping[str, str]) -> Row:
    """LLaMA-Factory's dataset_info.json. files: by name of a data set, such as sft-train, its file."""
    common = {"messages": "conversations", "videos": "videos"}
    pair = {"chosen": "chosen", "rejected": "rejected"}
    return {
        f"motionvid_qa_{name.replace('-', '_')}": {"file_name": file, "formatting": "sharegpt"}
        | ({"ranking": True, "columns": common | pair} if name.startswith("dpo") else {"columns": common})
        for name, file in files.items()
    }


def trl(row: Row) -> Row:
    """TRL's conversational form."""

    def message(role: str, text: str, *parts: Row) -> Row:
        return {"role": role, "content": [*parts, {"type": "text", "text": text}]}

    head = {"id": row["id"], "videos": [row["video"]]}
    prompt = message("user", row["question"], {"type": "video", "text": None})
    if "chosen" in row:
        sides = {side: [message("assistant", row[side])] for side in ("chosen", "rejected")}
        return head | {"prompt": [prompt]} | sides
    return head | {"messages": [prompt, message("assistant", row["answer"])]}
