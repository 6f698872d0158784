from pathlib import Path
from typing import Any

import pytest
import yaml

import configs
from configs.describe import to_yaml
from configs.settings import Config, fingerprint, identity, left_out, load, noted
from pipeline.errors import CallError

SHIPPED = sorted(
    p for p in Path(next(iter(configs.__path__))).glob("*.yaml") if not p.stem.startswith("train_")
)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_config_is_valid_by_path_and_by_name(path: Path) -> None:
    assert load(str(path)) == load(path.stem) == load(f"configs/{path.name}")


def test_an_override_beats_the_file_and_the_file_beats_the_default(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("decode: {fps: 4, size: 128}\n")
    config = load(str(tmp_path / "c.yaml"), ["decode.fps=2", "gates.flow_min=0.5"])
    assert (config.decode.fps, config.decode.size, config.gates.flow_min) == (2, 128, 0.5)
    assert config.decode.max_samples == Config().decode.max_samples


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["decode.fsp=2"], "unknown setting 'decode.fsp'; did you mean 'decode.fps'"),
        (["decod.fps=2"], "did you mean 'decode'"),
        (["focus.paddding=0"], "'focus.padding'"),
        (["mllm={backend: vllm, model: x, modle: y}"], "'mllm.modle' of backend 'vllm'; .* 'mllm.model'"),
        (
            ["mllm.backend=kinematic", "mllm.vllm.model=x"],
            "unknown setting 'mllm.vllm' of backend 'kinematic'",
        ),
        (["mllm.model=x"], r"mllm: no backend is named; add mllm\.backend"),
        (["decode.fps=-1"], "decode.fps.*greater than 0.*-1"),
        (["decode.fps"], "name=value"),
        (["decode.fps=2", "decode.fps.x=1"], "is a value"),
        (["decode=[1"], "not valid YAML"),
        (["flow.backend=magic"], "flow.backend.*dis.*raft"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_would_be_right(overrides: list[str], told: str) -> None:
    with pytest.raises(CallError, match=told) as caught:
        load(None, overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["- 1\n- 2\n", "a: [", "\x00", "text"])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(CallError, match=r"c\.yaml") as caught:
        load(str(tmp_path / "c.yaml"))
    assert "\n" not in str(caught.value)


def test_a_config_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(CallError, match="embedded"):
        load("nowhere.yaml")


def values(config: Config, table: str) -> dict[str, Any]:
    return {setting.path: setting.value for setting in identity(config, table)}


def test_gates_and_shares_are_no_part_of_what_a_table_is_bound_to() -> None:
    plain = load()
    changed = load(None, ["gates.flow_min=0.5", "split.seed=9", "decode.threads=4", "engine.workers=7"])
    other = load(None, ["decode.fps=4"])
    for table in ("scores", "annotations"):
        assert values(plain, table) == values(changed, table) != values(other, table)
    assert fingerprint(values(plain, "scores")) != fingerprint(values(other, "scores"))


VLLM = "mllm={backend: vllm, model: m, engine: {quantization: %s}, gpu_memory_utilization: %s}"


def test_what_changes_an_engines_answers_identifies_rows_and_what_changes_its_speed_does_not() -> None:
    one, other = load(None, [VLLM % ("awq", 0.9)]), load(None, [VLLM % ("gptq", 0.9)])
    assert values(one, "annotations") != values(other, "annotations")
    assert values(one, "annotations") == values(load(None, [VLLM % ("awq", 0.5)]), "annotations")
    baseline = [VLLM.replace("mllm=", "baseline=") % ("awq", 0.9)]
    assert values(load(None, baseline), "annotations")["baseline.engine"] == {"quantization": "awq"}


def test_the_same_model_at_another_host_makes_the_same_rows_and_is_noted() -> None:
    here, there = (
        load(None, [f"mllm={{backend: openai, model: m, base_url: http://{host}/v1}}"])
        for host in ("127.0.0.1:1", "127.0.0.1:2")
    )
    assert values(here, "annotations") == values(there, "annotations")
    assert [(it.path, it.value) for it in noted(there, "annotations")] == [
        ("mllm.base_url", "http://127.0.0.1:2/v1")
    ]


def test_a_place_to_run_in_is_no_part_of_a_row() -> None:
    plain = load(None, ["mllm={backend: vllm, model: m}"])
    moved = load(None, ["mllm={backend: vllm, model: m, actor: {replicas: 4, num_gpus: 0.5}}"])
    assert values(plain, "annotations") == values(moved, "annotations")
    assert not any(name.startswith("mllm.actor") for name in values(moved, "annotations"))


def test_a_command_that_engine_does_not_spread_is_refused() -> None:
    with pytest.raises(CallError, match=r"no command annotat; there are .*annotate"):
        load(None, ["engine.workers={annotat: 4}"])


def test_every_setting_can_be_written_to_yaml_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(Config().model_dump(mode="json")))
    assert load(str(tmp_path / "all.yaml")) == Config()


def test_a_file_is_a_change_of_the_one_that_it_extends(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: embedded\ngates: {flow_min: 0.2}\n")
    (tmp_path / "yours.yaml").write_text("extends: mine.yaml\ngates: {cuts_max: 4}\ndecode: {fps: 3}\n")
    mine = load(str(tmp_path / "mine.yaml"))
    assert mine == load("embedded", ["gates.flow_min=0.2"])
    yours = load(str(tmp_path / "yours.yaml"), ["gates.flow_min=0.3"])
    assert yours == load("embedded", ["gates.flow_min=0.3", "gates.cuts_max=4", "decode.fps=3"])


def test_another_backend_takes_no_settings_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: openai\nmllm: {backend: kinematic}\n")
    assert load(str(tmp_path / "mine.yaml")).mllm == load("embedded").mllm


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("extends: mine.yaml", "extends itself"),
        ("extends: other.yaml", "extends itself"),
        ("extends: embeded", "there is no config file 'embeded'; give a YAML file, or one of: embedded"),
        ("extends: [embedded]", "must name a settings file or a profile"),
    ],
)
def test_a_file_that_extends_what_it_cannot_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "other.yaml").write_text("extends: mine.yaml")
    with pytest.raises(CallError, match=told):
        load(str(tmp_path / "mine.yaml"))


def test_a_bare_file_is_told_what_it_leaves_out(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("gates: {quality_max: 70}\n")
    missed = left_out(str(mine), Config, "embedded")
    assert missed == ["gates.motion_check_required", "gates.unjudged_max"]
    for whole in ("extends: embedded\ngates: {quality_max: 70}\n", to_yaml(load("embedded"))):
        mine.write_text(whole)
        assert not left_out(str(mine), Config, "embedded")
    assert not left_out("openai", Config, "embedded")
