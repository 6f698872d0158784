"""LLaVA's JSON, as Qwen2-VL-Finetune reads it."""

from collections.abc import Mapping, Sequence

from stages.split.files import to_json
from stages.split.format import Format
from stages.split.schema import Row, Split, Tier


class Llava(Format):
    """One list of conversations, or of preference pairs, per file."""

    name = "llava"
    folder = "llava"
    purpose = "Qwen2-VL-Finetune; a file without a split in its name is the training split"

    def files(self, tier: Tier, split: Split, rows: Sequence[Row]) -> Mapping[str, bytes]:
        """Write `sft.json` for the training split, `sft-test.json` and so on for the others."""
        name = tier if split == "train" else f"{tier}-{split}"
        return {f"{name}.json": to_json([_row(tier, row) for row in rows])}


def _row(tier: Tier, row: Row) -> Row:
    prompt = f"<video>\n{row['question']}"
    head = {"id": row["id"], "video": row["video"]}
    if tier == "dpo":
        return head | {"prompt": prompt, "chosen": row["chosen"], "rejected": row["rejected"]}
    turns = [{"from": "human", "value": prompt}, {"from": "gpt", "value": row["answer"]}]
    return head | {"conversations": turns}
