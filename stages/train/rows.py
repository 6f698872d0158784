"""Rows to train on, out of this project's dataset folder or another instruction set's JSON.

A row is {id, images, messages} for SFT and {id, images, prompt, chosen, rejected} for DPO; `images` holds the
video's uri: by a column of this name TRL's trainers know rows whose preparation is the collator's.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import CallError, reason
from stages.split.schema import Split
from stages.train.config import Stage
from stages.video.media import filesystem, is_local, read_bytes

Format = Literal["motionvid_qa", "llava", "sharegpt4video"]
Row = dict[str, Any]
TAG = re.compile(r"\s*<(?:video|image)>\s*")
ROLES = {"human": "user", "gpt": "assistant"}
WHOLE_VIDEO = "-1"  # `idx` of ShareGPT4Video's caption of all of a video; the others are of its keyframes
DESCRIBE = "Describe this video in detail."


@dataclass(frozen=True)
class Source:
    """Where rows are read from.

    dataset: a dataset folder, or a JSON or JSONL file of another form. videos: the folder of the video
    files; None: the dataset's tars, or the folder of the JSON file.
    """

    dataset: str
    format: Format = "motionvid_qa"
    videos: str | None = None


@dataclass(frozen=True)
class Rows:
    """What was read. without_video: rows about pictures or text. missing: uris that are not there."""

    rows: list[Row]
    without_video: int = 0
    missing: tuple[str, ...] = ()


def read(source: Source, stage: Stage, split: Split, skip_missing: bool = False) -> Rows:
    """The rows of a split, in the order of their files; a JSON file is all train.

    Raises CallError: nothing there, another form, or a video is missing and not to be skipped.
    """
    if source.format == "motionvid_qa":
        found = _motionvid_qa(source, stage, split)
    else:
        found = _instructions(source, stage) if split == "train" else Rows([])
    there = _checker()
    gone = tuple(dict.fromkeys(row["images"][0] for row in found.rows if not there(row["images"][0])))
    missing = (*found.missing, *gone)
    if missing and not skip_missing:
        raise CallError(
            f"{len(missing)} of the videos of {source.dataset} are not there, the first: {missing[0]}; give "
            "their folder with --videos, or leave their rows out with --set skip_missing=true"
        )
    rows = [row for row in found.rows if row["images"][0] not in gone]
    if split == "train" and not rows:
        raise CallError(f"{source.dataset} has no {stage} row with a video to train on")
    return Rows(rows, found.without_video, missing)


def _motionvid_qa(source: Source, stage: Stage, split: Split) -> Rows:
    table = _tables(source.dataset, f"{stage}/{split}")
    if table is None:
        if split == "train":
            raise CallError(
                f"no {stage}/train-*.parquet in {source.dataset}; give a folder that `motionsight split` "
                "wrote, or --format for another form"
            )
        return Rows([])
    uris: Mapping[str, str] = {}
    if not source.videos:
        index = _tables(source.dataset, f"index/{stage}-{split}")
        tars = index.select(["video", "tar"]).to_pylist() if index else []
        uris = {
            each["video"]: f"{source.dataset.rstrip('/')}/{each['tar']}::{each['video']}" for each in tars
        }
    rows, missing = [], []
    for row in table.to_pylist():
        uri = _file(source.videos, row["video"]) if source.videos else uris.get(row["video"])
        if uri is None:
            missing.append(f"{row['video']} (in no tar of index/{stage}-{split}-*.parquet)")
            continue
        head = {"id": row["id"], "images": [uri]}
        if stage == "sft":
            rows.append(head | {"messages": row["messages"]})
        else:
            rows.append(head | {key: row[key] for key in ("prompt", "chosen", "rejected")})
    return Rows(rows, missing=tuple(dict.fromkeys(missing)))


def _tables(folder: str, start: str) -> pa.Table | None:
    """The Parquet files START-*.parquet of a folder as one table, None when there are none."""
    try:
        files, root = filesystem(folder.rstrip("/"))
        paths = sorted(files.glob(f"{root}/{start}-*.parquet"))
        return pa.concat_tables(pq.read_table(path, filesystem=files) for path in paths) if paths else None
    except (OSError, pa.ArrowInvalid) as error:
        raise CallError(f"cannot read {start}-*.parquet in {folder}: {reason(error)}") from error


def _instructions(source: Source, stage: Stage) -> Rows:
    """Rows of a JSON array or of JSON lines."""
    try:
        text = read_bytes(source.dataset).decode()
        items = (
            json.loads(text) if text.lstrip()[:1] == "[" else [json.loads(line) for line in text.splitlines()]
        )
    except (OSError, ValueError) as error:
        raise CallError(f"cannot read {source.dataset} as JSON: {reason(error)}") from error
    folder = source.videos or source.dataset.rpartition("/")[0] or "."
    rows, without = [], 0
    for number, item in enumerate(items):
        try:
            video = item.get("video") or item.get("video_path")
            if isinstance(video, list):
                video = video[0] if len(video) == 1 else None
            if not video:
                without += 1
                continue
            head = {"id": str(item.get("id", item.get("video_id", number))), "images": [_file(folder, video)]}
            rows.append(head | FORMS[source.format][stage](item))
        except (AttributeError, KeyError, TypeError) as error:
            raise CallError(
                f"{source.dataset}: item {number} is not of the form {source.format!r} for {stage} "
                f"({type(error).__name__}: {reason(error)})"
            ) from error
    return Rows(rows, without)


def _llava(item: Row) -> Row:
    """LLaVA's conversations; the tag that stands for the video is left out: the chat template puts it."""
    turns = [
        {"role": ROLES.get(turn["from"], turn["from"]), "content": TAG.sub("", turn["value"])}
        for turn in item["conversations"]
    ]
    if not {"user", "assistant"} <= {turn["role"] for turn in turns}:
        raise KeyError("a question and an answer")
    return {"messages": turns}


def _preference(item: Row) -> Row:
    return {"prompt": TAG.sub("", item["prompt"]), "chosen": item["chosen"], "rejected": item["rejected"]}


def _sharegpt4video(item: Row) -> Row:
    """A caption of a whole video, or a conversation of the set's instruction mix."""
    if "conversations" in item:
        return _llava(item)
    whole = {str(caption["idx"]): caption["content"] for caption in item["captions"]}[WHOLE_VIDEO]
    turns = [("user", DESCRIBE), ("assistant", whole)]
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


FORMS: Mapping[str, Mapping[Stage, Callable[[Row], Row]]] = {
    "llava": {"sft": _llava, "dpo": _preference},
    "sharegpt4video": {"sft": _sharegpt4video, "dpo": _preference},
}


def _file(folder: str, name: str) -> str:
    return name if name.startswith("/") or not is_local(name) else f"{folder.rstrip('/')}/{name}"


def _checker() -> Callable[[str], bool]:
    """Whether a video's file, or the tar that it is in, is there; each file is asked for once."""
    known: dict[str, bool] = {}

    def there(uri: str) -> bool:
        whole = uri.rpartition("::")[0] or uri
        if whole not in known:
            try:
                files, path = filesystem(whole)
                known[whole] = files.exists(path)
            except (OSError, ValueError, ImportError) as error:
                raise CallError(f"cannot look for {whole}: {reason(error)}") from error
        return known[whole]

    return there


def select(rows: Sequence[Row], count: int) -> list[Row]:
    """At most `count` of the rows, spread evenly."""
    step = max(1, len(rows) // count)
    return list(rows[::step][:count])
