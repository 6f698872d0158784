"""A folder of which some clips crash the decoder, hang it, or make it ask for 30 GB."""

import ctypes
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from configs.settings import load
from jobs import ingest
from jobs.session import Session
from pipeline.errors import RunError
from pipeline.isolation import Isolated, Limits
from pipeline.schema import CLIPS, empty_row
from pipeline.stage import Row
from pipeline.workspace import Workspace
from stages.annotate.stage import Annotate
from stages.motionsight import observe
from stages.motionsight.settings import ObserveConfig
from stages.score.stage import Score, Scorer
from tests import videos
from tests.chat_server import Endpoint

pytestmark = [pytest.mark.ray, pytest.mark.slow]

OBSERVE = observe.observe
CODES = {b"segfault": "worker_crash", b"endless": "timeout", b"30 GB": "out_of_memory"}


def misbehave(uri: str) -> None:
    """Stands for a decoder that misbehaves on some files: those that end with a mark."""
    content = Path(uri).read_bytes()
    if content.endswith(b"segfault"):
        ctypes.string_at(0)
    while content.endswith(b"endless"):
        pass
    if content.endswith(b"30 GB"):
        np.ones(30 << 27)


class PoisonableScorer(Scorer):
    def __call__(self, row: Row) -> Row:
        misbehave(row["uri"])
        return super().__call__(row)


class PoisonableScore(Score):
    def setup(self) -> None:
        assert self._limits
        self._score = Isolated(partial(PoisonableScorer, self._config), self._limits, [__name__])


def poisonable_observe(uri: str, *arguments: Any, config: ObserveConfig) -> observe.Observation:
    misbehave(uri)
    return OBSERVE(uri, *arguments, config=config)


class PoisonableAnnotate(Annotate):
    def setup(self) -> None:
        observe.observe = poisonable_observe
        super().setup()


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


class WithoutModel(Score):
    def setup(self) -> None:
        raise ValueError("no such model")


def test_a_stage_that_cannot_be_started_ends_the_run_in_one_line(tmp_path: Path) -> None:
    session = Session(load(), Workspace(str(tmp_path / "W")))
    clips = pa.Table.from_pylist([empty_row("clips") | {"clip_id": "a", "uri": "a.mp4"}], CLIPS)
    with pytest.raises(RunError, match="cannot be started: no such model") as caught:
        session.run(WithoutModel(), clips, session.workspace)
    assert "\n" not in str(caught.value)


def test_poison_costs_the_poisoned_clips_alone(tmp_path: Path) -> None:
    poison = dict(zip((3, 4, 5, 31, 32, 50), [*CODES] * 2, strict=True))
    config = load(overrides=["quality.metric=null", "engine.block_clips=8"])
    session = Session(config, Workspace(str(tmp_path / "W")))
    ingest.run(session, str(folder_of(tmp_path / "in", 120, poison)))
    clips = session.workspace.read("clips")
    limits = Limits(clip_timeout_s=10, clip_memory_gb=1)
    session.run(PoisonableScore(config, limits), clips, session.workspace)

    scores = session.workspace.read("scores").to_pylist()
    assert failures(clips, scores) == {k: CODES[mark] for k, mark in poison.items()}
    good = {(row["pan"], row["flow_mean"], row["phash"]) for row in scores if not row["error"]}
    assert len(good) == 1  # all the others were measured, and alike


def test_poison_that_only_shows_when_a_clip_is_annotated_costs_that_clip(tmp_path: Path) -> None:
    """And none of those that its worker has in hand beside it."""
    poison = dict(zip((1, 2, 9), CODES, strict=True))
    with Endpoint() as server:
        server.delay_s = lambda prompt: 0.5
        model = f"mllm={{backend: openai, model: m, base_url: '{server.url}', concurrency: 16}}"
        config = load(overrides=["engine.block_clips=4", "engine.workers=2", model])
        session = Session(config, Workspace(str(tmp_path / "W")))
        ingest.run(session, str(folder_of(tmp_path / "in", 16, poison)))
        clips = session.workspace.read("clips")
        limits = Limits(clip_timeout_s=10, clip_memory_gb=1)
        session.run(PoisonableAnnotate(session.config, None, limits), clips, session.workspace)
        assert server.most_in_flight > 4

    annotations = session.workspace.read("annotations").to_pylist()
    assert failures(clips, annotations) == {k: CODES[mark] for k, mark in poison.items()}
    assert all(len(row["qa"]) == 2 for row in annotations if not row["error"])


def failures(clips: pa.Table, rows: list[dict[str, Any]]) -> dict[int, str]:
    """The codes by the number of the file; every clip has exactly one row."""
    names = {row["clip_id"]: int(Path(row["uri"]).stem) for row in clips.to_pylist()}
    assert sorted(row["clip_id"] for row in rows) == sorted(names)
    assert all(row["error_detail"] for row in rows if row["error"])
    return {names[row["clip_id"]]: row["error"] for row in rows if row["error"]}
