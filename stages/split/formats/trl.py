"""TRL's conversational Parquet."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from stages.split.files import to_parquet
from stages.split.format import Format
from stages.split.schema import TEXT, Row, Split, Tier

# A part of a message has no "video" key: chat templates take any part that has one for a video. The files
# themselves are in the column `videos`, in order.
MESSAGES = pa.list_(
    pa.struct([("role", TEXT), ("content", pa.list_(pa.struct([("type", TEXT), ("text", TEXT)])))])
)
_HEAD: list[tuple[str, pa.DataType]] = [("id", TEXT), ("videos", pa.list_(TEXT))]
COLUMNS: dict[Tier, pa.Schema] = {
    "sft": pa.schema([*_HEAD, ("messages", MESSAGES)]),
    "dpo": pa.schema([*_HEAD, ("prompt", MESSAGES), ("chosen", MESSAGES), ("rejected", MESSAGES)]),
}


class Trl(Format):
    """Messages of parts: `{"type": "video"}` stands for the file in `videos`."""

    name = "trl"
    folder = "trl"
    purpose = "TRL: messages whose video part stands for the file in `videos`"

    def files(self, tier: Tier, split: Split, rows: Sequence[Row]) -> Mapping[str, bytes]:
        """Write `sft-train.parquet`, and so on."""
        return {f"{tier}-{split}.parquet": to_parquet([_row(tier, row) for row in rows], COLUMNS[tier])}


def _row(tier: Tier, row: Row) -> Row:
    head = {"id": row["id"], "videos": [row["video"]]}
    prompt = _message("user", row["question"], {"type": "video", "text": None})
    if tier == "dpo":
        sides = {side: [_message("assistant", row[side])] for side in ("chosen", "rejected")}
        return head | {"prompt": [prompt]} | sides
    return head | {"messages": [prompt, _message("assistant", row["answer"])]}


def _message(role: str, text: str, *parts: Row) -> Row:
    return {"role": role, "content": [*parts, {"type": "text", "text": text}]}
