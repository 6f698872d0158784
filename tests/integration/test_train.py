"""Training, whole runs: a tiny random Qwen2.5-VL learns a dataset that was distilled here."""

import json
import math
import shutil
import signal
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs.settings import read
from jobs import train
from jobs.console import console
from pipeline.errors import CallError, RunError
from stages.train.inputs import frames, turns
from stages.train.loop import make_trainer
from stages.train.model import load_model, load_processor
from stages.train.rows import Source, read_rows
from stages.train.run import ADAPTER, CHECKPOINTS, METRICS, RECORD, TrainingRun, last_checkpoint
from stages.train.settings import Phase, TrainConfig, group_of
from tests import tiny, videos
from tests.cli import motionsight, sets, start

pytestmark = [pytest.mark.slow]

STEPS = 10
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
RATES = {"merger": 1e-3, "vision_tower": 1e-4, "language_model": 3e-3}
SETTINGS = """
model: {model}
precision: float32
learning_rate: 3.0e-3
groups:
  merger: {{pattern: 'visual\\.merger', learning_rate: 1.0e-3}}
  vision_tower: {{pattern: 'visual\\.', learning_rate: 1.0e-4}}
weight_decay: 0.0
warmup: 0.0
max_steps: {steps}
global_batch: 8
device_batch: 8
loaders: 0
gradient_checkpointing: false
video:
  max_pixels: 4096
  min_frames: 2
  max_frames: 4
  processor: {{size: {{shortest_edge: 784, longest_edge: 4096}}}}
launch: {{use_gpu: false}}
"""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with tiny.as_in_a_worker():
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `motionsight distill` makes of two seconds of each real clip, or of drawn ones without them."""
    folder = tmp_path_factory.mktemp("distilled")
    clips = sorted(videos.SHARED.glob("*.mp4"))
    if not clips:
        clips = [videos.write(folder / f"{k}.mp4", pan=0.04 * k, rate=24, frames=48) for k in range(1, 6)]
    shots = [{"uri": str(path), "start_s": 0, "end_s": 2, "video_id": path.stem} for path in clips]
    (folder / "clips.jsonl").write_text("\n".join(map(json.dumps, shots)))
    command = ["distill", "--input", folder / "clips.jsonl", "--output", folder / "W"]
    changes = ["split.preference_share=0.3", "split.shares={train: 1, validation: 0, test: 0}"]
    changes += ["gates.flow_min=0", "decode.size=128"]
    made = motionsight(*command, *sets(*changes), env=ONE_THREAD)
    assert made.returncode == 0, made.stderr
    return folder / "W" / "dataset"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.qwen2_5_vl(folder / "model")
    (folder / "tiny.yaml").write_text(SETTINGS.format(model=folder / "model", steps=STEPS))
    return folder / "tiny.yaml"


def load(path: Path | None, overrides: Sequence[str] = ()) -> TrainConfig:
    return read(path and str(path), overrides, TrainConfig)


def fit(
    phase: Phase, config: TrainConfig, dataset: Path | Source, output: Path, dry_run: bool = False
) -> None:
    source = dataset if isinstance(dataset, Source) else Source(str(dataset))
    train.run(TrainingRun(phase, config, source, str(output)), console(), dry_run=dry_run)


def losses(output: Path, name: str = "train/loss") -> list[float]:
    """What TensorBoard shows."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(output / METRICS))
    events.Reload()
    return [event.value for event in events.Scalars(name)]


