"""Write the dataset folder: Parquet, WebDataset tars, LLaVA and TRL files, a card and a manifest.

The same plan gives the same bytes: rows are sorted, tar headers fixed, nothing carries a date. Videos are
copied, never encoded again. The column `video` is the file's name in the tars, `{clip_id}.{suffix}`; the
LLaVA and TRL files mean it as extracted from there.
"""

import contextlib
import hashlib
import io
import itertools
import json
import math
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import av.error
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from stages.media import cut, read_bytes, suffix
from stages.split import SPLITS, Plan, Split, SplitConfig, uniform

Tier = Literal["sft", "dpo"]
TIERS: tuple[Tier, ...] = ("sft", "dpo")
Row = dict[str, Any]

TEXT = pa.string()
HEAD = ("id", "clip_id", "video", "question")
KEYS = {
    "sft": ("question", "answer", "category"),
    "dpo": ("question", "chosen", "rejected", "category", "chosen_source"),
}
PARQUET = {
    "sft": pa.schema(
        [(name, TEXT) for name in (*HEAD, "answer", "category")]
        + [("messages", pa.list_(pa.struct([("role", TEXT), ("content", TEXT)])))]
    ),
    "dpo": pa.schema(
        [(name, TEXT) for name in (*HEAD, "prompt", "chosen", "rejected", "category", "chosen_source")]
    ),
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


@dataclass(frozen=True)
class Shard:
    """One Parquet file and its tar, which `write_shard` writes under `folder`, in any process.

    rows: out of the plan's sft or dpo table, in order. clips: the plan's rows of their clips, by clip_id.
    """

    folder: str
    tier: Tier
    split: Split
    index: int
    count: int
    rows: Sequence[Row]
    clips: Mapping[str, Row]


@dataclass(frozen=True)
class Written:
    """What came of a shard. files: {path, rows, bytes, sha256}. missing: {clip_id, uri, reason}."""

    tier: Tier
    files: Sequence[Row]
    missing: Sequence[Row]


class ExportError(Exception):
    """The dataset cannot be made; the one before it, if any, is untouched."""


MapShards = Callable[[Callable[[Shard], Written], Iterable[Shard]], Iterable[Written]]


def publish(
    plan: Plan,
    folder: Path,
    config: SplitConfig,
    about: Mapping[str, Any] | None = None,
    map_shards: MapShards = map,
) -> Row:
    """Write the dataset and put it in the place of the one at `folder`. Returns its manifest.

    about: what else the manifest is to say, such as settings; JSON-able, the same in every run.
    map_shards: applies `write_shard` to every shard, in any order, where `folder` can be written to.

    The new folder is made beside the old one as `.NAME.new`; then old becomes `.NAME.old`, new takes its
    name, and old is deleted. A run that dies between the two renames is repaired by the next one.
    Raises ExportError when no video at all can be read, OSError when the folder cannot be written.
    """
    draft, old = (folder.with_name(f".{folder.name}.{kind}") for kind in ("new", "old"))
    if old.exists() and not folder.exists():
        old.rename(folder)
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        manifest = _write(plan, draft, config, about or {}, map_shards)
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return manifest


def _write(
    plan: Plan, folder: Path, config: SplitConfig, about: Mapping[str, Any], map_shards: MapShards
) -> Row:
    for name in (*TIERS, "llava", "trl"):
        (folder / name).mkdir(parents=True)
    clips = {clip["clip_id"]: clip for clip in plan.clips.to_pylist() if clip["state"] in TIERS}
    planned = {
        tier: [row | _video(clips[row["clip_id"]]) for row in getattr(plan, tier).to_pylist()]
        for tier in TIERS
    }
    written = list(map_shards(write_shard, list(_shards(planned, clips, folder, config))))

    gone = {(one.tier, clip["clip_id"]) for one in written for clip in one.missing}
    rows = {
        (tier, split): [
            row for row in planned[tier] if row["split"] == split and (tier, row["clip_id"]) not in gone
        ]
        for tier in TIERS
        for split in SPLITS
    }
    rows = {key: value for key, value in rows.items() if value}
    missing = sorted(
        {clip["clip_id"]: clip for one in written for clip in one.missing}.values(), key=_clip_id
    )
    if missing and not rows:
        raise ExportError(f"no video of the dataset can be read; the first: {missing[0]['reason']}")

    files = [file for one in written for file in one.files]
    for (tier, split), part in rows.items():
        llava = folder / "llava" / (f"{tier}.json" if split == "train" else f"{tier}-{split}.json")
        llava.write_text(_json([_llava(row) for row in part]), encoding="utf-8")
        trl = folder / "trl" / f"{tier}-{split}.parquet"
        _parquet([_trl(row) for row in part], TRL[tier], trl)
        files += [_file(folder, llava, len(part)), _file(folder, trl, len(part))]
    card = folder / "README.md"
    card.write_text(_card(rows, clips, missing, plan.models, config), encoding="utf-8")
    files.append(_file(folder, card, 0))
    manifest = {
        "name": config.name,
        "seed": config.seed,
        "versions": _versions(),
        "models": list(plan.models),
        **about,
        "rows": {tier: {split: len(rows.get((tier, split), ())) for split in SPLITS} for tier in TIERS},
        "missing": missing,
        "warnings": list(plan.warnings),
        "files": sorted(files, key=lambda file: file["path"]),
    }
    (folder / "manifest.json").write_text(_json(manifest), encoding="utf-8")
    return manifest


def _clip_id(row: Row) -> str:
    return row["clip_id"]


def _video(clip: Row) -> Row:
    """The video's file name in the dataset: a shot that is cut out becomes an MP4."""
    whole = clip["start_s"] is None and clip["end_s"] is None
    return {"video": f"{clip['clip_id']}.{suffix(clip['uri']) if whole else 'mp4'}"}


def _shards(
    planned: Mapping[Tier, Sequence[Row]], clips: Mapping[str, Row], folder: Path, config: SplitConfig
) -> Iterator[Shard]:
    """Which shard a row is in follows from its clip_id and the number of shards alone."""
    for tier, split in itertools.product(TIERS, SPLITS):
        rows = [row for row in planned[tier] if row["split"] == split]
        if rows:
            count = config.shards or math.ceil(len(rows) / config.rows_per_shard)
            parts: list[list[Row]] = [[] for _ in range(count)]
            for row in rows:
                parts[int(uniform(row["clip_id"]) * count)].append(row)
            for index, part in enumerate(parts):
                own = {row["clip_id"]: clips[row["clip_id"]] for row in part}
                yield Shard(str(folder), tier, split, index, count, part, own)


def write_shard(shard: Shard) -> Written:
    """Write the tar and the Parquet file of a shard. A clip whose video cannot be had is left out of both.

    A shard without a row has no files: readers stumble over empty ones.
    Raises OSError when the folder cannot be written.
    """
    folder = Path(shard.folder, shard.tier)
    tar = folder / f"{shard.split}-{shard.index:06d}.tar"
    parquet = folder / f"{shard.split}-{shard.index:05d}-of-{shard.count:05d}.parquet"
    rows: list[Row] = []
    missing: list[Row] = []
    with tarfile.open(tar, "w") as archive:
        for clip_id, group in itertools.groupby(shard.rows, _clip_id):
            clip, own = shard.clips[clip_id], list(group)
            try:
                data = _bytes(clip)
            except (OSError, ValueError, av.error.FFmpegError) as error:
                missing.append(
                    {"clip_id": clip_id, "uri": clip["uri"], "reason": " ".join(str(error).split())}
                )
                continue
            qa = [{key: row[key] for key in ("id", *KEYS[shard.tier])} for row in own]
            sample = {"clip_id": clip_id, "video": own[0]["video"], "source": clip["source"], "qa": qa}
            _add(archive, own[0]["video"], data)
            _add(archive, f"{clip_id}.json", _json(sample).encode())
            rows += own
    if not rows:
        tar.unlink()
        return Written(shard.tier, [], missing)
    _parquet([row | _columns(row) for row in rows], PARQUET[shard.tier], parquet)
    root = Path(shard.folder)
    return Written(shard.tier, [_file(root, tar, len(rows)), _file(root, parquet, len(rows))], missing)


def _bytes(clip: Row) -> bytes:
    if clip["start_s"] is None and clip["end_s"] is None:
        return read_bytes(clip["uri"])
    return cut(clip["uri"], clip["start_s"], clip["end_s"])


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """A member with mode 0644, owner 0 and the time 0, so that the same content is the same tar."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _columns(row: Row) -> Row:
    messages = [("user", row["question"]), ("assistant", row.get("answer"))]
    return {
        "prompt": row["question"],
        "messages": [{"role": role, "content": text} for role, text in messages],
    }


def _llava(row: Row) -> Row:
    """LLaVA's form, as Qwen2-VL-Finetune reads it."""
    prompt = f"<video>\n{row['question']}"
    head = {"id": row["id"], "video": row["video"]}
    if "chosen" in row:
        return head | {"prompt": prompt, "chosen": row["chosen"], "rejected": row["rejected"]}
    turns = [{"from": "human", "value": prompt}, {"from": "gpt", "value": row["answer"]}]
    return head | {"conversations": turns}


def _trl(row: Row) -> Row:
    """TRL's conversational form."""

    def message(role: str, text: str, *parts: Row) -> Row:
        return {"role": role, "content": [*parts, {"type": "text", "text": text}]}

    head = {"id": row["id"], "videos": [row["video"]]}
    prompt = message("user", row["question"], {"type": "video", "text": None})
    if "chosen" in row:
        sides = {side: [message("assistant", row[side])] for side in ("chosen", "rejected")}
        return head | {"prompt": [prompt]} | sides
    return head | {"messages": [prompt, message("assistant", row["answer"])]}


def _parquet(rows: Sequence[Row], schema: pa.Schema, path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path, compression="zstd")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _file(root: Path, path: Path, rows: int) -> Row:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "path": str(path.relative_to(root)),
        "rows": rows,
        "bytes": path.stat().st_size,
        "sha256": digest,
    }


