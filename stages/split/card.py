"""The dataset card: a Hugging Face YAML header and what a reader asks first."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
import yaml

from stages.split.files import own_path, to_json
from stages.split.format import Format
from stages.split.making import limits, making
from stages.split.motion import Panel, panels, picture
from stages.split.plan import DatasetPlan
from stages.split.preview import FOLDER
from stages.split.schema import MEANINGS, PARQUET, SPLITS, TIERS, Row, Split, Tier
from stages.split.settings import SplitConfig
from stages.split.shards import as_stored, package_versions

CARD_PATH, PICTURE = "README.md", "motion.svg"

# The size categories of the Hugging Face Hub: rows below, name.
SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
)


def card(
    plan: DatasetPlan,
    parts: Mapping[tuple[Tier, Split], Sequence[Row]],
    missing: Sequence[Row],
    formats: Sequence[Format],
    config: SplitConfig,
    previewed: Sequence[Split],
) -> dict[str, bytes]:
    """Write the card and its picture.

    Args:
        plan: What the dataset holds, and why the rest is not in it.
        parts: The dataset's rows by tier and split.
        missing: The clips whose video could not be read.
        formats: The trainers' formats that the dataset has.
        config: Title, seed and licenses.
        previewed: The splits that have a preview.

    Returns:
        Contents by path.
    """
    title = " ".join(config.title.split())
    ids = {row["clip_id"] for part in parts.values() for row in part}
    sources = Counter(
        source or "unknown" for clip_id, source in _pairs(plan.clips, "clip_id", "source") if clip_id in ids
    )
    counts = [
        (tier, split, len({row["clip_id"] for row in part}), len(part))
        for (tier, split), part in parts.items()
    ]
    licenses = [
        (name, count, config.source_licenses.get(name, "unknown")) for name, count in sorted(sources.items())
    ]
    charts = panels(plan.motion, parts)
    text = CARD.format(
        header=yaml.safe_dump(_header(parts, config, title, previewed), sort_keys=False, allow_unicode=True),
        title=title,
        counts=_table(("tier", "split", "clips", "rows"), counts),
        seed=config.seed,
        missing=_left_out(len(missing)),
        default=_default(parts),
        preview=PREVIEW_USE if previewed else "",
        files=_table(("files", "for"), _files(formats, previewed)),
        columns=_columns(),
        examples=_examples(parts),
        picture=PICTURE,
        motion=_table(("", "counts"), [(chart.title, _counted(chart)) for chart in charts]),
        making=making(plan, parts),
        limits=limits(plan, parts),
        licenses=_table(("source", "clips", "license of the videos"), licenses),
        citation=_citation(title),
    )
    return {CARD_PATH: text.encode(), PICTURE: picture(charts).encode()}


def pinned(text: str, paths: Sequence[str]) -> str:
    """Write a card that names each file instead of giving patterns.

    Args:
        text: The card.
        paths: Where the files of the dataset are; those that are staged match as if they were not.
    """
    header, body = text.removeprefix("---\n").split("\n---\n", 1)
    facts = yaml.safe_load(header)
    for part in itertools.chain.from_iterable(each["data_files"] for each in facts["configs"]):
        part["path"] = [path for path in paths if fnmatchcase(own_path(path), part["path"])]
    return f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)}---\n{body}"


def _default(parts: Mapping[tuple[Tier, Split], Sequence[Row]]) -> Tier:
    """The tier that is loaded when none is named."""
    return "sft" if any(tier == "sft" for tier, _ in parts) else "dpo"


def _header(
    parts: Mapping[tuple[Tier, Split], Sequence[Row]],
    config: SplitConfig,
    title: str,
    previewed: Sequence[Split],
) -> Row:
    """The metadata that the Hugging Face Hub reads, with a config for each tier that has rows."""
    total = sum(len(part) for part in parts.values())
    folders = {tier: [split for split in SPLITS if (tier, split) in parts] for tier in TIERS}
    configs = []
    for folder, splits in (*folders.items(), (FOLDER, previewed)):
        files = [{"split": split, "path": f"{folder}/{split}-*.parquet"} for split in splits]
        default = {"default": True} if folder == _default(parts) else {}
        if files:
            configs.append({"config_name": folder, **default, "data_files": files})
    return {
        "pretty_name": title,
        "license": config.license,
        "language": ["en"],
        "task_categories": ["video-text-to-text"],
        "tags": ["video", "motion", "camera-motion", "preference"],
        "size_categories": [next((name for limit, name in SIZES if total < limit), "10M<n<100M")],
        "configs": configs,
    }


def _files(formats: Sequence[Format], previewed: Sequence[Split]) -> list[tuple[str, str]]:
    """Paths, and what is in them."""
    preview = ("`preview/*.parquet`", "a few clips with their videos, one a row, for viewers")
    return [
        ("`sft/*.parquet`, `dpo/*.parquet`", "`datasets`, pandas, DuckDB"),
        (
            "`sft/*.tar`, `dpo/*.tar`",
            "WebDataset: each video with a JSON file of its rows; extract them to get the videos as files",
        ),
        (
            "`index/*.parquet`",
            "the byte offsets of each clip in the tars, to read one clip without the others",
        ),
        *([preview] if previewed else []),
        *((f"`{format.folder}/`", format.purpose) for format in formats),
    ]


def _columns() -> str:
    """The columns of both tiers, from the schema that the files are written with."""
    fields = {field.name: field for tier in TIERS for field in PARQUET[tier]}
    return _table(
        ("column", *TIERS, "type", "meaning"),
        [
            (
                f"`{name}`",
                *("yes" if name in PARQUET[tier].names else "" for tier in TIERS),
                f"`{field.type}`".replace("element: ", "").replace("item: ", ""),
                MEANINGS[name],
            )
            for name, field in fields.items()
        ],
    )


def _examples(parts: Mapping[tuple[Tier, Split], Sequence[Row]]) -> str:
    """The first row of each tier."""
    first = {tier: part[0] for (tier, _), part in reversed(list(parts.items())) if part}
    blocks = [
        f"`{tier}`:\n\n```json\n{to_json(as_stored(tier, first[tier])).decode()}```\n"
        for tier in TIERS
        if tier in first
    ]
    return "\n".join(blocks)


def _counted(chart: Panel) -> str:
    return ", ".join(f"{name}: {count}" for name, count in chart.counts.items()) or "none"


def _citation(title: str) -> str:
    version = package_versions().get("motionsight-distill", "")
    return f"""\
