"""Find the clips in what the user points at, and give each its identity."""

import glob
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import av.error
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import CallError, ClipError
from pipeline.isolation import Isolated, Limits
from pipeline.schema import CLIPS
from stages.video.media import filesystem, is_local, read_bytes

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "gif", "mpg", "mpeg"),
        *("ts", "m2ts", "mts", "flv", "wmv", "ogv", "3gp", "y4m", "vob"),
    )
)
MANIFESTS = (".parquet", ".jsonl", ".ndjson", ".csv")

# Names that datasets give to pieces of one video: Kinetics (id_000100_000110), ActivityNet
# (id_t0.13-5.64), Pexels and Pixabay shots (..._7895832_002).
PIECE = r"^(?P<video>.+?)(?:_\d{6}_\d{6}|_t\d+(?:\.\d+)?-\d+(?:\.\d+)?|(?<=\d{4})_\d{3})$"


class IngestConfig(BaseModel):
    """How clips are found and named."""

    model_config = ConfigDict(extra="forbid")

    video_id_pattern: str = Field(
        PIECE, description="regular expression; its group 'video' in a file's name is the source video"
    )
    source: str | None = Field(None, description="name of the collection; null: the folder the clip is in")
    shots: Literal["none", "content", "adaptive"] = Field(
        "none", description="cut long videos into shots with PySceneDetect"
    )
    shot_min_s: float = Field(2.0, gt=0, description="shots shorter than this are left out, seconds")
    shot_max_s: float = Field(20.0, gt=0, description="longer shots are cut into equal pieces, seconds")


# A place that may hold a clip, before anything was read of it; and after.
FOUND = pa.schema(
    [CLIPS.field(name) for name in ("clip_id", "video_id", "uri", "start_s", "end_s", "source", "caption")]
)
LOOKED = pa.schema(
    [
        *FOUND,
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("shots", pa.list_(pa.list_(pa.float64()))),
        ("error", pa.string()),
        ("error_detail", pa.string()),
    ]
)


def clip_id(uri: str, start_s: float | None, end_s: float | None) -> str:
    """16 hex digits of sha256 over the canonical uri, start and end."""
    start, end = ("" if at is None else repr(float(at)) for at in (start_s, end_s))
    text = f"{uri}\n{start}\n{end}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def find(where: str, config: IngestConfig) -> pa.Table:
    """List the clips of a folder, file, glob, manifest or WebDataset tars, one row of FOUND each.

    Raises CallError when there are none, or when the place is not there or not of its kind.
    """
    rows = list(_find(where, config))
    if not rows:
        kinds = " ".join(sorted(VIDEO_SUFFIXES))
        raise CallError(
            f"no clips in {where!r}: looked for {kinds}, .tar, and manifests {' '.join(MANIFESTS)}"
        )
    seen: dict[str, dict[str, Any]] = {}
    for row in rows:
        seen.setdefault(row["clip_id"], row)
    return pa.Table.from_pylist([seen[key] for key in sorted(seen)], schema=FOUND)


def _find(where: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    if "://" in where:
        yield from _remote(where, config)
        return
    path = Path(where).expanduser()
    try:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file() or p.is_symlink())
            for file in files:
                if file.suffix.lower() in VIDEO_SUFFIXES or file.suffix.lower() == ".tar":
                    yield from _one(str(file.absolute()), config)
        elif path.is_file():
            yield from _one(str(path.absolute()), config)
        elif any(sign in where for sign in "*?["):
            for name in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - the pattern may be absolute
                if Path(name).is_file():
                    yield from _one(str(Path(name).absolute()), config)
        else:
            raise CallError(f"input {where!r} does not exist")
    except PermissionError as error:
        raise CallError(f"cannot read {error.filename!r}: permission denied") from error


