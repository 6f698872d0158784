"""t2v-metrics lives in an environment of its own, whose Python T2V_METRICS_PYTHON names."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import RunError
from stages.models.actors import model_actors
from stages.models.alignment.t2v_metrics import T2vMetricsConfig
from stages.models.proxies import RemoteAlignment
from stages.motionsight.observe import observe
from stages.motionsight.settings import ObserveConfig
from tests.videos import write

WRITER = Path(__file__).parents[1] / "tiny_clip_flant5.py"
PYTHON = os.environ.get("T2V_METRICS_PYTHON", "")


def config(python: str, cache: Path) -> T2vMetricsConfig:
    env = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache.parent)}
    actor = {"num_gpus": 0, "runtime_env": {"py_executable": python, "env_vars": env}}
    return T2vMetricsConfig.model_validate(
        {"model": "clip-flant5-xl", "device": "cpu", "cache_dir": str(cache), "actor": actor}
    )


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.skipif(
    not PYTHON,
    reason="it needs older packages than ours: name a Python with t2v-metrics in T2V_METRICS_PYTHON",
)
def test_a_tiny_random_clip_flant5_scores_texts_in_its_own_environment(tmp_path: Path) -> None:
    cache = tmp_path / "hub"
    subprocess.run([PYTHON, str(WRITER), str(cache)], check=True, capture_output=True)
    seen = observe(str(write(tmp_path / "clip.mp4")), None, None, False, ObserveConfig())
    texts = ["The camera pans left.", 'It says "{x}". 🎥', "A man moves right."]
    with model_actors({"vqascore": config(PYTHON, cache)}) as handles:
        score = RemoteAlignment(handles["vqascore"])
        found = score(seen.view.frames, seen.view.times, texts)
        assert len(found) == 3
        assert all(one is not None and 0 <= one <= 1 for one in found)
        assert len(set(found)) > 1
        assert score(seen.view.frames, seen.view.times, texts[:1]) == found[:1]
        assert score(np.zeros_like(seen.view.frames), seen.view.times, texts) != found
        assert score(seen.view.frames, seen.view.times, []) == []


@pytest.mark.slow
@pytest.mark.ray
def test_without_the_package_the_run_ends_with_one_sentence(tmp_path: Path) -> None:
    place = {"vqascore": config(sys.executable, tmp_path)}
    with (
        pytest.raises(RunError, match=r"vqascore: the model cannot be started: .*t2v_metrics"),
        model_actors(place),
    ):
        pass
