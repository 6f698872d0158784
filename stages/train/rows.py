"""Rows to train on, from this project's dataset folder or from the JSON of another instruction set.

A row is {id, images, messages} for SFT and {id, images, prompt, chosen, rejected} for DPO. `images` holds the
URI of the video: a column of this name makes TRL's trainers leave the preparation of rows to the collator.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import CallError, reason
from pipeline.text import decode, from_json, lines, unpacked
from stages.split.files import own_path
from stages.split.schema import Split
from stages.train.settings import Format, Phase
from stages.video.media import filesystem, is_local, read_bytes

Row = dict[str, Any]
TAGS = re.compile(r"(?<!\s)\s*(?:<(?:video|image)>\s*)+(?P<close>[.,;:!?)]?)")
ROLES = {"human": "user", "gpt": "assistant"}
WHOLE_VIDEO = "-1"  # `idx` of ShareGPT4Video's caption of the whole video; others are of keyframes
DESCRIBE = "Describe this video in detail."


@dataclass(frozen=True)
class Source:
    """Where rows are read from.

    Attributes:
        dataset: The folder of a dataset, or a JSON or JSONL file in another format.
        format: The format of the dataset.
        videos: The folder of the video files; None: the tars of the dataset, or the folder of the JSON file.
    """

    dataset: str
    format: Format = "motionvid_qa"
    videos: str | None = None


@dataclass(frozen=True)
class Rows:
    """The rows that were read.

    Attributes:
        rows: Those whose video is there.
        without_video: How many rows were skipped because they are about images or text.
        missing: The videos that are missing, whose rows were skipped.
    """

    rows: list[Row]
    without_video: int = 0
    missing: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify the rows and their order."""
        return hashlib.sha256(json.dumps(self.rows, sort_keys=True).encode()).hexdigest()[:16]


def read_rows(source: Source, phase: Phase, split: Split, skip_missing: bool = False) -> Rows:
    """Read the rows of a split, in the order of the files.

    Args:
        source: Where to read from. A JSON file belongs to the train split as a whole.
        phase: Which kind of rows.
        split: Which split.
        skip_missing: Skip rows whose video is missing.

    Raises:
        CallError: There is nothing to read, the format is another one, or a video is missing and not skipped.
    """
    if source.format == "motionvid_qa":
        found = _motionvid_qa(source, phase, split)
    else:
        found = _instructions(source, phase) if split == "train" else Rows([])
    there = _checker()
    gone = tuple(dict.fromkeys(row["images"][0] for row in found.rows if not there(row["images"][0])))
    missing = (*found.missing, *gone)
    if missing and not skip_missing:
        raise CallError(
            f"{len(missing)} of the videos of {source.dataset} are missing, the first: {missing[0]}; give "
            "their folder with --videos, or skip their rows with --set skip_missing=true"
        )
    rows = [row for row in found.rows if row["images"][0] not in gone]
    if split == "train" and not rows:
        raise CallError(f"{source.dataset} has no {phase} row with a video to train on")
    return Rows(rows, found.without_video, missing)


def _motionvid_qa(source: Source, phase: Phase, split: Split) -> Rows:
    names = _names(source.dataset)
    table = _tables(source.dataset, f"{phase}/{split}", names)
    if table is None:
        if split == "train":
            raise CallError(
                f"no {phase}/train-*.parquet in {source.dataset}; give a folder that `motionsight split` "
                "wrote, or the --format of another dataset"
            )
        return Rows([])
    uris: Mapping[str, str] = {}
    if not source.videos:
        index = _tables(source.dataset, f"index/{phase}-{split}", names)
        tars = index.select(["video", "tar"]).to_pylist() if index else []
        root = source.dataset.rstrip("/")
        uris = {it["video"]: f"{root}/{names.get(it['tar'], it['tar'])}::{it['video']}" for it in tars}
    rows, missing = [], []
    for row in table.to_pylist():
        uri = _file(source.videos, row["video"]) if source.videos else uris.get(row["video"])
        if uri is None:
            missing.append(f"{row['video']} (in no tar listed in index/{phase}-{split}-*.parquet)")
            continue
        head = {"id": row["id"], "images": [uri]}
        if phase == "sft":
            rows.append(head | {"messages": row["messages"]})
        else:
            rows.append(head | {key: row[key] for key in ("prompt", "chosen", "rejected")})
    return Rows(rows, missing=tuple(dict.fromkeys(missing)))


