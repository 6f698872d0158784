"""Write the dataset folder: Parquet, WebDataset tars, files for trainers, a card and a manifest.

The same plan gives the same bytes: rows are sorted, tar headers fixed, nothing carries a date. Videos are
copied, never encoded again. The column `video` is the file's name in the tars, `{clip_id}.{suffix}`; the
files for trainers mean it as extracted from there.
"""

import contextlib
import hashlib
import io
import itertools
import json
import math
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import av.error
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from stages.split import formats
from stages.split.card import card
from stages.split.plan import SPLITS, TIERS, Plan, Split, SplitConfig, Tier, uniform
from stages.video.media import cut, read_bytes, suffix

FOLDERS = (*TIERS, "index", "llava", "llamafactory", "trl")
Row = dict[str, Any]


@dataclass(frozen=True)
class Shard:
    """One Parquet file, its tar and its index, which `write_shard` writes, in any process.

    folder: where to; store: where the files go from there, None: they stay. rows: out of the plan's sft or
    dpo table, in order. clips: the plan's rows of their clips, by clip_id. before: the folder and, by path,
    the manifest's entries of the files of the dataset that this one replaces.
    """

    folder: str
    store: str | None
    tier: Tier
    split: Split
    index: int
    count: int
    rows: Sequence[Row]
    clips: Mapping[str, Row]
    before: tuple[str, Mapping[str, Row]]

    @property
    def paths(self) -> tuple[str, str, str]:
        """Of the tar, the Parquet file and the index."""
        parquet = f"{self.split}-{self.index:05d}-of-{self.count:05d}.parquet"
        return (
            f"{self.tier}/{self.split}-{self.index:06d}.tar",
            f"{self.tier}/{parquet}",
            f"index/{self.tier}-{parquet}",
        )

    @property
    def key(self) -> str:
        """Equal for shards whose files are equal."""
        told = [self.rows, self.clips, sorted(_versions().items())]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Written:
    """What came of a shard. files: {path, rows, bytes, sha256, key}. missing: {clip_id, uri, reason}."""

    tier: Tier
    files: Sequence[Row]
    missing: Sequence[Row]


class ExportError(Exception):
    """The dataset cannot be made; the one before it, if any, is untouched."""


MapShards = Callable[[Callable[[Shard], Written], Sequence[Shard]], Iterable[Written]]


def publish(
    plan: Plan,
    folder: str,
    config: SplitConfig,
    about: Mapping[str, Any] | None = None,
    map_shards: MapShards = map,
) -> Row:
    """Write the dataset and put it in the place of the one at `folder`. Returns its manifest.

    folder: a local path, or a URI that pyarrow knows. about: what else the manifest is to say, such as
    settings; JSON-able, the same in every run. map_shards: applies `write_shard` to every shard, in any
    order, where `folder` can be written to. Files that would come out as they are are taken over.

    A local folder is made beside the old one as `.NAME.new`; then old becomes `.NAME.old`, new takes its
    name, and old is deleted. A run that dies between the two renames is repaired by the next one. In an
    object store the manifest goes first and comes last: a dataset without one is being written.
    Raises ExportError when no video at all can be read, OSError when the folder cannot be written.
    """
    if "://" in folder:
        return _publish_to_store(plan, folder.rstrip("/"), config, about or {}, map_shards)
    place = Path(folder)
    draft, old = (place.with_name(f".{place.name}.{kind}") for kind in ("new", "old"))
    if old.exists() and not place.exists():
        old.rename(place)
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        before = _files_of(place / "manifest.json")
        manifest = _write(plan, draft, config, about or {}, map_shards, None, (folder, before))
        (draft / "manifest.json").write_text(_json(manifest), encoding="utf-8")
        for version in versions(place):  # that live in the folder of the one without a name
            shutil.copytree(place / version, draft / version, copy_function=os.link)
        if place.exists():
            place.rename(old)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return manifest


