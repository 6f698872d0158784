"""The dataset itself: Parquet files, each with a WebDataset tar of the videos and an index into the tar.

Videos are copied; a shot is encoded again only where it cannot be cut out without loss. Which shard a row is
in follows from its clip and the number of shards alone.
"""

import contextlib
import hashlib
import itertools
import json
import math
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import av.error

from pipeline.errors import ClipError
from stages.split.files import entry, link, to_json, to_parquet, upload
from stages.split.schema import INDEX, PARQUET, QA_COLUMNS, SPLITS, TIERS, Row, Split, Tier
from stages.split.settings import SplitConfig
from stages.split.splits import uniform
from stages.video.cut import Cut, cut
from stages.video.media import read_bytes, suffix
from stages.video.source import locate

if TYPE_CHECKING:
    from webdataset import TarWriter

INDEX_FOLDER = "index"


@dataclass(frozen=True)
class Target:
    """Where a dataset is written, and the dataset that it replaces.

    Attributes:
        folder: Local folder to write to.
        store: URI of the folder in an object store that the files are then uploaded to; None: they stay.
        before: Folder or URI of the dataset that this one replaces.
        known: The entries of its manifest, by path.
    """

    folder: str
    store: str | None
    before: str
    known: Mapping[str, Row]


@dataclass(frozen=True)
class Shard:
    """What `write_shard` needs to write one Parquet file with its tar and its index, in any process.

    Attributes:
        target: Where to; `known` has the shard's own paths only.
        tier: Which columns the rows have.
        split: The split that all the rows are in.
        index: Number of the shard in its tier and split, from 0.
        count: How many shards its tier and split has.
        rows: Rows of the plan with their `video`, in order, those of a clip together.
        clips: The plan's rows of their clips, by clip_id.
    """

    target: Target
    tier: Tier
    split: Split
    index: int
    count: int
    rows: Sequence[Row]
    clips: Mapping[str, Row]

    @property
    def tar(self) -> str:
        """Path of the tar in the dataset."""
        return f"{self.tier}/{self.split}-{self.index:06d}.tar"

    @property
    def parquet(self) -> str:
        """Path of the Parquet file in the dataset."""
        return f"{self.tier}/{self._name}"

    @property
    def places(self) -> str:
        """Path of the index in the dataset."""
        return f"{INDEX_FOLDER}/{self.tier}-{self._name}"

    @property
    def _name(self) -> str:
        return f"{self.split}-{self.index:05d}-of-{self.count:05d}.parquet"

    @property
    def paths(self) -> tuple[str, str, str]:
        """Paths of the tar, the Parquet file and the index."""
        return self.tar, self.parquet, self.places

    @property
    def key(self) -> str:
        """Hash of all that the contents of the files depend on."""
        content = [self.rows, self.clips, sorted(package_versions().items())]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Written:
    """What came of a shard.

    Attributes:
        tier: The shard's tier.
        files: Entries for the manifest: {path, rows, bytes, sha256}, if the same shard would give the same
            files again, its key, and of a tar the clip_ids of the shots in it that were encoded again.
        missing: Clips whose video could not be read: {clip_id, uri, reason}.
    """

    tier: Tier
    files: Sequence[Row]
    missing: Sequence[Row]


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that the bytes depend on, as far as they are installed."""
    found = {}
    for name in ("motionsight-distill", "pyarrow", "av"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def video_name(clip: Row) -> str:
    """Name a clip's video in the dataset; a shot that is cut out of a longer video becomes an MP4."""
    return f"{clip['clip_id']}.{suffix(clip['uri']) if _is_whole(clip) else 'mp4'}"


def shards_of(
    rows: Mapping[Tier, Sequence[Row]], clips: Mapping[str, Row], config: SplitConfig, target: Target
) -> Iterator[Shard]:
    """Distribute the rows over shards.

    Args:
        rows: Rows of the plan with their `video`, by tier.
        clips: The plan's rows of their clips, by clip_id.
        config: Says how many shards.
        target: Where they are written.

    Yields:
        Every shard of every tier and split that has rows, including shards that the hash left empty.
    """
    for tier, split in itertools.product(TIERS, SPLITS):
        own = [row for row in rows[tier] if row["split"] == split]
        if not own:
            continue
        count = config.shards or math.ceil(len(own) / config.rows_per_shard)
        parts: list[list[Row]] = [[] for _ in range(count)]
        for row in own:
            parts[int(uniform(row["clip_id"]) * count)].append(row)
        for index, part in enumerate(parts):
            theirs = {row["clip_id"]: clips[row["clip_id"]] for row in part}
            shard = Shard(target, tier, split, index, count, part, theirs)
            known = {path: target.known[path] for path in shard.paths if path in target.known}
            yield replace(shard, target=replace(target, known=known))


def write_shard(shard: Shard) -> Written:
    """Write the tar, the Parquet file and the index of a shard, without the clips that cannot be read.

    Files that the dataset before has with the same content are taken over. A shard without a row has no
    files, as readers fail on empty ones.

    Raises:
        OSError: The folder cannot be written.
    """
    key = shard.key
    if taken := _taken_over(shard, key):
        return Written(shard.tier, taken, [])
    target = shard.target
    if not target.store:
        return _written(shard, Path(target.folder), key)
    # A folder of its own: the driver's need not exist on this machine.
    with tempfile.TemporaryDirectory(prefix="motionsight-") as scratch:
        for name in (shard.tier, INDEX_FOLDER):
            Path(scratch, name).mkdir()
        written = _written(shard, Path(scratch), key)
        upload(Path(scratch), [file["path"] for file in written.files], target.store)
        return written


