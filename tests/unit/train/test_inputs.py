"""What the model gets of a row, and which tokens the loss is computed on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import RunError
from stages.train.inputs import IGNORED, DpoCollator, Encoder, SftCollator, frames, segments, turns
from stages.train.settings import VideoConfig
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


def sft_row(path: Path, *texts: str) -> dict[str, Any]:
    roles = ("user", "assistant") * len(texts)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return {"id": "1", "images": [str(path)], "messages": messages}


@pytest.mark.parametrize(("fps", "most", "expected"), [(1, 128, 4), (2, 128, 8), (0.1, 128, 2), (12, 6, 6)])
def test_frames_are_sampled_at_the_configured_rate_within_the_bounds(
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
def test_the_loss_is_on_the_answers_and_their_end_tokens_only(
    processor: Any, clip: Path, texts: tuple[str, ...]
) -> None:
    made = SftCollator(Encoder(processor, SMALL))([sft_row(clip, *texts)])
    ids, labels = made["input_ids"][0], made["labels"][0]
    learnt = labels != IGNORED
    assert processor.tokenizer.decode(ids[learnt]) == "".join(f"{a}<|im_end|>\n" for a in texts[1::2])
    assert (ids[learnt] == labels[learnt]).all()
    masked = processor.tokenizer.decode(ids[~learnt])
    assert all(question in masked for question in texts[::2])


def test_the_tokens_are_those_of_the_conversation_encoded_as_a_whole(processor: Any, clip: Path) -> None:
    row = sft_row(clip, "How does it move?", "It pans left.", "And then?", "It stops.")
    pictures, fps = frames(row["images"][0], SMALL)
    made = Encoder(processor, SMALL)(pictures, fps, turns(row))
    text = processor.apply_chat_template(turns(row), tokenize=False)
    whole = processor(
        text=[text], videos=[pictures], do_sample_frames=False, return_tensors="pt", **SMALL.processor
    )
    assert made["input_ids"].tolist() == whole["input_ids"].tolist()
    assert made["mm_token_type_ids"].tolist() == whole["mm_token_type_ids"].tolist()
    assert "".join(piece for piece, _ in segments(processor, turns(row))) == text


def test_a_batch_keeps_its_rows_unchanged_and_masks_the_padding(processor: Any, clip: Path) -> None:
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