def weights(model: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(model / "model.safetensors")


def moved(before: Path, after: Path, config: TrainConfig) -> dict[str, float]:
    """The farthest that a number of each group went."""
    old, new = weights(before), weights(after)
    assert old.keys() == new.keys()
    out: dict[str, float] = {}
    for name, value in old.items():
        group = group_of(name, config.groups)
        out[group] = max(out.get(group, 0.0), float(np.abs(value - new[name]).max()))
    return out


@pytest.fixture(scope="module")
def trained(dataset: Path, settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SFT, unbroken."""
    output = tmp_path_factory.mktemp("sft") / "M"
    fit("sft", load(settings), dataset, output)
    return output


def test_sft_learns_the_rows_by_heart(trained: Path) -> None:
    told = losses(trained)
    assert len(told) == STEPS
    assert told[-1] < told[0] / 2


def test_the_model_that_comes_out_loads_and_answers(trained: Path, dataset: Path) -> None:
    config = load(None, [f"model={trained}"])
    model, processor = load_model(config), load_processor(config)
    row = read_rows(Source(str(dataset)), "sft", "train").rows[0]
    shown, _ = frames(row["images"][0], config.video)
    text = processor.apply_chat_template(turns(row)[:1], tokenize=False, add_generation_prompt=True)
    asked = processor(text=[text], videos=[shown], do_sample_frames=False, return_tensors="pt")
    said = model.generate(**asked, max_new_tokens=2)
    assert said.shape[1] == asked["input_ids"].shape[1] + 2


def test_the_same_command_again_does_nothing_and_other_settings_are_refused(
    trained: Path, dataset: Path, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source(str(dataset))
    fit("sft", load(settings, ["save_steps=3"]), source, trained)
    assert "nothing to do" in capsys.readouterr().err
    with pytest.raises(CallError, match=r"weight_decay: was 0\.0, is 0\.2.*--restart"):
        fit("sft", load(settings, ["weight_decay=0.2"]), source, trained)


def test_killed_and_resumed_training_ends_with_the_weights_of_an_unbroken_run(
    trained: Path, dataset: Path, settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "M"
    words = ("--dataset", dataset, "--output", output, "--config", settings, "--set", "save_steps=1")
    process = start("train", "sft", *words, env=ONE_THREAD, stderr=None)
    end = time.monotonic() + 120
    while process.poll() is None and not last_checkpoint(output) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (output / "model.safetensors").exists()
    fit("sft", load(settings), dataset, output)
    assert "resuming from" in capsys.readouterr().err
    unbroken, resumed = weights(trained), weights(output)
    assert unbroken.keys() == resumed.keys()
    assert all(np.allclose(unbroken[name], resumed[name], atol=1e-5) for name in unbroken)


@pytest.mark.parametrize(
    "changes", [[], ["lora={rank: 4, alpha: 8, dropout: 0.1}"]], ids=["whole model", "adapters"]
)
def test_resumed_preference_training_keeps_its_reference(
    dataset: Path, settings: Path, tmp_path: Path, changes: list[str]
) -> None:
    small = ["max_steps=3", "device_batch=1", "global_batch=1", "save_steps=1", "keep=9"]
    config, source = load(settings, [*small, *changes]), Source(str(dataset))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    fit("dpo", config, source, whole)
    # As a kill during the second step leaves it.
    shutil.copytree(whole / CHECKPOINTS / "checkpoint-1", broken / CHECKPOINTS / "checkpoint-1")
    record = json.loads((whole / RECORD).read_text())
    (broken / RECORD).write_text(json.dumps({key: record[key] for key in record if key != "done"}))
    fit("dpo", config, source, broken)
    unbroken, resumed = weights(whole), weights(broken)
    assert all(np.allclose(unbroken[name], resumed[name], atol=1e-5) for name in unbroken)


def test_each_part_moves_at_its_own_rate(dataset: Path, settings: Path, tmp_path: Path) -> None:
    # AdamW's first step is the learning rate itself, wherever there is a gradient.
    config = load(settings, ["max_steps=1", "scheduler=constant"])
    fit("sft", config, dataset, tmp_path / "M")
    assert moved(Path(config.model), tmp_path / "M", config) == pytest.approx(RATES, rel=0.02)


def test_dpo_raises_the_margin_and_leaves_frozen_parts_alone(
    dataset: Path, settings: Path, tmp_path: Path
) -> None:
    frozen = [f"groups.{group}.frozen=true" for group in ("merger", "vision_tower")]
    config = load(settings, [*frozen, "max_steps=4", "device_batch=2", "global_batch=2"])
    fit("dpo", config, dataset, tmp_path / "M")
    margins = losses(tmp_path / "M", "train/rewards/margins")
    assert margins[0] == pytest.approx(0, abs=1e-5)
    assert margins[-1] > 1
    assert losses(tmp_path / "M")[0] == pytest.approx(math.log(2), abs=1e-4)
    far = moved(Path(config.model), tmp_path / "M", config)
    assert far["merger"] == far["vision_tower"] == 0
    assert far["language_model"] > RATES["language_model"]


def log_probability(model: Any, processor: Any, row: dict[str, Any], side: str, config: TrainConfig) -> float:
    """log pi(answer | video, question): the answer's tokens and its end mark, one after the other."""
    import torch

    pictures, fps = frames(row["images"][0], config.video)
    conversation = turns(row, side)
    asked, whole = (
        processor(
            text=[processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask)],
            videos=[pictures],
            video_metadata=[
                {"total_num_frames": len(pictures), "fps": fps, "frames_indices": [*range(len(pictures))]}
            ],
            do_sample_frames=False,
            return_tensors="pt",
            **config.video.processor,
        )
        for messages, ask in ((conversation[:1], True), (conversation, False))
    )
    start = asked["input_ids"].shape[1]
    with torch.no_grad():
        odds = model(**whole).logits[0].double().log_softmax(-1)
    said = whole["input_ids"][0]
    return sum(float(odds[k - 1, said[k]]) for k in range(start, len(said)))


def test_the_dpo_loss_is_the_papers_formula(dataset: Path, settings: Path, tmp_path: Path) -> None:
    import torch

    config = load(settings, ["dpo.beta=0.1"])
    source = Source(str(dataset))
    rows = read_rows(source, "dpo", "train")
    processor = load_processor(config)
    made = make_trainer(TrainingRun("dpo", config, source, str(tmp_path)), rows, processor)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 1e-3)
    made.model.eval()
    with torch.no_grad():
        loss = float(made.compute_loss(made.model, made.data_collator(rows.rows)))

    reference = load_model(config).eval()
    expected = []
    for row in rows.rows:
        ratio = {
            side: log_probability(made.model, processor, row, side, config)
            - log_probability(reference, processor, row, side, config)
            for side in ("chosen", "rejected")
        }
        expected.append(math.log1p(math.exp(-config.dpo.beta * (ratio["chosen"] - ratio["rejected"]))))
    assert loss != pytest.approx(math.log(2), abs=1e-3)
    assert loss == pytest.approx(float(np.mean(expected)), abs=1e-4)


