"""From rows to the model's inputs: frames, tokens, and which tokens the loss is computed on.

TRL's own collators accept images but not videos. As images, frames would lose their times and, in Qwen-VL,
take twice the tokens. So videos are put through the model's processor here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import ClipError, RunError
from stages.motionsight.observe import fit_within
from stages.train.rows import Row
from stages.train.settings import VideoConfig
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.probe import middles

IGNORED = -100  # the label that PyTorch's cross entropy ignores


def frames(uri: str, config: VideoConfig) -> tuple[np.ndarray, float]:
    """Sample frames evenly from a video.

    Args:
        uri: The video.
        config: How many frames to take, and how large.

    Returns:
        Frames (T, H, W, 3) uint8 RGB, and how many of them there are per second.

    Raises:
        RunError: The video cannot be decoded; the message names it.
    """
    try:
        clip = Clip(uri)
        probe = clip.probe
        count = round(probe.duration_s * config.fps)
        shown = np.unique(middles(probe, min(max(count, config.min_frames), config.max_frames)))
        size = fit_within(probe.width, probe.height, config.max_pixels)
        (taken,) = clip.read([Wanted(shown, size, True)], DecodeConfig())
    except ClipError as error:
        raise RunError(
            f"cannot train on {uri}: {error.detail} ({error.code}); replace the file and run the same "
            "command again"
        ) from error
    return taken.pictures, len(shown) / probe.duration_s


def turns(row: Row, side: str | None = None) -> list[dict[str, Any]]:
    """The messages of a row in the form of chat templates, with the video before the first question.

    Args:
        row: A row, as `stages.train.rows` describes them.
        side: For a DPO row, which answer to take: `chosen` or `rejected`.
    """
    conversation = (
        row["messages"]
        if side is None
        else [
            {"role": "user", "content": row["prompt"]},
            {"role": "assistant", "content": row[side]},
        ]
    )
    messages = [
        {"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in conversation
    ]
    first = next(m for m in messages if m["role"] == "user")
    first["content"].insert(0, {"type": "video"})
    return messages


def segments(processor: Any, messages: Sequence[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Render a conversation in the model's chat template, and cut it by who writes the text.

    Args:
        processor: The model's processor.
        messages: The conversation, as `turns` returns it.

    Returns:
        Pieces of text, and whether the loss is computed on them: it is on what the model itself has to write,
        which is its answers and the token that ends each.

    Raises:
        RunError: The template does not render the start of a conversation the same as it goes on.
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
                "the model's chat template renders the start of a conversation differently as it goes on"
            )
        out += [(asked[len(done) :], False), (answered[len(asked) :], True)]
        done = answered
    return out


@dataclass(frozen=True)
class Encoder:
    """Puts a conversation about a video through the model's processor.

    Attributes:
        processor: The model's processor.
        config: Which frames the model gets.
    """

    processor: Any
    config: VideoConfig

    def __call__(
        self, pictures: np.ndarray, fps: float, messages: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        """Encode one conversation.

        Args:
            pictures: (T, H, W, 3) uint8 RGB.
            fps: How many pictures there are per second.
            messages: The conversation, as `turns` returns it.

        Returns:
            Tensors of batch size 1 by the names of the model's arguments, and `labels` (1, L) int64.
        """
        import torch

        (head, _), *rest = segments(self.processor, messages)
        encoded = dict(
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
        head_ids = encoded["input_ids"]
        ids, labels = [head_ids], [torch.full_like(head_ids, IGNORED)]
        for text, learnt in rest:
            tokens = self.processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")[
                "input_ids"
            ]
            ids.append(tokens)
            labels.append(tokens if learnt else torch.full_like(tokens, IGNORED))
        more = sum(tokens.shape[1] for tokens in ids) - head_ids.shape[1]
        per_token = [key for key, value in encoded.items() if getattr(value, "shape", None) == head_ids.shape]
        for key in per_token:
            fill = 1 if key == "attention_mask" else 0  # a token type of 0 is text
            encoded[key] = torch.nn.functional.pad(encoded[key], (0, more), value=fill)
        return encoded | {"input_ids": torch.cat(ids, 1), "labels": torch.cat(labels, 1)}


def batch(encoded: Sequence[dict[str, Any]], pad: int) -> dict[str, Any]:
    """Join encoded rows into a batch.

    Args:
        encoded: What `Encoder` returns for each row.
        pad: The id of the padding token.

    Returns:
        The same tensors for all rows; those with a value per token are padded on the right.
    """
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
    """Makes batches for SFT: the model's arguments and `labels`."""

    encode: Encoder

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        encoded = [self.encode(*frames(row["images"][0], self.encode.config), turns(row)) for row in rows]
        return batch(encoded, self.encode.processor.tokenizer.pad_token_id)


@dataclass(frozen=True)
class DpoCollator:
    """Makes batches for DPO: all chosen answers, then all rejected ones, as TRL's loss expects.

    In place of labels they have `completion_mask`, which is 1 on the tokens of the answers.
    """

    encode: Encoder

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        videos = [frames(row["images"][0], self.encode.config) for row in rows]
        encoded = [
            self.encode(*video, turns(row, side))
            for side in ("chosen", "rejected")
            for row, video in zip(rows, videos, strict=True)
        ]
        made = batch(encoded, self.encode.processor.tokenizer.pad_token_id)
        made["completion_mask"] = (made.pop("labels") != IGNORED).long()
        return made
