"""Write a dataset and put it in the place of the one before.

The same plan gives the same bytes: rows are sorted, tar headers fixed, nothing carries a date. The column
`video` is the file's name in the tars, `{clip_id}.{suffix}`; the files for trainers name it as extracted
from there.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.durable import sync, sync_tree
from pipeline.workspace import normal
from stages.split.card import card
from stages.split.files import entry, link, to_json, upload
from stages.split.format import FORMATS, Format
from stages.split.plan import DatasetPlan
from stages.split.preview import FOLDER as PREVIEW_FOLDER
from stages.split.preview import write_preview
from stages.split.schema import SPLITS, TIERS, Row, Split, Tier
from stages.split.settings import SplitConfig
from stages.split.shards import (
    INDEX_FOLDER,
    Shard,
    Target,
    Written,
    package_versions,
    shards_of,
    video_name,
    write_shard,
)
from stages.split.staging import StoredDataset

MapShards = Callable[[Callable[[Shard], Written], Sequence[Shard]], Iterable[Written]]


class ExportError(Exception):
    """The dataset cannot be made; the one before it, if any, is untouched."""


def folders() -> tuple[str, ...]:
    """Return the names of all the folders that a dataset can have."""
    return (*TIERS, INDEX_FOLDER, PREVIEW_FOLDER, *(kind.folder for kind in FORMATS))


def publish(
    plan: DatasetPlan,
    folder: str,
    config: SplitConfig,
    about: Mapping[str, Any] | None = None,
    map_shards: MapShards = map,
) -> Row:
    """Write the dataset and replace the one at `folder`.

    Files whose content would be the same are taken over from the dataset before.

    A local dataset is written beside the old one as `.NAME.new`; then the old one becomes `.NAME.old`, the
    new one takes its name, and the old one is deleted. In an object store `StoredDataset` replaces it. What a
    run that died has left behind is repaired first.

    Args:
        plan: What the dataset holds.
        folder: A local path, or a URI that pyarrow knows.
        config: Sizes of shards, formats, names and licenses.
        about: Further keys of the manifest, such as settings: JSON-able, and the same in every run.
        map_shards: Applies `write_shard` to every shard, in any order, where `folder` can be written to.

    Returns:
        The manifest.

    Raises:
        ExportError: No video at all can be read.
        OSError: The folder cannot be written.
    """
    folder = normal(folder).rstrip("/")
    recover(folder)
    if "://" in folder:
        return _publish_to_store(plan, folder, config, about or {}, map_shards)
    place, draft, old = _places(folder)
    try:
        target = Target(str(draft), None, folder, _entries(place / "manifest.json"))
        manifest = _write(plan, target, config, about or {}, map_shards)
        (draft / "manifest.json").write_bytes(to_json(manifest))
        for version in place.glob("*/manifest.json"):  # named versions live in the folder of the unnamed one
            name = version.parent.name
            shutil.copytree(place / name, draft / name, copy_function=link)
        sync_tree(draft)
        if place.exists():
            place.rename(old)
        draft.rename(place)
        sync(place.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return manifest


def recover(folder: str) -> None:
    """Repair what a publication that was interrupted has left, so that the dataset is the old or the new one.

    Args:
        folder: A local path, or a URI that pyarrow knows.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = normal(folder)
    if "://" in folder:
        StoredDataset(folder).settle(folders())
        return
    place, draft, old = _places(folder)
    if old.exists() and not place.exists():
        old.rename(place)
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)


def _places(folder: str) -> tuple[Path, Path, Path]:
    """Return where a local dataset is, where the next one is written, and where it goes when replaced."""
    place = Path(folder)
    return place, place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")


def _publish_to_store(
    plan: DatasetPlan, folder: str, config: SplitConfig, about: Mapping[str, Any], map_shards: MapShards
) -> Row:
    dataset = StoredDataset(folder)
    known = {file["path"]: file for file in dataset.manifest().get("files", [])}
    with tempfile.TemporaryDirectory(prefix="motionsight-") as draft:
        target = Target(draft, dataset.staging, folder, known)
        manifest = _write(plan, target, config, about, map_shards)
    dataset.replace(manifest, known, folders())
    return manifest


