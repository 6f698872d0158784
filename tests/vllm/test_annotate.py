"""`motionsight` on real clips with a tiny random model on vLLM: frames in, text and log-probabilities out."""

from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import yaml

from pipeline.workspace import Workspace
from tests import cli
from tests.videos import SHARED, write
from tests.vllm_engine import settings

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

GATES = ("quality_max", "flow_max", "duration_min_s", "duration_max_s", "side_min", "cuts_max")
motionsight = partial(cli.motionsight, timeout_s=800)  # an engine takes minutes to start


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of real clips, or of rendered ones where there are none."""
    folder = tmp_path_factory.mktemp("annotate")
    clips = SHARED
    if not clips.exists():
        clips = folder / "clips"
        clips.mkdir()
        for k in range(6):
            write(clips / f"{k} 动作.mp4", frames=24 + k)
    for step in (("ingest", "--input", clips), ("score", "--set", "quality.metric=null")):
        run = motionsight(*step, "--output", folder / "W")
        assert run.returncode == 0, run.stderr
    return folder / "W"


def written(path: Path, mllm: dict[str, Any]) -> Path:
    config = {
        "quality": {"metric": None},
        "gates": dict.fromkeys(GATES),
        "decouple": {"backend": "mllm"},
        "mllm": {"max_tokens": 48, **mllm},
        "vqascore": {"backend": "mllm"},
        "engine": {"workers": 2, "cpus_per_worker": 0.5, "block_clips": 2},
    }
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.parametrize("backend", ["vllm", "openai"])
def test_a_tiny_random_model_annotates_every_real_clip(
    backend: str, request: pytest.FixtureRequest, scored: Path, checkpoint: Path, python: str, tmp_path: Path
) -> None:
    if backend == "vllm":
        mllm = settings(checkpoint, python)
    else:
        url = request.getfixturevalue("server")
        mllm = {"backend": "openai", "base_url": url, "model": str(checkpoint), "timeout_s": 300}
    workspace = Workspace(str(copytree(scored, tmp_path / "W")))
    config = written(tmp_path / "config.yaml", mllm)
    run = motionsight("annotate", "--config", config, "--output", workspace.root)
    assert run.returncode == 0, run.stderr
    rows = workspace.read("annotations").to_pylist()
    assert {row["clip_id"] for row in rows} == set(workspace.read("clips")["clip_id"].to_pylist())
    asked = [one for row in rows for one in row["qa"]]
    answered = [one for one in asked if one["answer"]]
    assert len(answered) > len(asked) / 2
    assert {one["error"] for one in asked if not one["answer"]} <= {"mllm_bad_output"}, (
        "plans that got too long"
    )
    scores = [one["vqascore"] for one in answered]
    if backend == "vllm":
        assert all(0 < score < 1 for score in scores)
        assert len(set(scores)) == len(scores)
    else:  # a server tells of the 20 likeliest tokens alone
        assert all(score is None or 0 <= score < 1 for score in scores)
    assert all(row["tokens"] > 1000 for row in rows)
    assert {dict(row["models"])["mllm"] for row in rows} == {f"{backend} {checkpoint}"}


def test_ask_starts_the_model_in_its_actor_and_ends_it(checkpoint: Path, python: str, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mp4")
    config = written(tmp_path / "config.yaml", settings(checkpoint, python))
    said = motionsight(
        "ask", clip, "How does the camera move?", "--config", config, "--set", "decouple.backend=rules"
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip()
    assert f"vllm {checkpoint}" in said.stderr
