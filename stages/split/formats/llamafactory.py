"""ShareGPT's JSON with the `dataset_info.json` by which LLaMA-Factory finds it."""

from collections.abc import Mapping, Sequence

from stages.split.files import to_json
from stages.split.format import Format
from stages.split.schema import Row, Split, Tier

COLUMNS = {"messages": "conversations", "videos": "videos"}
PAIR = {"chosen": "chosen", "rejected": "rejected"}


class LlamaFactory(Format):
    """One list of conversations per file; a preference pair ranks two last turns."""

    name = "llamafactory"
    folder = "llamafactory"
    purpose = "LLaMA-Factory, with the `dataset_info.json` that it asks for"

    def files(self, tier: Tier, split: Split, rows: Sequence[Row]) -> Mapping[str, bytes]:
        """Write `sft-train.json`, and so on."""
        return {f"{tier}-{split}.json": to_json([_row(tier, row) for row in rows])}

    def shared_files(self, parts: Sequence[tuple[Tier, Split]]) -> Mapping[str, bytes]:
        """Write `dataset_info.json`, which names a data set for each file: `motionvid_qa_sft_train`, ..."""
        info = {
            f"motionvid_qa_{tier}_{split}": {"file_name": f"{tier}-{split}.json", "formatting": "sharegpt"}
            | ({"ranking": True, "columns": COLUMNS | PAIR} if tier == "dpo" else {"columns": COLUMNS})
            for tier, split in parts
        }
        return {"dataset_info.json": to_json(info)}


def _row(tier: Tier, row: Row) -> Row:
    asked = _turn("human", f"<video>{row['question']}")
    if tier == "dpo":
        sides = {side: _turn("gpt", row[side]) for side in PAIR}
        return {"conversations": [asked], **sides, "videos": [row["video"]]}
    return {"conversations": [asked, _turn("gpt", row["answer"])], "videos": [row["video"]]}


def _turn(role: str, text: str) -> Row:
    return {"from": role, "value": text}