def _entries(manifest: Path) -> dict[str, Row]:
    """Read the entries of a manifest by path; none if it is missing or damaged."""
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        return {file["path"]: file for file in json.loads(manifest.read_bytes())["files"]}
    return {}


def _write(
    plan: DatasetPlan, target: Target, config: SplitConfig, about: Mapping[str, Any], map_shards: MapShards
) -> Row:
    """Write all files but the manifest, which is returned."""
    folder = Path(target.folder)
    formats = [kind() for kind in FORMATS if config.formats is None or kind.name in config.formats]
    for name in (*TIERS, INDEX_FOLDER, PREVIEW_FOLDER, *(format.folder for format in formats)):
        (folder / name).mkdir(parents=True, exist_ok=True)
    used = plan.clips.filter(pc.is_in(plan.clips["state"], pa.array(TIERS)))
    clips = {clip["clip_id"]: clip for clip in used.to_pylist()}
    planned: dict[Tier, list[Row]] = {
        tier: [row | {"video": video_name(clips[row["clip_id"]])} for row in getattr(plan, tier).to_pylist()]
        for tier in TIERS
    }
    written = list(map_shards(write_shard, list(shards_of(planned, clips, config, target))))

    by_clip = {clip["clip_id"]: clip for shard in written for clip in shard.missing}
    missing = [clip for _, clip in sorted(by_clip.items())]
    parts = _parts(planned, written)
    if missing and not parts:
        raise ExportError(f"no video of the dataset can be read; the first: {missing[0]['reason']}")
    others = list(_write_formats(formats, parts, folder))
    others += (preview := write_preview(target, written, parts, config.preview_mb))
    previewed = [split for split in SPLITS if any(f"/{split}-" in file["path"] for file in preview)]
    texts = card(plan, parts, missing, formats, config, previewed)
    others += [_save(folder, path, content) for path, content in texts.items()]
    if target.store:
        upload(folder, [file["path"] for file in others], target.store)
    files = [*(file for shard in written for file in shard.files), *others]
    return {
        "name": config.title,
        "seed": config.seed,
        "versions": package_versions(),
        "models": list(plan.models),
        **about,
        "rows": {tier: {split: len(parts.get((tier, split), ())) for split in SPLITS} for tier in TIERS},
        "missing": missing,
        "warnings": list(plan.warnings),
        "files": sorted(files, key=lambda file: file["path"]),
    }


def _parts(
    planned: Mapping[Tier, Sequence[Row]], written: Iterable[Written]
) -> dict[tuple[Tier, Split], list[Row]]:
    """Group the rows whose video was written by tier and split; groups without rows are left out."""
    gone = {(shard.tier, clip["clip_id"]) for shard in written for clip in shard.missing}
    parts: dict[tuple[Tier, Split], list[Row]] = {
        (tier, split): [
            row for row in planned[tier] if row["split"] == split and (tier, row["clip_id"]) not in gone
        ]
        for tier in TIERS
        for split in SPLITS
    }
    return {key: rows for key, rows in parts.items() if rows}


def _write_formats(
    formats: Iterable[Format], parts: Mapping[tuple[Tier, Split], Sequence[Row]], folder: Path
) -> Iterator[Row]:
    for format in formats:
        for (tier, split), rows in parts.items():
            for name, content in format.files(tier, split, rows).items():
                yield _save(folder, f"{format.folder}/{name}", content, len(rows))
        for name, content in format.shared_files(list(parts)).items():
            yield _save(folder, f"{format.folder}/{name}", content)


def _save(folder: Path, path: str, content: bytes, rows: int = 0) -> Row:
    (folder / path).write_bytes(content)
    return entry(folder, path, rows)
