"""Clips in flight: while some wait for a model, a worker prepares others. Real Ray, real HTTP."""

from pathlib import Path
from shutil import copytree

import pytest

from pipeline.workspace import Workspace
from tests.chat_server import KEY, Endpoint
from tests.cli import motionsight, sets
from tests.videos import write

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CLIPS = 12
QUALITY = sets("quality.metric=null", "gates.quality_max=null")  # which take long, and play no part


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of scored clips of different lengths, so that no two prompts are alike."""
    folder = tmp_path_factory.mktemp("scored")
    for k in range(CLIPS):
        write(folder / f"{k}.mp4", frames=16 + k)
    for step in (("ingest", "--input", folder), ("score",)):
        run = motionsight(*step, "--output", folder / "W", *QUALITY)
        assert run.returncode == 0, run.stderr
    return folder / "W"


@pytest.mark.parametrize(("concurrency", "block", "delay_s"), [(3, 4, 0.5), (64, 2, 4.0)])
def test_as_many_clips_are_in_hand_as_the_endpoint_takes_calls_and_never_more(
    scored: Path, tmp_path: Path, concurrency: int, block: int, delay_s: float
) -> None:
    workspace = Workspace(str(copytree(scored, tmp_path / "W")))
    with Endpoint() as server:
        server.delay_s = lambda prompt: delay_s
        model = ("mllm.backend=openai", "mllm.model=m", f"mllm.base_url={server.url}")
        spread = (f"mllm.concurrency={concurrency}", "engine.workers=2", f"engine.block_clips={block}")
        run = motionsight(
            *("annotate", "--output", workspace.root),
            *(*QUALITY, *sets(*model, *spread)),
            env={"OPENAI_API_KEY": KEY},
        )
        most = server.most_in_flight
    assert run.returncode == 0, run.stderr
    rows = workspace.read("annotations").to_pylist()
    assert len(rows) == len({row["clip_id"] for row in rows}) == CLIPS
    for row in rows:
        for one in row["qa"]:  # no clip gets the answer of another
            assert one["answer"].startswith("echo ")
            assert one["question"] in one["answer"]
    assert sum(row["requests"] for row in rows) == sum(server.asked.values())
    assert min(concurrency, CLIPS) * 0.6 < most <= concurrency
