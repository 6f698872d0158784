"""A folder of which some clips crash the decoder, hang it, or make it ask for 30 GB."""

import ctypes
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs import ingest
from jobs.session import Session
from pipeline.config import load
from pipeline.errors import RunError
from pipeline.isolation import Limits
from pipeline.schema import CLIPS, empty_row
from pipeline.workspace import Workspace
from stages.score import IsolatedScore, Score
from tests import videos

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CODES = {b"segfault": "worker_crash", b"endless": "timeout", b"30 GB": "out_of_memory"}


class Poisonable(Score):
    """Stands for a decoder that misbehaves on some files: those that end with a mark."""

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        content = Path(row["uri"]).read_bytes()
        if content.endswith(b"segfault"):
            ctypes.string_at(0)
        while content.endswith(b"endless"):
            pass
        if content.endswith(b"30 GB"):
            np.ones(30 << 27)
        return super().__call__(row)


def folder_of(folder: Path, clips: int, poison: dict[int, bytes]) -> Path:
    """Copies of one clip; bytes after its end, which players pass over, make each another file."""
    folder.mkdir()
    clip = videos.write(folder.parent / "clip.mp4", 8, 160, 120).read_bytes()
    for k in range(clips):
        (folder / f"{k:03d}.mp4").write_bytes(clip + b"%03d" % k + poison.get(k, b""))
    return folder


@pytest.fixture(autouse=True)
def ray_ends() -> Iterator[None]:
    import ray

    yield
    ray.shutdown()


def nothing() -> Score:
    raise ValueError("no such model")


def test_a_stage_that_cannot_be_started_ends_the_run_in_one_line(tmp_path: Path) -> None:
    session = Session(load(), Workspace(str(tmp_path / "W")))
    clips = pa.Table.from_pylist([empty_row("clips") | {"clip_id": "a", "uri": "a.mp4"}], CLIPS)
    with pytest.raises(RunError, match="cannot be started: ValueError: no such model") as caught:
        session.run("score", clips, partial(IsolatedScore, nothing, Limits()), session.workspace)
    assert "\n" not in str(caught.value)


def test_poison_costs_the_poisoned_clips_alone(tmp_path: Path) -> None:
    poison = dict(zip((3, 4, 5, 31, 32, 50), [*CODES] * 2, strict=True))
    config = load(overrides=["quality.metric=null", "engine.block_clips=8"])
    session = Session(config, Workspace(str(tmp_path / "W")))
    ingest.run(session, str(folder_of(tmp_path / "in", 120, poison)))
    clips = session.workspace.read("clips")
    score = partial(Poisonable, config.decode, config.flow, config.camera, config.quality)
    limits = Limits(clip_timeout_s=3, clip_memory_gb=1)
    session.run("score", clips, partial(IsolatedScore, score, limits), session.workspace)

    names = {row["clip_id"]: int(Path(row["uri"]).stem) for row in clips.to_pylist()}
    scores = session.workspace.read("scores").to_pylist()
    assert len(scores) == len(names) == 120
    found = {names[row["clip_id"]]: row["error"] for row in scores if row["error"]}
    assert found == {k: CODES[mark] for k, mark in poison.items()}
    assert all(row["error_detail"] for row in scores if row["error"])
    good = {(row["pan"], row["flow_mean"], row["phash"]) for row in scores if not row["error"]}
    assert len(good) == 1  # all the others were measured, and alike