def _taken_over(shard: Shard, key: str) -> list[Row]:
    """Link the shard's files from the dataset before, if it has them all; return their entries, or none."""
    target = shard.target
    files = [target.known.get(path, {}) for path in shard.paths]
    if not all(file.get("key") == key for file in files):
        return []
    if target.store:
        return files
    try:
        for file in files:
            old = Path(target.before, file["path"])
            if old.stat().st_size != file["bytes"]:
                raise OSError(f"{old} has changed since it was written")
            link(old, Path(target.folder, file["path"]))
    except OSError:  # missing or damaged
        for path in shard.paths:
            Path(target.folder, path).unlink(missing_ok=True)
        return []
    return files


def _written(shard: Shard, folder: Path, key: str) -> Written:
    rows: list[Row] = []
    places: list[Row] = []
    missing: list[Row] = []
    encoded: list[str] = []
    with _tar(folder / shard.tar) as tar:
        for clip_id, group in itertools.groupby(shard.rows, lambda row: row["clip_id"]):
            clip, own = shard.clips[clip_id], list(group)
            try:
                video = _video(clip)
            except (ClipError, OSError, ValueError, av.error.FFmpegError) as error:
                reason = " ".join(str(error).split())
                missing.append({"clip_id": clip_id, "uri": clip["uri"], "reason": reason})
                continue
            places.append(_add(tar, shard, clip, own, video.video))
            encoded += [clip_id] * video.encoded
            rows += own
    if not rows:
        (folder / shard.tar).unlink()
        return Written(shard.tier, [], missing)
    contents = to_parquet([as_stored(shard.tier, row) for row in rows], PARQUET[shard.tier])
    (folder / shard.parquet).write_bytes(contents)
    (folder / shard.places).write_bytes(to_parquet(places, INDEX))
    # Without a key the shard is written again next time: a missing clip may be back by then, and of a video
    # that nobody hashed it is not known whether it is still the same.
    sure = not missing and all(clip["sha256"] for clip in shard.clips.values())
    counts = {shard.tar: len(rows), shard.parquet: len(rows), shard.places: len(places)}
    files = [entry(folder, path, count) | ({"key": key} if sure else {}) for path, count in counts.items()]
    if encoded:
        files[0]["encoded"] = encoded
    return Written(shard.tier, files, missing)


def _is_whole(clip: Row) -> bool:
    return clip["start_s"] is None and clip["end_s"] is None


def _video(clip: Row) -> Cut:
    """The video of a clip; raises ValueError if its file is not the one that was read by `ingest`."""
    if whole := _is_whole(clip):
        video = Cut(read_bytes(clip["uri"]), encoded=False)
        digest = hashlib.sha256(video.video).hexdigest()
    else:
        digest = locate(clip["uri"], part=True).sha256()
    if clip["sha256"] not in (None, digest):
        raise ValueError("the file has changed since it was scored: run `motionsight distill` on it again")
    return video if whole else cut(clip["uri"], clip["start_s"], clip["end_s"])


@contextlib.contextmanager
def _tar(path: Path) -> Iterator["TarWriter"]:
    """Open a tar for writing whose headers (mode 0644, owner 0, time 0) depend on the contents alone."""
    from webdataset import TarWriter  # here, as it imports PyTorch

    with (
        path.open("wb") as stream,
        TarWriter(stream, user="", group="", mode=0o644, mtime=0, encoder=False, format="PAX_FORMAT") as tar,
    ):
        yield tar


def _add(tar: "TarWriter", shard: Shard, clip: Row, rows: Sequence[Row], video: bytes) -> Row:
    """Add a clip's sample to the tar: the video, then a JSON of its rows. Returns its row of the index."""
    clip_id, name = clip["clip_id"], rows[0]["video"]
    qa = [{key: row[key] for key in ("id", *QA_COLUMNS[shard.tier])} for row in rows]
    sample = to_json({"clip_id": clip_id, "video": name, "source": clip["source"], "qa": qa})
    row = {"tier": shard.tier, "split": shard.split, "clip_id": clip_id, "tar": shard.tar, "video": name}
    # Two calls for one sample, because one call would order the files by suffix and report no offsets.
    # Readers put consecutive files with the same key together.
    for prefix, extension, data in (("", name.rpartition(".")[2], video), ("json_", "json", sample)):
        tar.write({"__key__": clip_id, extension: data})
        padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        row |= {f"{prefix}offset": tar.tarstream.offset - padded, f"{prefix}size": len(data)}
    return row


def as_stored(tier: Tier, row: Row) -> Row:
    """Return a row of the plan, with its `video`, as the Parquet files of its tier have it."""
    messages = [("user", row["question"]), ("assistant", row.get("answer"))]
    row = row | {
        "prompt": row["question"],
        "messages": [{"role": role, "content": text} for role, text in messages],
    }
    return {name: row[name] for name in PARQUET[tier].names}
