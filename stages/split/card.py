"""The dataset card: a Hugging Face YAML header and what a reader asks first."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from stages.split.plan import SPLITS, TIERS, Split, SplitConfig, Tier

Row = dict[str, Any]
SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
)


def card(
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
        [
            (tier, split, len({row["clip_id"] for row in part}), len(part))
            for (tier, split), part in rows.items()
        ],
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


CARD = """\
---
{header}---
# {name}

Questions and answers about motion in video, of objects and of the camera, distilled with MotionSight
([arXiv 2506.01674](https://arxiv.org/abs/2506.01674)).

{counts}
- `sft`: instruction data, `answer` to `question`. `dpo`: preference data, `chosen` over `rejected`; the
  rejected answer was given without MotionSight's visual prompts. `chosen_source` is `human`, or
  `motion_check`: the measured motion supports the chosen answer and not the rejected one. `kind` is `motion`
  where the two differ in a claim about motion that can be checked, else `other`; `verifier` says whether the
  measurements support the choice: `supports`, `contradicts` or `cannot_judge`.
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
| `index/*.parquet` | where each clip's files lie in the tars, to read one without the others |
| `llava/*.json` | Qwen2-VL-Finetune; without a split in the name: train |
| `llamafactory/*.json` | LLaMA-Factory, with its `dataset_info.json` |
| `trl/*.parquet` | TRL, conversational |

## How it was made

Clips were scored (technical quality, optical flow, camera motion), filtered, questioned, and answered by an
MLLM that saw the frames with visual prompts: a spotlight on what moves, motion blur for the camera. Answers
whose claims the measurements contradict were dropped. Settings, versions and checksums: `manifest.json`.
Models: {models}.

## Licences

{licences}"""
