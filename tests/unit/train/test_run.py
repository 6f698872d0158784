"""What identifies a run, and what its folder says about how far it has got."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from configs.settings import read
from pipeline.errors import CallError
from stages.train.rows import Rows, Source
from stages.train.run import (
    CHECKPOINTS,
    METRICS,
    STATE,
    TrainingRun,
    differences,
    discard,
    is_done,
    last_checkpoint,
    read_record,
    write_record,
)
from stages.train.settings import Phase, TrainConfig


def run(*overrides: str, phase: Phase = "sft", output: str = "o") -> TrainingRun:
    return TrainingRun(
        phase, read(f"train_{phase}", overrides, TrainConfig), Source("d", "llava", "v"), output
    )


def test_a_run_reaches_another_process_unchanged() -> None:
    sent = run("lora={rank: 3}", "launch.deepspeed=null", phase="dpo")
    assert TrainingRun.from_dict(json.loads(json.dumps(sent.as_dict()))) == sent


def test_what_only_affects_speed_may_change_when_a_run_is_resumed() -> None:
    def record(*overrides: str) -> dict[str, Any]:
        return run(*overrides).record(Rows([]))

    assert differences(record(), record("launch.workers=4", "save_steps=7", "loaders=0")) == []
    assert differences(record(), record("learning_rate=2e-5")) == ["learning_rate: was 1e-05, is 2e-05"]


def test_a_folder_says_whether_the_run_is_done_and_refuses_another_run(tmp_path: Path) -> None:
    rows, own = Rows([{"id": "1"}]), run(output=str(tmp_path / "M"))
    assert not is_done(own, rows), "nothing there yet"
    write_record(own.folder, own.record(rows))
    assert not is_done(own, rows), "only begun"
    write_record(own.folder, own.record(rows) | {"done": {"train_loss": 1.0}})
    assert is_done(own, rows)
    for other, its_rows, difference in (
        (run("weight_decay=0.2", output=own.output), rows, r"weight_decay: was 0\.1, is 0\.2"),
        (run(phase="dpo", output=own.output), rows, "stage: was 'sft', is 'dpo'"),
        (own, Rows([{"id": "2"}]), "rows: was"),
    ):
        with pytest.raises(CallError, match=f"{difference}.*--restart"):
            is_done(other, its_rows)


def test_the_order_of_rows_is_part_of_their_fingerprint() -> None:
    one, two = {"id": "1", "images": ["a"]}, {"images": ["b"], "id": "2"}
    assert Rows([one, two]).fingerprint == Rows([dict(reversed(one.items())), two]).fingerprint
    assert Rows([one, two]).fingerprint != Rows([two, one]).fingerprint


def test_an_incomplete_checkpoint_is_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for step, state in ((9, "{}"), (10, "{}"), (11, '{"global_st'), (12, None)):
        folder = tmp_path / CHECKPOINTS / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        if state:
            (folder / STATE).write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / CHECKPOINTS / "checkpoint-10"


def test_a_restart_discards_the_run_and_keeps_the_model(tmp_path: Path) -> None:
    write_record(tmp_path, run().record(Rows([])))
    for name in (CHECKPOINTS, METRICS):
        (tmp_path / name / "inside").mkdir(parents=True)
    (tmp_path / "model.safetensors").touch()
    discard(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert read_record(tmp_path) is None
    discard(tmp_path)  # which is nothing to fail on


def test_nothing_is_reported_to_the_authors_of_the_packages() -> None:
    check = "import stages.train.loop, huggingface_hub.constants as c; assert c.HF_HUB_DISABLE_TELEMETRY"
    environment = {key: value for key, value in os.environ.items() if key != "HF_HUB_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", check], env=environment, check=True, timeout=100)