def _remote(where: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    try:
        fs, base = filesystem(where)
        scheme = where.partition("://")[0]
        if any(sign in base for sign in "*?["):
            names = fs.glob(base)
        else:
            names = [base] if fs.isfile(base) else fs.find(base)
    except (OSError, ImportError, ValueError) as error:
        raise CallError(f"cannot list {where!r}: {error}") from error
    for name in sorted(names):
        suffix = Path(name).suffix.lower()
        if suffix in VIDEO_SUFFIXES or suffix in MANIFESTS or suffix == ".tar":
            yield from _one(name if "://" in name else f"{scheme}://{name}", config)


def _one(uri: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    suffix = Path(uri).suffix.lower()
    if suffix in MANIFESTS:
        yield from _manifest(uri, suffix, config)
    elif suffix == ".tar":
        yield from _tar(uri, config)
    else:
        yield _row(uri, config)


def _row(uri: str, config: IngestConfig, **given: Any) -> dict[str, Any]:
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise CallError(f"the name of {os.fsencode(uri)!r} is not valid UTF-8; rename the file") from None
    parts = uri.replace("::", "/").split("/")
    stem = Path(parts[-1]).stem
    source = given.get("source") or config.source or (parts[-2] if len(parts) > 1 else "")
    match = re.match(config.video_id_pattern, stem, re.DOTALL)
    video = given.get("video_id") or f"{source}/{match['video'] if match else stem}"
    return {
        "clip_id": clip_id(uri, given.get("start_s"), given.get("end_s")),
        "uri": uri,
        "video_id": str(video),
        "start_s": given.get("start_s"),
        "end_s": given.get("end_s"),
        "source": str(source),
        "caption": given.get("caption"),
    }


def _manifest(uri: str, suffix: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    try:
        data = io.BytesIO(read_bytes(uri))
        if suffix == ".parquet":
            table = pq.read_table(data)
        elif suffix == ".csv":
            table = pyarrow.csv.read_csv(data) if data.getbuffer().nbytes else pa.table({})
        else:
            table = pyarrow.json.read_json(data) if data.getbuffer().nbytes else pa.table({})
    except (pa.ArrowInvalid, OSError) as error:
        raise CallError(f"manifest {uri!r} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if "uri" not in table.column_names:
        have = ", ".join(table.column_names) or "none"
        raise CallError(f"manifest {uri!r} has no column 'uri' (its columns: {have})")
    known = [
        name
        for name in ("uri", "video_id", "start_s", "end_s", "source", "caption")
        if name in table.column_names
    ]
    for number, record in enumerate(table.select(known).to_pylist(), 1):
        if not record["uri"]:
            raise CallError(f"manifest {uri!r}, row {number}: the uri is empty")
        for key in ("start_s", "end_s"):
            if record.get(key) is not None:
                try:
                    record[key] = float(record[key])
                except (TypeError, ValueError):
                    raise CallError(
                        f"manifest {uri!r}, row {number}: {key} is not a number: {record[key]!r}"
                    ) from None
        if record.get("end_s") is not None and record["end_s"] <= (record.get("start_s") or 0.0):
            raise CallError(f"manifest {uri!r}, row {number}: end_s is not after start_s")
        place = str(record.pop("uri"))
        if is_local(place) and not place.startswith("/"):  # as written beside the manifest
            beside = f"{uri.rpartition('/')[0]}/{place}"
            place = str(Path(beside).absolute()) if is_local(uri) else beside
        yield _row(place, config, **record)


def _tar(uri: str, config: IngestConfig) -> Iterator[dict[str, Any]]:
    """Members of a WebDataset tar; a caption beside the video (same key, .txt or .json) comes along."""
    try:
        fs, path = filesystem(uri)
        with (
            fs.open(path, "rb") as raw,
            tarfile.open(fileobj=raw, mode="r|") as tar,
        ):
            videos: list[str] = []
            captions: dict[str, str] = {}
            for member in tar:
                key, _, suffix = member.name.rpartition(".")
                if not member.isfile():
                    continue
                if f".{suffix.lower()}" in VIDEO_SUFFIXES:
                    videos.append(member.name)
                elif suffix in ("txt", "json") and member.size < 1 << 20:
                    text = (tar.extractfile(member) or io.BytesIO()).read().decode("utf-8", "replace")
                    captions[key] = _caption(text) if suffix == "json" else text.strip()
    except (tarfile.TarError, OSError) as error:
        raise CallError(f"tar {uri!r} cannot be read: {' '.join(str(error).split())}") from error
    for name in videos:
        yield _row(f"{uri}::{name}", config, caption=captions.get(name.rpartition(".")[0]) or None)


def _caption(text: str) -> str:
    try:
        data = json.loads(text)
    except json.JSONDecodeError:
        return ""
    return str(data.get("caption") or data.get("text") or "") if isinstance(data, dict) else ""


class Look:
    """A row of FOUND in, a row of LOOKED out: size, sha256, and shots when asked for."""

    table = "clips"
    schema = LOOKED

    def __init__(self, config: IngestConfig) -> None:
        self._shots: Isolated | None = None
        if config.shots != "none":
            self._shots = Isolated(partial(partial, shots, config=config), Limits(), ("scenedetect",))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        digest, size = _digest(row["uri"])
        whole = row["start_s"] is None and row["end_s"] is None
        return {
            **row,
            "bytes": size,
            "sha256": digest,
            "shots": self._cut(row["uri"]) if whole and digest and is_local(row["uri"]) else None,
        }

    def _cut(self, uri: str) -> list[tuple[float, float]] | None:
        try:
            return self._shots(uri) if self._shots else None
        except ClipError:  # it stays one clip, and scoring says what is wrong with it
            return None


def _digest(uri: str) -> tuple[str | None, int | None]:
    """sha256 and size of the bytes; None for what cannot be read, which scoring then reports."""
    try:
        if is_local(uri):
            with open(uri, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest(), Path(uri).stat().st_size
        data = read_bytes(uri)
    except (OSError, KeyError):
        return None, None
    return hashlib.sha256(data).hexdigest(), len(data)


def shots(uri: str, config: IngestConfig) -> list[tuple[float, float]]:
    """Start and end in seconds of each shot of a local video; empty when it cannot be cut.

    Raises nothing for a damaged file: it stays one clip, and scoring says what is wrong with it.
    """
    from scenedetect import AdaptiveDetector, ContentDetector, SceneManager, open_video
    from scenedetect.video_stream import VideoOpenFailure

    manager = SceneManager()
    manager.add_detector(ContentDetector() if config.shots == "content" else AdaptiveDetector())
    try:
        manager.detect_scenes(open_video(uri, backend="pyav"))
    except (VideoOpenFailure, av.error.FFmpegError, OSError, ValueError):
        return []
    pieces: list[tuple[float, float]] = []
    for first, last in manager.get_scene_list(start_in_scene=True):
        start, end = first.seconds, last.seconds
        parts = max(1, -(-int((end - start) * 1000) // int(config.shot_max_s * 1000)))
        length = (end - start) / parts
        pieces += [(start + k * length, start + (k + 1) * length) for k in range(parts)]
    return [(round(a, 3), round(b, 3)) for a, b in pieces if b - a >= config.shot_min_s]


def unseen(found: pa.Table, clips: pa.Table, duplicates: pa.Table) -> pa.Table:
    """The rows of `found` (FOUND) that the tables do not have yet."""
    ids = set(clips["clip_id"].to_pylist())
    uris = set(clips["uri"].to_pylist()) | set(duplicates["uri"].to_pylist())
    fresh = [
        identity not in ids and (start is not None or end is not None or uri not in uris)
        for identity, uri, start, end in zip(
            *(found[name].to_pylist() for name in ("clip_id", "uri", "start_s", "end_s")), strict=True
        )
    ]
    return found.filter(pa.array(fresh, pa.bool_()))


def new_rows(
    looked: list[dict[str, Any]], clips: pa.Table
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows for `clips` and for `duplicates` out of rows of LOOKED, given the clips that are there already.

    Of clips with the same bytes, start and end, the one there already stays, or else the first by uri.
    """
    held = {_content(row): row["clip_id"] for row in clips.to_pylist() if row["sha256"]}
    rows: list[dict[str, Any]] = []
    twins: list[dict[str, Any]] = []
    for row in sorted(looked, key=lambda row: (row["uri"], row["start_s"] or 0.0)):
        pieces = row["shots"] or [(row["start_s"], row["end_s"])]
        for start, end in pieces:
            piece = row | {"start_s": start, "end_s": end, "clip_id": clip_id(row["uri"], start, end)}
            content = _content(piece)
            if row["sha256"] and held.setdefault(content, piece["clip_id"]) != piece["clip_id"]:
                twins.append({"uri": row["uri"], "clip_id": held[content]})
            else:
                rows.append({name: piece[name] for name in CLIPS.names})
    return rows, twins


def _content(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["sha256"], row["start_s"], row["end_s"]