def _publish_to_store(
    plan: Plan, store: str, config: SplitConfig, about: Mapping[str, Any], map_shards: MapShards
) -> Row:
    files, base = fs.FileSystem.from_uri(store)
    try:
        with files.open_input_stream(f"{base}/manifest.json") as stream:
            before = {file["path"]: file for file in json.load(stream)["files"]}
        files.delete_file(f"{base}/manifest.json")
    except FileNotFoundError:
        before = {}
    with tempfile.TemporaryDirectory(prefix="motionsight-") as draft:
        manifest = _write(plan, Path(draft), config, about, map_shards, store, (store, before))
        kept = {f"{base}/{file['path']}" for file in manifest["files"]}
        for folder in FOLDERS:
            there = files.get_file_info(fs.FileSelector(f"{base}/{folder}", allow_not_found=True))
            for info in there:
                if info.is_file and info.path not in kept:
                    files.delete_file(info.path)
        Path(draft, "manifest.json").write_text(_json(manifest), encoding="utf-8")
        _upload(Path(draft), ["manifest.json"], store)
    return manifest


def versions(place: Path) -> list[str]:
    """The names of the datasets that live inside a dataset's folder."""
    return sorted(path.parent.name for path in place.glob("*/manifest.json"))


def _files_of(manifest: Path) -> dict[str, Row]:
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):  # damaged: nothing is taken over
        return {file["path"]: file for file in json.loads(manifest.read_text(encoding="utf-8"))["files"]}
    return {}


def _upload(folder: Path, paths: Iterable[str], store: str) -> None:
    for path in paths:
        fs.copy_files(str(folder / path), f"{store}/{path}")


def _write(
    plan: Plan,
    folder: Path,
    config: SplitConfig,
    about: Mapping[str, Any],
    map_shards: MapShards,
    store: str | None,
    before: tuple[str, Mapping[str, Row]],
) -> Row:
    """Write all but the manifest, which is returned."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    used = plan.clips.filter(pc.is_in(plan.clips["state"], pa.array(TIERS)))
    clips = {clip["clip_id"]: clip for clip in used.to_pylist()}
    planned = {
        tier: [row | _video(clips[row["clip_id"]]) for row in getattr(plan, tier).to_pylist()]
        for tier in TIERS
    }
    shards = list(_shards(planned, clips, config, str(folder), store, before))
    written = list(map_shards(write_shard, shards))

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

    others: list[Row] = []

    def told(path: str, text: str, count: int = 0) -> None:
        (folder / path).write_text(text, encoding="utf-8")
        others.append(_file(folder, path, count))

    sharegpt = {}
    for (tier, split), part in rows.items():
        name = tier if split == "train" else f"{tier}-{split}"
        told(f"llava/{name}.json", _json([formats.llava(row) for row in part]), len(part))
        sharegpt[f"{tier}-{split}"] = f"{tier}-{split}.json"
        told(f"llamafactory/{tier}-{split}.json", _json([formats.sharegpt(row) for row in part]), len(part))
        trl = f"trl/{tier}-{split}.parquet"
        _parquet([formats.trl(row) for row in part], formats.TRL[tier], folder / trl)
        others.append(_file(folder, trl, len(part)))
    told("llamafactory/dataset_info.json", _json(formats.dataset_info(sharegpt)))
    told("README.md", card(rows, clips, missing, plan.models, config))
    if store:
        _upload(folder, [file["path"] for file in others], store)
    files = [*(file for one in written for file in one.files), *others]
    return {
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


def _clip_id(row: Row) -> str:
    return row["clip_id"]


def _video(clip: Row) -> Row:
    """The video's file name in the dataset: a shot that is cut out becomes an MP4."""
    whole = clip["start_s"] is None and clip["end_s"] is None
    return {"video": f"{clip['clip_id']}.{suffix(clip['uri']) if whole else 'mp4'}"}


