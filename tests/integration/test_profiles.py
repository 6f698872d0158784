"""The shipped configurations, run through the real code; replaced is the loading of weights alone."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import configs
from configs.settings import load
from filters.flow.raft import RaftFlow
from filters.flow.registry import estimator
from pipeline.stage import Resources
from stages.annotate.stage import Annotate
from stages.models import checkpoint
from stages.models.alignment.t2v_metrics import T2vMetricsConfig
from stages.models.mllm.vllm import VllmConfig
from stages.models.protocols import Reply, Request
from stages.score.stage import Score
from tests import tiny, videos

SHIPPED = sorted(
    path.stem
    for path in Path(next(iter(configs.__path__))).glob("*.yaml")
    if not path.stem.startswith("train_")
)
GPUS = 8


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_configuration_is_valid(name: str) -> None:
    assert load(name)


def test_the_papers_profile_fits_a_node_with_eight_gpus() -> None:
    config = load("motionvid_qa")
    models = [it.placement for it in config.backends().values() if it and it.placement]
    assert len(models) == 5
    for command in ("score", "annotate"):
        share = config.engine.share(command, Resources())
        wanted = (share.workers or int(GPUS / share.gpus)) * share.gpus
        if command == "annotate":
            wanted += sum(actor.replicas * actor.num_gpus for actor in models)
        assert GPUS - 0.5 < wanted <= GPUS + 1e-9
        # The fractions fit on whole GPUs, none of which Ray splits one actor over.
        assert share.gpus <= 1
    for settings in (config.mllm, config.baseline):
        assert isinstance(settings, VllmConfig)
        assert settings.max_model_len is not None
        frame = config.frames.max_pixels / 28**2  # a token of Qwen2.5-VL stands for 28 x 28 pixels
        assert settings.max_images * frame + 1000 < settings.max_model_len
        assert settings.max_images >= 2 * config.frames.count


def test_no_gpu_of_the_papers_profile_gets_two_small_models_of_a_kind() -> None:
    """Ray fills up one GPU before it opens the next; see the profile."""
    backends = load("motionvid_qa").backends()
    taken = 0.0
    for role in ("detector", "tracker", "vqascore"):
        backend = backends[role]
        assert backend
        assert backend.placement
        share = backend.placement.num_gpus
        assert taken + 2 * share > 1
        taken += share
    assert taken < 1


def test_the_profile_for_one_gpu_fits_on_it() -> None:
    config = load("one_gpu")
    models = [it.placement for it in config.backends().values() if it and it.placement]
    share = config.engine.share("annotate", Resources())
    assert share.workers
    assert sum(actor.replicas * actor.num_gpus for actor in models) + share.workers * share.gpus <= 1
    assert isinstance(config.mllm, VllmConfig)
    assert config.mllm.gpu_memory_utilization <= config.mllm.actor.num_gpus
    assert config.engine.share("score", Resources()).gpus > 0


class Engine:
    """In the place of a vLLM engine: fills in the schema it is given, and keeps the requests."""

    name, version = "vllm", "stand-in"

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        self.requests += requests
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        if not request.json_schema:
            return Reply("The camera pans right.", tokens=9)
        plans = request.json_schema["properties"]["plans"]["minItems"]
        filled = [{"about": "both", "objects": ["dog"]}] * plans
        return Reply(json.dumps({"plans": filled}), tokens=9)


class Scorer:
    """In the place of CLIP-FlanT5."""

    name, version = "t2v_metrics", "stand-in"

    def __call__(self, frames: Any, times: Any, texts: Sequence[str]) -> list[float | None]:
        return [0.5 for _ in texts]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The lines that load weights, replaced: tiny random ones where transformers reads them."""
    folders = {
        "IDEA-Research/grounding-dino-base": tiny.grounding_dino(tmp_path / "dino"),
        "facebook/sam2.1-hiera-large": tiny.sam2(tmp_path / "sam2"),
    }
    real = checkpoint.load

    def from_folder(kind: Any, config: Any, **more: Any) -> Any:
        return real(kind, config.model_copy(update={"model": str(folders[config.model])}), **more)

    engine = Engine()
    for module in ("checkpoint", "detector.grounding_dino", "tracker.sam2"):
        monkeypatch.setattr(f"stages.models.{module}.load", from_folder)
    monkeypatch.setattr(VllmConfig, "build", lambda _: engine)
    monkeypatch.setattr(T2vMetricsConfig, "build", lambda *_: Scorer())
    with tiny.as_in_a_worker():
        yield engine


@pytest.mark.slow
def test_the_papers_profile_annotates_with_tiny_random_detector_tracker_and_flow(
    engine: Engine, tmp_path: Path
) -> None:
    import torch
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    torch.save(raft_small(weights=None).state_dict(), tmp_path / "raft.pth")
    config = load(
        "motionvid_qa", [f"flow.weights={tmp_path / 'raft.pth'}", "flow.device=cpu", "decode.fps=2"]
    )
    annotate = Annotate(config)
    annotate.setup()
    assert isinstance(estimator(config.flow), RaftFlow)
    path = videos.write(tmp_path / "clip.mp4", 36)
    row = annotate.work({"clip_id": "0" * 16, "uri": str(path), "start_s": None, "end_s": None})
    assert row["error"] is None
    assert [qa["answer"] for qa in row["qa"]] == ["The camera pans right."] * 2
    assert [qa["vqascore"] for qa in row["qa"]] == [0.5] * 2
    assert {role: name.split()[0] for role, name in row["models"]} == {
        "mllm": "vllm",
        "baseline": "vllm",
        "detector": "grounding_dino",
        "tracker": "sam2",
        "vqascore": "t2v_metrics",
    }
    plan, *answers = engine.requests
    assert plan.json_schema
    # The baseline is asked beside the answering model, before or after it.
    assert sorted(len(request.frames) for request in answers) == [16, 16, 2 * 16, 2 * 16]
    assert all(request.frames[0].shape[0] * request.frames[0].shape[1] <= 360 * 420 for request in answers)


@pytest.mark.slow
def test_the_papers_profile_scores_with_raft_and_its_own_quality_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyiqa
    import torch
    from torchvision.models.optical_flow import raft_small

    torch.save(raft_small(weights=None).state_dict(), tmp_path / "raft.pth")
    made, real = [], pyiqa.create_metric

    def create(name: str, **more: Any) -> Any:
        made.append(name)
        return real("piqe", **more)  # the one that has no weights to load

    monkeypatch.setattr(pyiqa, "create_metric", create)
    config = load(
        "motionvid_qa",
        [f"flow.weights={tmp_path / 'raft.pth'}", "flow.device=cpu", "quality.device=cpu", "decode.fps=2"],
    )
    score = Score(config)
    score.setup()
    path = videos.write(tmp_path / "clip.mp4", 36)
    row = score.work({"clip_id": "0" * 16, "uri": str(path), "start_s": None, "end_s": None})
    assert made == [config.quality.metric] == ["musiq"]
    assert row["error"] is None
    assert row["quality_metric"] == "musiq"