def test_adapters_learn_in_the_layers_they_are_for_and_come_merged(
    dataset: Path, settings: Path, tmp_path: Path
) -> None:
    lora = "lora={rank: 4, alpha: 8, pattern: 'language_model.*q_proj$'}"
    config = load(settings, [lora, "max_steps=2", "device_batch=2", "global_batch=4"])
    fit("dpo", config, dataset, tmp_path / "M")
    before, after = weights(Path(config.model)), weights(tmp_path / "M")
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {
        f"model.language_model.layers.{k}.self_attn.q_proj.weight" for k in range(2)
    } or changed == {f"model.layers.{k}.self_attn.q_proj.weight" for k in range(2)}
    assert (tmp_path / "M" / ADAPTER / "adapter_model.safetensors").exists()


def test_a_dry_run_says_the_plan_and_writes_nothing(
    dataset: Path, settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source(str(dataset))
    count = len(read_rows(source, "sft", "train").rows)
    changes = ["max_steps=null", "epochs=2", "device_batch=1", "global_batch=4", "groups.merger.frozen=true"]
    fit("sft", load(settings, changes), source, tmp_path / "M", dry_run=True)
    told = " ".join(capsys.readouterr().err.split())
    assert f"rows {count} about" in told
    assert "batch 4 = 1 rows x 4 passes x 1 processes" in told
    assert f"steps {2 * math.ceil(count / 4)} " in told
    assert "merger 0 of 98,752 parameters trained, frozen" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            ["groups.merger.pattern=connector"],
            r"groups\.merger\.pattern 'connector' .*its parts are .*model\.visual",
        ),
        (["lora={pattern: nothing}"], r"lora\.pattern 'nothing'"),
        (["device_batch=3"], "global_batch 8 is not a multiple of device_batch 3"),
        (["launch.deepspeed=zero3"], "training needs deepspeed"),
        (["model=no/where"], "cannot load the processor of model 'no/where'"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    dataset: Path, settings: Path, tmp_path: Path, changes: list[str], says: str
) -> None:
    with pytest.raises(CallError, match=says):
        fit("sft", load(settings, changes), dataset, tmp_path / "M")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("loaders", [0, 1])