def _versions() -> dict[str, str]:
    """Of the packages that the bytes depend on; one that runs from a checkout has none."""
    found = {}
    for name in ("motionsight-distill", "pyarrow", "av"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _card(
    rows: Mapping[tuple[Tier, Split], Sequence[Row]],
    clips: Mapping[str, Row],
    missing: Sequence[Row],
    models: Sequence[str],
    config: SplitConfig,
) -> str:
    """The dataset card: a Hugging Face YAML header and what a reader asks first."""
    total = sum(len(part) for part in rows.values())
    configs = [
        {
            "config_name": tier,
            "data_files": [
                {"split": split, "path": f"{tier}/{split}-*.parquet"}
                for split in SPLITS
                if (tier, split) in rows
            ],
        }
        for tier in TIERS
        if any((tier, split) in rows for split in SPLITS)
    ]
    header = {
        "pretty_name": config.name,
        "license": config.license,
        "language": ["en"],
        "task_categories": ["video-text-to-text"],
        "tags": ["video", "motion", "camera-motion", "preference"],
        "size_categories": [next((name for limit, name in SIZES if total < limit), "10M<n<100M")],
        "configs": configs,
    }
    used = {row["clip_id"] for part in rows.values() for row in part}
    sources = Counter(clips[clip_id]["source"] or "unknown" for clip_id in used)
    counts = _table(
        ("tier", "split", "clips", "rows"),
        [(tier, split, len(set(map(_clip_id, part))), len(part)) for (tier, split), part in rows.items()],
    )
    licences = _table(
        ("source", "clips", "licence of the videos"),
        [(name, count, config.licences.get(name, "unknown")) for name, count in sorted(sources.items())],
    )
    return CARD.format(
        header=yaml.safe_dump(header, sort_keys=False, allow_unicode=True),
        name=config.name,
        counts=counts,
        licences=licences,
        models=", ".join(f"`{name}`" for name in models) or "none",
        seed=config.seed,
        missing=f"{len(missing)} clips are left out: their videos could not be read (manifest.json).\n"
        * bool(missing),
    )


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "".join(
        "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in line) + " |\n"
        for line in lines
    )


SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
)

