"""The settings of training."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.settings import read
from pipeline.errors import CallError
from stages.train.settings import TrainConfig, accumulation_steps, group_of


def load(path: str, overrides: Sequence[str] = ()) -> TrainConfig:
    return read(path, overrides, TrainConfig)


@pytest.mark.parametrize("name", ["train_sft", "train_dpo"])
def test_the_shipped_settings_are_those_of_the_paper(name: str) -> None:
    config = load(name)
    assert (config.learning_rate, config.weight_decay, config.warmup) == (1e-5, 0.1, 0.03)
    assert (config.scheduler, config.global_batch, config.precision) == ("cosine", 128, "bf16")
    assert (config.video.fps, config.video.max_pixels) == (1, 360 * 420)
    vision, merger = config.groups["vision_tower"], config.groups["merger"]
    assert config.epochs == 3
    if name == "train_sft":
        assert (vision.learning_rate, merger.learning_rate) == (2e-6, 1e-5)
    else:
        assert config.dpo.beta == 0.1
        assert vision.frozen
        assert merger.frozen


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("vidoe.fps=2", "unknown setting 'vidoe'; did you mean 'video'"),
        ("video.fsp=2", "unknown setting 'video.fsp'; did you mean 'video.fps'"),
        ("lora={rnk: 4}", "did you mean 'lora.rank'"),
        ("groups.merger.frozn=true", "did you mean 'groups.merger.frozen'"),
        ("groups.merger.pattern='('", "groups.merger.pattern: .*not a regular expression"),
        ("learning_rate=0", "learning_rate: input should be greater than 0"),
        ("learning_rate", "expected name=value"),
        ("video=[", "not valid YAML"),
        ("lora={rank: 8}", "lora does not need ZeRO.*launch.deepspeed=null"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(override: str, says: str) -> None:
    with pytest.raises(CallError, match=says):
        load("train_sft", [override])


def test_an_override_replaces_one_setting_at_any_depth() -> None:
    config = load(
        "train_sft",
        [
            "groups.vision_tower.learning_rate=1e-7",
            "launch.workers=2",
            "launch.deepspeed=null",
            "lora={rank: 8}",
        ],
    )
    assert config.groups["vision_tower"].learning_rate == 1e-7
    assert config.groups["vision_tower"].pattern == load("train_sft").groups["vision_tower"].pattern
    assert config.launch.backend == "ray"
    assert config.lora
    assert config.lora.rank == 8


@given(st.integers(1, 512), st.integers(1, 16), st.integers(1, 64))
def test_the_global_batch_is_met_exactly_or_refused(batch: int, device: int, world: int) -> None:
    config = TrainConfig(global_batch=batch, device_batch=device)
    if batch % (device * world) == 0:
        assert accumulation_steps(config, world) * device * world == batch
    else:
        with pytest.raises(CallError, match="global_batch") as refused:
            accumulation_steps(config, world)
        found = re.search(r"global_batch=(\d+)", str(refused.value))
        assert found
        assert accumulation_steps(config.model_copy(update={"global_batch": int(found[1])}), world) >= 1


@pytest.mark.parametrize(
    ("parameter", "group"),
    [
        ("model.visual.merger.mlp.0.weight", "merger"),  # Qwen2.5-VL
        ("model.visual.blocks.3.attn.qkv.weight", "vision_tower"),
        ("base_model.model.model.visual.blocks.3.attn.qkv.lora_A.default.weight", "vision_tower"),
        ("model.multi_modal_projector.linear_1.weight", "merger"),  # InternVL
        ("model.vision_tower.encoder.layer.0.attention.q_proj.weight", "vision_tower"),
        ("model.language_model.layers.0.self_attn.q_proj.weight", "language_model"),
        ("lm_head.weight", "language_model"),
    ],
)
def test_the_parts_of_qwen_vl_and_internvl_are_recognised(parameter: str, group: str) -> None:
    assert group_of(parameter, load("train_sft").groups) == group
