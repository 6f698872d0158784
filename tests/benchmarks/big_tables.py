"""Tables of a large workspace, made by chance and at once, for measuring what reads tables alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.schema import ANNOTATIONS, CAMERA_LABELS, CLIPS, OBJECT, QA, SCORES

CLIPS_PER_VIDEO = 4
CLIPS_PER_FILE = 10_000
QUESTIONS = 3
SOURCES = ("web", "films", "driving", "cooking")
ANSWERS = [
    f"The camera {verb} {how}, while the {what} {moves}."
    for verb in ("pans left", "pans right", "tilts up", "zooms in", "stays still", "rolls clockwise")
    for how in ("slowly", "fast", "steadily")
    for what in ("man", "red car", "dog", "boat")
    for moves in ("moves to the left", "stands still", "rises", "moves to the right")
]
ASKED = ("How does the camera move?", "What moves, and which way?", "Which is faster, the camera or the man?")


def write(folder: Path, clips: int, annotated: int, videos: Path | None = None, seed: int = 0) -> None:
    """A workspace with `clips` scores, the first `annotated` of them annotated with QUESTIONS each.

    videos: where each clip gets a file of a few KB to be copied, unless it has one; None: there are none.
    """
    rng = np.random.default_rng(seed)
    if videos:
        videos.mkdir(exist_ok=True)
        for file in (videos / f"{name}.mp4" for name in ids(0, clips)):
            if not file.exists():
                file.write_bytes(rng.bytes(4000))
    for at in range(0, clips, CLIPS_PER_FILE):
        count = min(CLIPS_PER_FILE, clips - at)
        name = f"{at:08d}.parquet"
        _table(folder, "clips", name, _clips(rng, at, count, str(videos or "s3://bucket/videos")))
        _table(folder, "scores", name, _scores(rng, at, count))
        if at < annotated:
            _table(folder, "annotations", name, _annotations(rng, at, min(count, annotated - at)))


def _table(folder: Path, table: str, name: str, rows: pa.Table) -> None:
    (folder / table).mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, folder / table / name, compression="zstd")


def ids(at: int, count: int) -> list[str]:
    """The ids of some of the clips."""
    return [f"{(n * 0x9E3779B97F4A7C15) % 2**64:016x}" for n in range(at, at + count)]


def _full(schema: pa.Schema, count: int, columns: dict[str, object]) -> pa.Table:
    """The columns as the schema has them; null where none is given."""
    return pa.table(
        {
            field.name: pa.array(columns[field.name], field.type)
            if field.name in columns
            else pa.nulls(count, field.type)
            for field in schema
        },
        schema,
    )


def _clips(rng: np.random.Generator, at: int, count: int, where: str) -> pa.Table:
    names = ids(at, count)
    source = [SOURCES[(at + n) // CLIPS_PER_VIDEO % len(SOURCES)] for n in range(count)]
    columns: dict[str, object] = {
        "clip_id": names,
        "video_id": [f"{(at + n) // CLIPS_PER_VIDEO:016x}" for n in range(count)],
        "uri": [f"{where}/{i}.mp4" for i in names],
        "source": source,
        "bytes": rng.integers(10**5, 10**7, count),
        "sha256": [i * 4 for i in names],
    }
    return _full(CLIPS, count, columns)


def _scores(rng: np.random.Generator, at: int, count: int) -> pa.Table:
    def normal(scale: float) -> np.ndarray:
        return rng.normal(0, scale, count)

    failed = rng.random(count) < 0.01
    looks = rng.integers(0, 256, (count, 24), np.uint8)
    alike = np.flatnonzero(rng.random(count) < 0.02)
    looks[alike] = looks[rng.integers(0, count, len(alike))]
    columns: dict[str, object] = {
        "clip_id": ids(at, count),
        "width": rng.choice([640, 1280, 1920], count),
        "height": rng.choice([360, 720, 1080], count),
        "fps": np.full(count, 25.0),
        "duration_s": rng.lognormal(1.5, 0.8, count),
        "frames": rng.integers(25, 1500, count),
        "codec": ["h264"] * count,
        "quality": np.clip(rng.normal(45, 18, count), 0, 100),
        "quality_metric": ["piqe"] * count,
        "flow_mean": rng.lognormal(-3, 1, count),
        "flow_p95": rng.lognormal(-2, 1, count),
        "object_motion": rng.lognormal(-4, 1, count),
        "object_area": rng.random(count) * 0.4,
        "pan": normal(0.1),
        "tilt": normal(0.05),
        "zoom": normal(0.05),
        "roll": normal(2),
        "shake": rng.lognormal(-6, 1, count),
        "camera_motion": [[CAMERA_LABELS[n]] for n in rng.integers(0, len(CAMERA_LABELS), count)],
        "camera_fit": rng.random(count),
        "cuts": [[1.0] if cut else [] for cut in rng.random(count) < 0.05],
        "phash": [row.tobytes().hex() for row in looks],
        "error": ["decode_error" if f else None for f in failed],
        "error_detail": ["the stream ends in the middle" if f else None for f in failed],
        "seconds": rng.lognormal(0, 0.5, count),
    }
    return _full(SCORES, count, columns)


def _annotations(rng: np.random.Generator, at: int, count: int) -> pa.Table:
    total = count * QUESTIONS
    picked = rng.integers(0, len(ANSWERS), (2, total))
    checks = rng.choice([0.0, 0.5, 1.0, 1.0, 1.0], (2, total))
    unread = rng.random(total) < 0.1
    qa = pa.StructArray.from_arrays(
        [
            pa.array(list(ASKED) * count),
            pa.array(["camera", "object", "both"] * count),
            pa.array([["man"]] * total, QA.field("objects").type),
            pa.array([ANSWERS[n] for n in picked[0]]),
            pa.array([ANSWERS[n] for n in picked[1]]),
            pa.array(rng.random(total)),
            pa.array(checks[0], mask=unread),
            pa.array(checks[1], mask=unread),
            pa.array(unread.astype(np.int64)),
            pa.array([["pan_left"]] * total, QA.field("claims").type),
            pa.nulls(total, pa.string()),
        ],
        fields=list(QA),
    )
    ends = np.arange(count + 1, dtype=np.int32) * QUESTIONS
    boxes = [[10.0, 20.0, 110.0, 220.0]] * 16
    thing = {"label": "man", "boxes": boxes, "scores": [0.9] * 16, "velocity": [0.1, 0.0]}
    failed = rng.random(count) < 0.005
    columns: dict[str, object] = {
        "clip_id": ids(at, count),
        "times": [np.linspace(0, 4, 16).tolist()] * count,
        "objects": pa.array([[thing]] * count, pa.list_(OBJECT)),
        "models": [[("mllm", "tiny 1")]] * count,
        "notes": [[]] * count,
        "error": ["mllm_error" if f else None for f in failed],
        "seconds": rng.lognormal(1, 0.5, count),
        "tokens": rng.integers(500, 5000, count),
    }
    table = _full(ANNOTATIONS, count, columns)
    at_qa = ANNOTATIONS.names.index("qa")
    return table.set_column(at_qa, ANNOTATIONS.field("qa"), pa.ListArray.from_arrays(pa.array(ends), qa))