CARD = """\
---
{header}---
# {name}

Questions and answers about motion in video, of objects and of the camera, distilled with MotionSight
([arXiv 2506.01674](https://arxiv.org/abs/2506.01674)).

{counts}
- `sft`: instruction data, `answer` to `question`. `dpo`: preference data, `chosen` over `rejected`; the
  rejected answer was given without MotionSight's visual prompts. `chosen_source` is `human`, or
  `motion_check`: the measured motion supports the chosen answer and not the rejected one.
- All clips of one source video are in one split, chosen by a hash of the video and the seed ({seed}).
{missing}
## Use

```python
from datasets import load_dataset

sft = load_dataset("path/to/this/folder", "sft")
```

| files | for |
| --- | --- |
| `sft/*.parquet`, `dpo/*.parquet` | datasets, pandas, DuckDB |
| `sft/*.tar`, `dpo/*.tar` | WebDataset, a JSON of its rows beside each video; extract them for the rest |
| `llava/*.json` | Qwen2-VL-Finetune; without a split in the name: train |
| `trl/*.parquet` | TRL, conversational |

## How it was made

Clips were scored (technical quality, optical flow, camera motion), filtered, questioned, and answered by an
MLLM that saw the frames with visual prompts: a spotlight on what moves, motion blur for the camera. Answers
whose claims the measurements contradict were dropped. Settings, versions and checksums: `manifest.json`.
Models: {models}.

## Licences

{licences}"""