def test_a_video_that_cannot_be_decoded_ends_the_run_in_one_sentence(
    dataset: Path, settings: Path, tmp_path: Path, loaders: int
) -> None:
    said = [{"from": "human", "value": "<video>\nHow?"}, {"from": "gpt", "value": "So."}]
    items = [{"video": "good.mp4", "conversations": said} for _ in range(16)]
    items[1] = {"video": "bad.mp4", "conversations": said}
    videos.write(tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "rows.json").write_text(json.dumps(items))
    config = load(settings, [f"loaders={loaders}"])
    source = Source(str(tmp_path / "rows.json"), "llava")
    with pytest.raises(RunError, match=r"^cannot train on \S+bad\.mp4: .*again$"):
        fit("sft", config, source, tmp_path / "M")


def test_the_files_for_other_trainers_read_as_the_same_rows(dataset: Path, tmp_path: Path) -> None:
    for tar in dataset.glob("*/*.tar"):
        with tarfile.open(tar) as archive:
            archive.extractall(tmp_path, filter="data")
    for phase, said in (("sft", ("messages",)), ("dpo", ("prompt", "chosen", "rejected"))):
        own = read_rows(Source(str(dataset)), phase, "train").rows
        llava = read_rows(
            Source(str(dataset / "llava" / f"{phase}.json"), "llava", str(tmp_path)), phase, "train"
        ).rows
        files = read_rows(Source(str(dataset), videos=str(tmp_path)), phase, "train").rows
        for other in (llava, files):
            by_id = {row["id"]: row for row in other}
            assert [{key: by_id[row["id"]][key] for key in said} for row in own] == [
                {key: row[key] for key in said} for row in own
            ]


def test_a_video_that_is_in_no_tar_is_named(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dataset"
    for folder in ("sft", "index"):
        (copy / folder).mkdir(parents=True)
        for path in (dataset / folder).glob("*.parquet"):
            (copy / folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(CallError, match=r"train-000000\.tar::.*--videos.*skip_missing"):
        read_rows(Source(str(copy)), "sft", "train")


@pytest.mark.long
@pytest.mark.ray
def test_two_workers_of_ray_learn_what_one_process_learns(
    dataset: Path, settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    base = ["max_steps=2", "device_batch=1", "global_batch=2"]
    here = ["launch.backend=ray", "launch.workers=2", "launch.cpus_per_worker=0.5"]
    source = Source(str(dataset))
    fit("sft", load(settings, base), source, tmp_path / "one")
    try:
        fit("sft", load(settings, [*base, *here]), source, tmp_path / "two")
    finally:
        ray.shutdown()
    assert "1 rows x 1 passes x 2 processes" in capsys.readouterr().err
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    start = weights(Path(load(settings).model))
    apart = max(float(np.abs(one[name] - two[name]).max()) for name in one)
    assert max(float(np.abs(one[name] - start[name]).max()) for name in one) > 20 * apart
