"""A few clips of a dataset with their videos in Parquet, for viewers that play no tars.

The viewer of the Hugging Face Hub plays a video whose bytes are in a Parquet file
(https://huggingface.co/docs/hub/datasets-video). It would play those in the tars as well, but not beside the
rows: `datasets` reads all the configs of a dataset as the kind of file that the first one has.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.workspace import opened
from stages.split.files import entry
from stages.split.schema import PREVIEW, SPLITS, TIERS, Row, Split, Tier
from stages.split.shards import INDEX_FOLDER, Target, Written

FOLDER = "preview"
MIB = 1 << 20
NEARLY_ALL = 0.05  # share of the limit that may be left when no more videos are looked for
ROWS_AT_ONCE = 10  # in memory, and in a row group, which is what a viewer fetches
# By which `datasets` knows that the struct is a video.
FEATURES = {"huggingface": json.dumps({"info": {"features": {"video": {"_type": "Video"}}}})}


def write_preview(
    target: Target,
    written: Iterable[Written],
    parts: Mapping[tuple[Tier, Split], Sequence[Row]],
    limit_mb: float,
) -> list[Row]:
    """Copy videos out of the tars into `preview/*.parquet`, a file for each split.

    The first shards of each tier and split go first, so that few files are read; a video that would exceed
    the limit is passed over.

    Args:
        target: Where the dataset is written.
        written: Its shards.
        parts: The dataset's rows by tier and split.
        limit_mb: Size of all the videos together, MiB.

    Returns:
        Entries for the manifest.

    Raises:
        OSError: A file cannot be read or written.
    """
    if not limit_mb:
        return []
    files = {file["path"]: file for shard in written for file in shard.files}
    asked: dict[str, list[Row]] = {}
    for (tier, _), rows in parts.items():
        for row in rows:
            answer = row["answer" if tier == "sft" else "chosen"]
            qa = {"question": row["question"], "answer": answer, "category": row["category"]}
            asked.setdefault(row["clip_id"], []).append(qa)
    chosen: dict[Split, dict[str, Row]] = {split: {} for split in SPLITS}
    left = limit_mb * MIB
    for place in _places(target, files):
        if left < NEARLY_ALL * limit_mb * MIB:
            break
        own = chosen[place["split"]]
        if place["clip_id"] not in own and place["size"] <= left:
            own[place["clip_id"]] = place
            left -= place["size"]
    return [
        _written(target, files, split, sorted(own.values(), key=lambda place: place["clip_id"]), asked)
        for split, own in chosen.items()
        if own
    ]


def _places(target: Target, files: Mapping[str, Row]) -> Iterator[Row]:
    """Rows of the indexes: the first shard of every tier and split, then the second, and so on."""
    tables = [path for path in files if path.startswith(f"{INDEX_FOLDER}/")]
    order = {
        f"{tier}-{split}": (at, nth) for at, tier in enumerate(TIERS) for nth, split in enumerate(SPLITS)
    }

    def rank(path: str) -> tuple[int, tuple[int, int]]:
        part, number, *_ = path.removeprefix(f"{INDEX_FOLDER}/").rsplit("-", 3)
        return int(number), order[part]

    for path in sorted(tables, key=rank):
        with _opened(target, files[path]) as stream:
            yield from pq.read_table(stream).to_pylist()


def _opened(target: Target, file: Row) -> pa.NativeFile:
    """Open a file of the dataset: in a store, one that was taken over is where the dataset before has it."""
    if not target.store:
        return pa.OSFile(str(Path(target.folder, file["path"])))
    kept = target.known.get(file["path"]) == file
    files, base = opened(target.before if kept else target.store)
    return files.open_input_file(f"{base}/{file['path']}")


def _written(
    target: Target,
    files: Mapping[str, Row],
    split: Split,
    places: Sequence[Row],
    asked: Mapping[str, Sequence[Row]],
) -> Row:
    """Write the file of a split, a few videos in memory at a time; return its entry."""
    path = f"{FOLDER}/{split}-00000-of-00001.parquet"
    schema = PREVIEW.with_metadata(FEATURES)
    with pq.ParquetWriter(Path(target.folder, path), schema, compression="none") as writer:
        for start in range(0, len(places), ROWS_AT_ONCE):
            rows = []
            for place in places[start : start + ROWS_AT_ONCE]:
                with _opened(target, files[place["tar"]]) as stream:
                    stream.seek(place["offset"])
                    video: dict[str, Any] = {"bytes": stream.read(place["size"]), "path": place["video"]}
                rows.append({"clip_id": place["clip_id"], "video": video, "qa": asked[place["clip_id"]]})
            writer.write_table(pa.Table.from_pylist(rows, schema))
    return entry(Path(target.folder), path, len(places))
