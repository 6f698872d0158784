"""The dataset card: a Hugging Face YAML header and what a reader asks first."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import yaml

from stages.split.files import own_path
from stages.split.format import Format
from stages.split.schema import SPLITS, TIERS, Row, Split, Tier
from stages.split.settings import SplitConfig

# The size categories of the Hugging Face Hub: rows below, name.
SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
)


def card(
    parts: Mapping[tuple[Tier, Split], Sequence[Row]],
    clips: Mapping[str, Row],
    missing: Sequence[Row],
    models: Sequence[str],
    formats: Sequence[Format],
    config: SplitConfig,
) -> str:
    """Write the text of `README.md`.

    Args:
        parts: The dataset's rows by tier and split.
        clips: The plan's rows of the clips, by clip_id.
        missing: The clips whose video could not be read.
        models: Name and version of each backend.
        formats: The trainers' formats that the dataset has.
        config: Title, seed and licenses.
    """
    used = {row["clip_id"] for part in parts.values() for row in part}
    sources = Counter(clips[clip_id]["source"] or "unknown" for clip_id in used)
    counts = [
        (tier, split, len({row["clip_id"] for row in part}), len(part))
        for (tier, split), part in parts.items()
    ]
    licenses = [
        (name, count, config.source_licenses.get(name, "unknown")) for name, count in sorted(sources.items())
    ]
    files = [
        ("`sft/*.parquet`, `dpo/*.parquet`", "`datasets`, pandas, DuckDB"),
        (
            "`sft/*.tar`, `dpo/*.tar`",
            "WebDataset: each video with a JSON file of its rows; extract them to get the videos as files",
        ),
        (
            "`index/*.parquet`",
            "the byte offsets of each clip in the tars, to read one clip without the others",
        ),
        *((f"`{format.folder}/`", format.purpose) for format in formats),
    ]
    return CARD.format(
        header=yaml.safe_dump(_header(parts, config), sort_keys=False, allow_unicode=True),
        name=config.name,
        counts=_table(("tier", "split", "clips", "rows"), counts),
        seed=config.seed,
        missing=_left_out(len(missing)),
        files=_table(("files", "for"), files),
        models=", ".join(f"`{name}`" for name in models) or "none",
        licenses=_table(("source", "clips", "license of the videos"), licenses),
    )


def pinned(text: str, paths: Sequence[str]) -> str:
    """Write a card that names each file instead of giving patterns.

    Args:
        text: The card.
        paths: Where the files of the dataset are; those that are staged match as if they were not.
    """
    _, header, body = text.split("---\n", 2)
    facts = yaml.safe_load(header)
    for part in itertools.chain.from_iterable(each["data_files"] for each in facts["configs"]):
        part["path"] = [path for path in paths if fnmatchcase(own_path(path), part["path"])]
    return f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)}---\n{body}"


def _header(parts: Mapping[tuple[Tier, Split], Sequence[Row]], config: SplitConfig) -> Row:
    """The metadata that the Hugging Face Hub reads, with a config for each tier that has rows."""
    total = sum(len(part) for part in parts.values())
    configs = []
    for tier in TIERS:
        splits = [split for split in SPLITS if (tier, split) in parts]
        files = [{"split": split, "path": f"{tier}/{split}-*.parquet"} for split in splits]
        if files:
            configs.append({"config_name": tier, "data_files": files})
    return {
        "pretty_name": config.name,
        "license": config.license,
        "language": ["en"],
        "task_categories": ["video-text-to-text"],
        "tags": ["video", "motion", "camera-motion", "preference"],
        "size_categories": [next((name for limit, name in SIZES if total < limit), "10M<n<100M")],
        "configs": configs,
    }


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


CARD = """\
---
{header}---
# {name}

Questions and answers about motion in video, both of objects and of the camera, distilled with MotionSight
([arXiv 2506.01674](https://arxiv.org/abs/2506.01674)).

{counts}
- `sft` is instruction data: a `question` and its `answer`.
- `dpo` is preference data: `chosen` is preferred to `rejected`, which was given without MotionSight's visual
  prompts.
  - `chosen_source` says who chose: `human`, or `motion_check` if the measured motion supports the chosen
    answer and not the rejected one.
  - `kind` is `motion` if the two answers differ in a claim about motion that can be checked, else `other`.
  - `verifier` says whether the measured motion `supports` or `contradicts` the choice, or `cannot_judge`.
- All clips of a source video are in the same split, which a hash of the video and the seed ({seed}) decides.
{missing}
## Use

```python
from datasets import load_dataset

sft = load_dataset("path/to/this/folder", "sft")
```

{files}
## How it was made

Clips were scored (technical quality, optical flow, camera motion) and filtered. An MLLM then answered
questions about them from frames with visual prompts: a spotlight on what moves, motion blur for the camera.
Answers whose claims contradict the measurements were dropped. Settings, versions and the checksum of every
file are in `manifest.json`.

Models: {models}.

## Licenses

{licenses}"""