def _names(folder: str) -> dict[str, str]:
    """Where the manifest of a dataset says that its files are, by their own names; none without a manifest.

    In an object store, that is another place while a dataset is being replaced, when a pattern would find
    files of two versions.
    """
    try:
        files, root = filesystem(folder.rstrip("/"))
        manifest = json.loads(files.cat_file(f"{root}/manifest.json"))
        return {own_path(file["path"]): file["path"] for file in manifest["files"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
    except OSError as error:
        raise CallError(f"cannot read {folder}: {reason(error)}") from error


def _tables(folder: str, start: str, names: Mapping[str, str]) -> pa.Table | None:
    """The files START-*.parquet in a folder as one table, or None if there are none."""
    try:
        files, root = filesystem(folder.rstrip("/"))
        pattern = f"{start}-*.parquet"
        named = [f"{root}/{path}" for name, path in sorted(names.items()) if fnmatchcase(name, pattern)]
        paths = named if names else sorted(files.glob(f"{root}/{pattern}"))
        return pa.concat_tables(pq.read_table(path, filesystem=files) for path in paths) if paths else None
    except (OSError, pa.ArrowInvalid) as error:
        raise CallError(f"cannot read {start}-*.parquet in {folder}: {reason(error)}") from error


def _instructions(source: Source, phase: Phase) -> Rows:
    """The rows in a JSON array or in JSON lines."""
    try:
        items = _items(unpacked(read_bytes(source.dataset)))
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
            rows.append(head | READERS[source.format][phase](item))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CallError(
                f"{source.dataset}: item {number} is not in the format {source.format!r} for {phase} "
                f"({type(error).__name__}: {reason(error)})"
            ) from error
    return Rows(rows, without)


def _items(data: bytes) -> list[Any]:
    text = decode(data)
    if text.lstrip()[:1] == "[":
        return from_json(text)
    items = []
    for number, line in lines(data):
        try:
            items.append(from_json(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return items


def _llava(item: Row) -> Row:
    """A LLaVA conversation, without the tag for the video, which the chat template adds."""
    turns = [
        {"role": ROLES.get(turn["from"], turn["from"]), "content": _without_tags(turn["value"])}
        for turn in item["conversations"]
    ]
    if not {"user", "assistant"} <= {turn["role"] for turn in turns}:
        raise ValueError("a question and an answer are needed")
    return {"messages": turns}


def _preference(item: Row) -> Row:
    sides = {side: item[side] for side in ("chosen", "rejected")}
    return {"prompt": _without_tags(item["prompt"]), **sides}


def _without_tags(text: str) -> str:
    """The text without the tags of videos; what a tag stood between stays apart."""

    def between(tags: re.Match[str]) -> str:
        if tags["close"] or tags.start() == 0 or tags.end() == len(text):
            return tags["close"]
        return "\n" if "\n" in tags[0] else " "

    return TAGS.sub(between, text)


def _sharegpt4video(item: Row) -> Row:
    """A caption of a whole video, or a conversation from the instruction mix of ShareGPT4Video."""
    if "conversations" in item:
        return _llava(item)
    whole = {str(caption["idx"]): caption["content"] for caption in item["captions"]}[WHOLE_VIDEO]
    turns = [("user", DESCRIBE), ("assistant", whole)]
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


READERS: Mapping[str, Mapping[Phase, Callable[[Row], Row]]] = {
    "llava": {"sft": _llava, "dpo": _preference},
    "sharegpt4video": {"sft": _sharegpt4video, "dpo": _preference},
}


def _file(folder: str, name: str) -> str:
    return name if name.startswith("/") or not is_local(name) else f"{folder.rstrip('/')}/{name}"


def _checker() -> Callable[[str], bool]:
    """Makes a function that says whether a video's file or its tar exists, and looks for each file once."""
    known: dict[str, bool] = {}

    def there(uri: str) -> bool:
        whole = uri.rpartition("::")[0] or uri
        if whole not in known:
            try:
                files, path = filesystem(whole)
                known[whole] = files.exists(path)
            except (OSError, ValueError, ImportError) as error:
                raise CallError(f"cannot check for {whole}: {reason(error)}") from error
        return known[whole]

    return there


def select(rows: Sequence[Row], count: int) -> list[Row]:
    """At most `count` rows, spread evenly over all of them."""
    step = max(1, len(rows) // count)
    return list(rows[::step][:count])
