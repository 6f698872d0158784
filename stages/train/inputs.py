"""From rows to what the model takes: frames, tokens, and which tokens carry loss.

TRL's own collators read pictures and no videos; pictures would lose the frames' times and, in Qwen-VL, cost
twice the tokens. So videos are put through the model's processor here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import ClipError, RunError
from stages.motionsight.observe import within
from stages.train.config import VideoConfig
from stages.train.rows import Row
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.probe import middles

IGNORED = -100  # a label that PyTorch's cross entropy leaves out


def frames(uri: str, config: VideoConfig) -> tuple[np.ndarray, float]:
    """Evenly spread frames (T, H, W, 3) uint8 RGB of a video, and how many of them there are per second.

    Raises RunError that names the video when it cannot be decoded.
    """
    try:
        clip = Clip(uri)
        probe = clip.probe
        count = round(probe.duration_s * config.fps)
        shown = np.unique(middles(probe, min(max(count, config.min_frames), config.max_frames)))
        size = within(probe.width, probe.height, config.max_pixels)
        (taken,) = clip.read([Wanted(shown, size, True)], DecodeConfig())
    except ClipError as error:
        raise RunError(
            f"cannot train on {uri}: {error.detail} ({error.code}); replace the file and give the same "
            "command again"
        ) from error
    return taken.pictures, len(shown) / probe.duration_s


def turns(row: Row, side: str | None = None) -> list[dict[str, Any]]:
    """The messages of a row, the video before the first question; side: `chosen` or `rejected` for DPO."""
    said = (
        row["messages"]
        if side is None
        else [
            {"role": "user", "content": row["prompt"]},
            {"role": "assistant", "content": row[side]},
        ]
    )
    messages = [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in said]
    first = next(m for m in messages if m["role"] == "user")
    first["content"].insert(0, {"type": "video"})
    return messages


def pieces(processor: Any, messages: Sequence[dict[str, Any]]) -> list[tuple[str, bool]]:
    """The conversation in the model's chat template, cut into (text, carries loss).

    Loss is on what the model itself would say: its answers and the mark that ends each.
    """

    def rendered(count: int, ask: bool) -> str:
        return processor.apply_chat_template(
            list(messages[:count]), tokenize=False, add_generation_prompt=ask
        )

    out, done = [], ""
    for k, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        asked, answered = rendered(k, True), rendered(k + 1, False)
        if not asked.startswith(done) or not answered.startswith(asked):
            raise RunError(
                "the model's chat template renders a conversation's start differently as it goes on"
            )
        out += [(asked[len(done) :], False), (answered[len(asked) :], True)]
        done = answered
    return out


@dataclass(frozen=True)
class Encoder:
    """Puts a conversation about a video through the model's processor."""

    processor: Any
    config: VideoConfig

    def __call__(
        self, pictures: np.ndarray, fps: float, messages: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        """Tensors by the model's argument names, of batch size 1, and `labels` (1, L) int64.

        pictures (T, H, W, 3) uint8 at fps frames a second.
        """
        import torch

        (head, _), *rest = pieces(self.processor, messages)
        made = dict(
            self.processor(
                text=[head],
                videos=[pictures],
                video_metadata=[
                    {
                        "total_num_frames": len(pictures),
                        "fps": fps,
                        "frames_indices": list(range(len(pictures))),
                    }
                ],
                do_sample_frames=False,
                return_tensors="pt",
                add_special_tokens=False,
                **self.config.processor,
            )
        )
        ids = made["input_ids"]
        labels = [torch.full_like(ids, IGNORED)]
        told = [ids]
        for text, learnt in rest:
            tokens = self.processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")[
                "input_ids"
            ]
            told.append(tokens)
            labels.append(tokens if learnt else torch.full_like(tokens, IGNORED))
        by_token = [key for key, value in made.items() if getattr(value, "shape", None) == ids.shape]
        length = sum(tokens.shape[1] for tokens in told)
        for key in by_token:
            after = 1 if key == "attention_mask" else 0  # a token type of 0 is text
            made[key] = torch.nn.functional.pad(made[key], (0, length - ids.shape[1]), value=after)
        return made | {"input_ids": torch.cat(told, 1), "labels": torch.cat(labels, 1)}


def batch(encoded: Sequence[dict[str, Any]], pad: int) -> dict[str, Any]:
    """One batch out of rows of batch size 1: what has a place for each token is padded on the right."""
    import torch

    length = max(one["input_ids"].shape[1] for one in encoded)
    fills = {"input_ids": pad, "labels": IGNORED}
    out: dict[str, Any] = {}
    for key, first in encoded[0].items():
        values = [one[key] for one in encoded]
        if not hasattr(first, "shape"):
            out[key] = [value for each in values for value in each]
        elif first.shape == encoded[0]["input_ids"].shape:
            fill = fills.get(key, 0)
            padded = [torch.nn.functional.pad(v, (0, length - v.shape[1]), value=fill) for v in values]
            out[key] = torch.cat(padded)
        else:
            out[key] = torch.cat(values)
    return out


@dataclass(frozen=True)
class SftCollator:
    """Rows to a batch with labels."""

    encode: Encoder

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        encoded = [self.encode(*frames(row["images"][0], self.encode.config), turns(row)) for row in rows]
        return batch(encoded, self.encode.processor.tokenizer.pad_token_id)


@dataclass(frozen=True)
class DpoCollator:
    """Rows to a batch of all chosen answers, then all rejected ones, as TRL's loss takes them apart."""

    encode: Encoder

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        seen = [frames(row["images"][0], self.encode.config) for row in rows]
        encoded = [
            self.encode(*shown, turns(row, side))
            for side in ("chosen", "rejected")
            for row, shown in zip(rows, seen, strict=True)
        ]
        made = batch(encoded, self.encode.processor.tokenizer.pad_token_id)
        made["completion_mask"] = (made.pop("labels") != IGNORED).long()
        return made
