"""Settings, rows and inputs of training; no model is trained here."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import CallError, RunError
from stages.train.config import TrainConfig, VideoConfig, accumulation, group_of, load
from stages.train.inputs import IGNORED, DpoCollator, Encoder, SftCollator, frames, pieces, turns
from stages.train.loop import STATE, Run, as_dict, differences, from_dict, last_checkpoint
from stages.train.rows import Rows, Source, read, select
from tests import tiny, videos

SMALL = VideoConfig(
    max_pixels=64 * 64,
    min_frames=2,
    max_frames=6,
    processor={"size": {"shortest_edge": 28 * 28, "longest_edge": 64 * 64}},
)


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from transformers import AutoProcessor

    with tiny.as_in_a_worker():
        yield AutoProcessor.from_pretrained(tiny.qwen2_5_vl(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds at 12 frames a second."""
    return videos.write(tmp_path_factory.mktemp("clips") / "käfer ü.mp4", frames=48)


def told(path: Path, items: list[Any], lines: bool = False) -> Path:
    path.write_text("\n".join(map(json.dumps, items)) if lines else json.dumps(items), encoding="utf-8")
    return path


def human(text: str) -> dict[str, str]:
    return {"from": "human", "value": text}


def gpt(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


# Settings


@pytest.mark.parametrize("name", ["train_sft", "train_dpo"])
def test_the_shipped_settings_are_those_of_the_paper(name: str) -> None:
    config = load(name)
    assert (config.learning_rate, config.weight_decay, config.warmup) == (1e-5, 0.1, 0.03)
    assert (config.scheduler, config.global_batch, config.precision) == ("cosine", 128, "bf16")
    assert (config.video.fps, config.video.max_pixels) == (1, 360 * 420)
    vision, merger = config.groups["vision_tower"], config.groups["merger"]
    if name == "train_sft":
        assert config.epochs == 3
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
        ("groups.merger.pattern='('", "groups.merger.pattern: .*no regular expression"),
        ("learning_rate=0", "learning_rate: input should be greater than 0"),
        ("learning_rate", "expected name=value"),
        ("video=[", "not valid YAML"),
        ("lora={rank: 8}", "lora needs no ZeRO.*launch.deepspeed=null"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(override: str, says: str) -> None:
    with pytest.raises(CallError, match=says):
        load("train_sft", [override])


def test_an_override_beats_the_file_at_any_depth_and_leaves_the_rest() -> None:
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
        assert accumulation(config, world) * device * world == batch
    else:
        with pytest.raises(CallError, match="global_batch") as refused:
            accumulation(config, world)
        found = re.search(r"global_batch=(\d+)", str(refused.value))
        assert found
        assert accumulation(config.model_copy(update={"global_batch": int(found[1])}), world) >= 1


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
def test_the_parts_of_qwen_and_internvl_are_told_apart(parameter: str, group: str) -> None:
    assert group_of(parameter, load("train_sft").groups) == group


def test_a_run_goes_to_another_process_and_comes_back_the_same() -> None:
    run = Run(
        "dpo",
        load("train_dpo", ["lora={rank: 3}", "launch.deepspeed=null"]),
        Source("d", "llava", "v"),
        "/out",
    )
    assert from_dict(json.loads(json.dumps(as_dict(run)))) == run


def test_what_only_makes_a_run_faster_may_change_when_it_goes_on() -> None:
    def record(*overrides: str) -> dict[str, Any]:
        return Run("sft", load("train_sft", overrides), Source("d"), "o").record(Rows([]))

    assert differences(record(), record("launch.workers=4", "save_steps=7", "loaders=0")) == []
    assert differences(record(), record("learning_rate=2e-5")) == ["learning_rate: was 1e-05, is 2e-05"]


def test_a_checkpoint_that_was_not_written_to_its_end_is_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for step, state in ((9, "{}"), (10, "{}"), (11, '{"global_st'), (12, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state:
            (folder / STATE).write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_nothing_is_told_to_the_makers_of_the_packages() -> None:
    check = "import stages.train.loop, huggingface_hub.constants as c; assert c.HF_HUB_DISABLE_TELEMETRY"
    environment = {key: value for key, value in os.environ.items() if key != "HF_HUB_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", check], env=environment, check=True, timeout=100)


# Rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "sub/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"-")
    return tmp_path


def test_sharegpt4videos_captions_become_questions_and_answers(folder: Path) -> None:
    captions = [{"idx": "0", "content": "A frame."}, {"idx": "-1", "content": "Ein Käfer läuft. 🐞"}]
    item = {"video_id": "x", "video_path": "sub/b.mp4", "captions": captions, "zip_folder": "z.zip"}
    source = Source(str(told(folder / "c.jsonl", [item], lines=True)), "sharegpt4video")
    (row,) = read(source, "sft", "train").rows
    assert (row["id"], row["images"]) == ("x", [str(folder / "sub/b.mp4")])
    assert [m["role"] for m in row["messages"]] == ["user", "assistant"]
    assert row["messages"][1]["content"] == "Ein Käfer läuft. 🐞"


def test_its_instruction_mix_is_read_and_rows_without_a_video_are_counted(folder: Path) -> None:
    turns_ = [human("<video>\nWhat?"), gpt("A cat."), human("Where?"), gpt("There.")]
    items = [
        {"id": 7, "video": "a.mp4", "conversations": turns_},
        {"id": 8, "image": "p.jpg", "conversations": [human("<image>\nWhat?"), gpt("A dog.")]},
        {"id": 9, "conversations": [human("Hi"), gpt("Hello")]},
    ]
    found = read(Source(str(told(folder / "m.json", items)), "sharegpt4video"), "sft", "train")
    (row,) = found.rows
    assert found.without_video == 2
    assert [m["content"] for m in row["messages"]] == ["What?", "A cat.", "Where?", "There."]


def test_llavas_preferences_are_read_and_their_tag_is_left_out(folder: Path) -> None:
    item = {"id": "1", "video": "a.mp4", "prompt": "<video>\nHow?", "chosen": "Left.", "rejected": "Right."}
    (row,) = read(Source(str(told(folder / "d.json", [item])), "llava"), "dpo", "train").rows
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("How?", "Left.", "Right.")


def test_a_missing_video_is_named_with_its_remedy_and_may_be_skipped(folder: Path) -> None:
    items = [{"video": name, "conversations": [human("Q"), gpt("A")]} for name in ("gone.mp4", "a.mp4")]
    source = Source(str(told(folder / "m.json", items)), "llava")
    with pytest.raises(CallError, match=r"1 of the videos .*gone\.mp4.*--videos.*skip_missing=true"):
        read(source, "sft", "train")
    found = read(source, "sft", "train", skip_missing=True)
    assert [Path(row["images"][0]).name for row in found.rows] == ["a.mp4"]
    assert found.missing == (str(folder / "gone.mp4"),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no sft row with a video"),
        ("[]", "no sft row with a video"),
        ("{", "cannot read .* as JSON"),
        ("[3]", "item 0 is not of the form 'llava' for sft"),
        ('[{"video": "a.mp4"}]', "item 0 is not of the form 'llava' for sft .*conversations"),
        ('[{"video": "a.mp4", "conversations": []}]', "item 0 .*a question and an answer"),
    ],
)
def test_a_file_of_another_form_is_refused_with_the_place(folder: Path, text: str, says: str) -> None:
    (folder / "x.json").write_text(text)
    with pytest.raises(CallError, match=says):
        read(Source(str(folder / "x.json"), "llava"), "sft", "train")


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"no sft/train-\*\.parquet in .*motionsight split"):
        read(Source(str(tmp_path)), "sft", "train")


@given(st.integers(0, 100), st.integers(1, 20))
def test_a_sample_is_of_the_rows_in_order_and_never_too_large(rows: int, count: int) -> None:
    chosen = [row["k"] for row in select([{"k": k} for k in range(rows)], count)]
    assert len(chosen) == min(rows, count)
    assert chosen == sorted(set(chosen))


# Inputs


def sft_row(path: Path, *texts: str) -> dict[str, Any]:
    roles = ("user", "assistant") * len(texts)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return {"id": "1", "images": [str(path)], "messages": messages}


@pytest.mark.parametrize(("fps", "most", "expected"), [(1, 128, 4), (2, 128, 8), (0.1, 128, 2), (12, 6, 6)])
def test_frames_come_at_the_asked_rate_within_the_bounds(
    clip: Path, fps: float, most: int, expected: int
) -> None:
    config = VideoConfig(fps=fps, min_frames=2, max_frames=most, max_pixels=5000)
    pictures, rate = frames(str(clip), config)
    assert len(pictures) == expected
    assert rate == pytest.approx(expected / 4, rel=0.05)
    assert 4000 < pictures.shape[1] * pictures.shape[2] <= 5000
    assert pictures.dtype == np.uint8


def test_a_video_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    with pytest.raises(RunError, match=r"bad\.mp4.*not_a_video"):
        frames(str(tmp_path / "bad.mp4"), SMALL)


@pytest.mark.parametrize("texts", [("Q?", "An answer."), ("Q?", "Größer 🐞", "And?", "Two."), ("", "x")])
def test_loss_is_on_the_answers_and_the_mark_that_ends_them_alone(
    processor: Any, clip: Path, texts: tuple[str, ...]
) -> None:
    made = SftCollator(Encoder(processor, SMALL))([sft_row(clip, *texts)])
    ids, labels = made["input_ids"][0], made["labels"][0]
    learnt = labels != IGNORED
    assert processor.tokenizer.decode(ids[learnt]) == "".join(f"{a}<|im_end|>\n" for a in texts[1::2])
    assert (ids[learnt] == labels[learnt]).all()
    masked = processor.tokenizer.decode(ids[~learnt])
    assert all(question in masked for question in texts[::2])


def test_the_tokens_are_those_of_the_whole_conversation_at_once(processor: Any, clip: Path) -> None:
    row = sft_row(clip, "How does it move?", "It pans left.", "And then?", "It stops.")
    pictures, fps = frames(row["images"][0], SMALL)
    made = Encoder(processor, SMALL)(pictures, fps, turns(row))
    text = processor.apply_chat_template(turns(row), tokenize=False)
    whole = processor(
        text=[text], videos=[pictures], do_sample_frames=False, return_tensors="pt", **SMALL.processor
    )
    assert made["input_ids"].tolist() == whole["input_ids"].tolist()
    assert made["mm_token_type_ids"].tolist() == whole["mm_token_type_ids"].tolist()
    assert "".join(piece for piece, _ in pieces(processor, turns(row))) == text


def test_a_batch_holds_its_rows_unchanged_and_hides_the_padding(processor: Any, clip: Path) -> None:
    collate = SftCollator(Encoder(processor, SMALL))
    rows = [sft_row(clip, "Q?", "A."), sft_row(clip, "A longer question?", "And a much longer answer.")]
    together, alone = collate(rows), [collate([row]) for row in rows]
    for k, one in enumerate(alone):
        length = one["input_ids"].shape[1]
        for key in ("input_ids", "labels", "attention_mask", "mm_token_type_ids"):
            assert together[key][k, :length].tolist() == one[key][0].tolist()
        assert not together["attention_mask"][k, length:].any()
        assert (together["labels"][k, length:] == IGNORED).all()
    patches = [one["pixel_values_videos"].shape[0] for one in alone]
    assert together["pixel_values_videos"].shape[0] == sum(patches)
    assert together["second_per_grid_ts"].tolist() == pytest.approx([2 * 4 / 4] * 2, rel=0.05)


def test_preferences_are_all_chosen_then_all_rejected_with_the_same_prompt(
    processor: Any, clip: Path
) -> None:
    rows = [
        {"images": [str(clip)], "prompt": f"Q{k}?", "chosen": f"good {k}", "rejected": f"not so good {k}"}
        for k in range(2)
    ]
    made = DpoCollator(Encoder(processor, SMALL))(rows)
    said = [
        processor.tokenizer.decode(ids[mask == 1])
        for ids, mask in zip(made["input_ids"], made["completion_mask"], strict=True)
    ]
    answers = ["good 0", "good 1", "not so good 0", "not so good 1"]
    assert said == [f"{answer}<|im_end|>\n" for answer in answers]
    assert "labels" not in made
    for k in range(2):
        length = int((made["completion_mask"][k] == 1).nonzero()[0])
        assert made["input_ids"][k, :length].tolist() == made["input_ids"][k + 2, :length].tolist()
