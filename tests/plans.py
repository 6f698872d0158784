"""Plans of datasets of small videos, and the bytes of what was published."""

import hashlib
from pathlib import Path
from typing import Any

import av
import numpy as np

from stages.split.plan import DatasetPlan
from stages.split.settings import SplitConfig
from tests.tables import annotation, clip, plan_of, question, score

UNICODE = 'Où va “la caméra” ? 🎥\n| "quoted" \\'


def write_videos(folder: Path, count: int) -> None:
    """Write videos that get brighter, under names with a space, an accent and an upper-case suffix."""
    for n in range(count):
        with av.open(str(folder / f"clip {n} é.MP4"), "w") as container:
            stream: Any = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for frame in range(10):
                picture = np.full((48, 64, 3), 10 * n + 5 * frame, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())


def a_plan(
    videos: Path, count: int = 12, hashed: bool = False, **settings: Any
) -> tuple[DatasetPlan, SplitConfig]:
    """Plan a dataset of videos, with the settings it is to be published with.

    Every clip has one question that makes a pair and one that does not; a quarter is preference data.

    Args:
        videos: Where `write_videos` wrote at least `count` videos.
        count: Clips.
        hashed: Whether the clips have a SHA-256, without which nothing is taken over.
        settings: Of `split`, in place of those here.
    """
    ids = [f"{n:016x}" for n in range(count)]
    settings = {
        "preference_share": 0.25,
        "rows_per_shard": 5,
        "shares": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "source_licenses": {"set": "CC-BY-4.0"},
        "seed": 3,
    } | settings
    files = [videos / f"clip {n} é.MP4" for n in range(count)]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() if hashed else None for file in files]
    plan = plan_of(
        [clip(i, uri=str(file), sha256=it) for i, file, it in zip(ids, files, digests, strict=True)],
        [score(i) for i in ids],
        [annotation(i, question(), question(UNICODE, category="both", baseline_check=None)) for i in ids],
        **settings,
    )
    return plan, SplitConfig(**settings)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Read every file in a folder, by its path in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