def _shards(
    planned: Mapping[Tier, Sequence[Row]],
    clips: Mapping[str, Row],
    config: SplitConfig,
    folder: str,
    store: str | None,
    before: tuple[str, Mapping[str, Row]],
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
                shard = Shard(folder, store, tier, split, index, count, part, own, (before[0], {}))
                known = {path: before[1][path] for path in shard.paths if path in before[1]}
                yield replace(shard, before=(before[0], known))


def write_shard(shard: Shard) -> Written:
    """Write the tar, the Parquet file and the index of a shard. A clip whose video cannot be had is in none.

    Files that the dataset before has just so are taken over. A shard without a row has no files: readers
    stumble over empty ones. Raises OSError when the folder cannot be written.
    """
    key = shard.key
    taken = _taken_over(shard, key)
    if taken:
        return Written(shard.tier, taken, [])
    root = Path(shard.folder)
    if shard.store:  # a place of its own: the worker need not be where the driver is
        with tempfile.TemporaryDirectory(prefix="motionsight-") as scratch:
            for name in FOLDERS:
                Path(scratch, name).mkdir()
            written = _written(shard, Path(scratch), key)
            _upload(Path(scratch), [file["path"] for file in written.files], shard.store)
            return written
    return _written(shard, root, key)


def _taken_over(shard: Shard, key: str) -> list[Row]:
    """The entries of the shard's files when the dataset before has them all and they are now in this one."""
    place, known = shard.before
    files = [known.get(path, {}) for path in shard.paths]
    if not all(file.get("key") == key for file in files):
        return []
    if not shard.store:
        try:
            for path in shard.paths:
                if Path(place, path).stat().st_size != known[path]["bytes"]:
                    raise OSError(f"{path} is not as it was written")
                os.link(Path(place, path), Path(shard.folder, path))
        except OSError:  # gone, damaged, or a file system without links
            for path in shard.paths:
                Path(shard.folder, path).unlink(missing_ok=True)
            return []
    return files


def _written(shard: Shard, root: Path, key: str) -> Written:
    tar, parquet, index = shard.paths
    rows: list[Row] = []
    places: list[Row] = []
    missing: list[Row] = []
    with tarfile.open(root / tar, "w") as archive:
        for clip_id, group in itertools.groupby(shard.rows, _clip_id):
            clip, own = shard.clips[clip_id], list(group)
            try:
                data = _bytes(clip)
            except (OSError, ValueError, av.error.FFmpegError) as error:
                missing.append(
                    {"clip_id": clip_id, "uri": clip["uri"], "reason": " ".join(str(error).split())}
                )
                continue
            video = own[0]["video"]
            qa = [{key: row[key] for key in ("id", *formats.KEYS[shard.tier])} for row in own]
            sample = {"clip_id": clip_id, "video": video, "source": clip["source"], "qa": qa}
            offset, size = _add(archive, video, data)
            json_offset, json_size = _add(archive, f"{clip_id}.json", _json(sample).encode())
            places.append(
                {"tier": shard.tier, "split": shard.split, "clip_id": clip_id, "tar": tar, "video": video}
                | {"offset": offset, "size": size, "json_offset": json_offset, "json_size": json_size}
            )
            rows += own
    if not rows:
        (root / tar).unlink()
        return Written(shard.tier, [], missing)
    _parquet([formats.parquet(row) for row in rows], formats.PARQUET[shard.tier], root / parquet)
    _parquet(places, formats.INDEX, root / index)
    # What lacks a clip is made anew the next time, as it may be there again, and so is what nobody hashed.
    sure = not missing and all(clip["sha256"] for clip in shard.clips.values())
    keyed = {"key": key} if sure else {}
    counts = {tar: len(rows), parquet: len(rows), index: len(places)}
    files = [_file(root, path, count) | keyed for path, count in counts.items()]
    return Written(shard.tier, files, missing)


def _bytes(clip: Row) -> bytes:
    if clip["start_s"] is None and clip["end_s"] is None:
        return read_bytes(clip["uri"])
    return cut(clip["uri"], clip["start_s"], clip["end_s"])


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> tuple[int, int]:
    """A member with mode 0644, owner 0 and the time 0, so that the same content is the same tar.

    Returns where its bytes begin in the tar, and how many they are.
    """
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
    return archive.offset - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE, len(data)


def _parquet(rows: Sequence[Row], schema: pa.Schema, path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path, compression="zstd")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _file(root: Path, path: str, rows: int) -> Row:
    with (root / path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": path, "rows": rows, "bytes": (root / path).stat().st_size, "sha256": digest}


def _versions() -> dict[str, str]:
    """Of the packages that the bytes depend on; one that runs from a checkout has none."""
    found = {}
    for name in ("motionsight-distill", "pyarrow", "av"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