@inproceedings{{motionsight,
  title     = {{MotionSight: Boosting Fine-Grained Motion Understanding in Multimodal LLMs}},
  author    = {{Du, Yipeng and Fan, Tiehan and Nan, Kepan and Xie, Rui and Zhou, Penghao and Li, Xiang and
               Yang, Jian and Yang, Zhenheng and Tai, Ying}},
  booktitle = {{International Conference on Learning Representations}},
  year      = {{2026}}
}}
@misc{{motionsight_distill,
  title     = {{{{motionsight-distill}}}},
  note      = {{Version {version}, by which this dataset was made}}
}}"""


def _pairs(table: pa.Table, one: str, other: str) -> Iterator[tuple[Any, Any]]:
    yield from zip(table[one].to_pylist(), table[other].to_pylist(), strict=True)


def _left_out(count: int) -> str:
    if not count:
        return ""
    clips = "1 clip is" if count == 1 else f"{count} clips are"
    return f"- {clips} left out because the video could not be read; see `missing` in `manifest.json`.\n"


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "".join(
        "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in line) + " |\n"
        for line in lines
    )


PREVIEW_USE = """
The config `preview` has a few of the clips with their videos; choose it in the dataset viewer to play them.
"""

CARD = """\
---
{header}---
# {title}

Questions and answers about motion in video, both of objects and of the camera.

{counts}
All clips of a source video are in the same split, which a hash of the video and the seed ({seed}) decides.
{missing}
## Use

```python
from datasets import load_dataset

rows = load_dataset("path/to/this/folder")  # {default}; for the other tier, name it: sft or dpo
```

- `sft` is instruction data: a `question` and its `answer`.
- `dpo` is preference data: `chosen` is preferred to `rejected`.
{preview}
{files}
## Columns

{columns}
### Examples

{examples}
## Motion

![How the clips move]({picture})

{motion}
## How it was made

{making}

Settings, versions and the checksum of every file are in `manifest.json`.

## Limits

{limits}

## Licenses

{licenses}
## Citation

```bibtex
{citation}
```
"""
