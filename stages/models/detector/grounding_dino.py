"""Grounding DINO (Liu et al. 2023, arXiv 2303.05499): finds objects by name.

The names go in as one text, "c1. c2."; the model scores each token of the text for every box. Key frames
share a batch, also with those of other clips of the same size: if frames were padded to a common size, the
backbone's attention would reach into the padding. Texts may differ, because their padding is masked.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.errors import ClipError
from pipeline.identity import OPERATIONAL
from stages.models.backend import DetectorBackend
from stages.models.batching import Batches
from stages.models.checkpoint import CheckpointConfig, load, load_model, version
from stages.models.protocols import Detections, View
from stages.models.turns import InTurn

TOKENS = 256  # limit of one text, its start and end tokens included
Forward = Callable[[np.ndarray, str], tuple[np.ndarray, np.ndarray]]


class GroundingConfig(DetectorBackend):
    """Which detections count, and in which frames to look for objects."""

    box_threshold: float = Field(0.25, ge=0, le=1, description="a box must score above this (official: 0.25)")
    text_threshold: float = Field(
        0.25, ge=0, le=1, description="its name must score above this (official: 0.25)"
    )
    step_s: float = Field(
        1.0, ge=0, description="interval between searched frames, seconds; 0: all shown frames"
    )
    batch_size: Annotated[int, OPERATIONAL] = Field(
        4, ge=1, description="frames searched at once, of one clip or several"
    )


class GroundingDinoConfig(GroundingConfig, CheckpointConfig):
    """Grounding DINO in transformers."""

    architecture: ClassVar[str] = "grounding-dino"
    reentrant: ClassVar[bool] = True
    backend: Literal["grounding_dino"] = "grounding_dino"
    model: str = Field(
        "IDEA-Research/grounding-dino-base",
        min_length=1,
        description="folder of a checkpoint, or its name on the Hub",
    )

    def build(self) -> "GroundingDino":
        """Load the detector.

        Raises:
            CallError: The checkpoint cannot be loaded.
        """
        self.check()
        return GroundingDino(self)


class GroundingDino:
    """A `Detector` on the classes of transformers."""

    name = "grounding_dino"

    def __init__(self, config: GroundingDinoConfig) -> None:
        from transformers import GroundingDinoForObjectDetection, GroundingDinoProcessor

        self._config = config
        processor: Any = load(GroundingDinoProcessor, config)
        self._images = processor.image_processor
        self._tokenizer = InTurn(processor.tokenizer)
        self._batches = Batches(self._compute, config.batch_size, config.gather_s)
        self._model: Any = load_model(GroundingDinoForObjectDetection, config)
        self.version = version(config, self._model)

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        """Find objects of these names in the key frames; see the function `detect`."""
        with self._batches.present():
            return detect(view, labels, self._config, self._tokenizer, self._forward)

    def _forward(self, frames: np.ndarray, text: str) -> tuple[np.ndarray, np.ndarray]:
        import torch

        pixels = self._images(images=list(frames), return_tensors="pt")["pixel_values"]
        words = torch.tensor(self._tokenizer(text)["input_ids"])
        found = self._batches([(frame, words) for frame in pixels], tuple(pixels.shape[1:]))
        return np.stack([scores for scores, _ in found]), np.stack([boxes for _, boxes in found])

    def _compute(self, items: Sequence[tuple[Any, Any]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Search frames of one size, each for its own text."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        pixels, words = zip(*items, strict=True)
        ids = pad_sequence(list(words), batch_first=True, padding_value=self._tokenizer.pad_token_id)
        real = pad_sequence([torch.ones_like(one) for one in words], batch_first=True)
        at = self._model.device
        frames = torch.stack(pixels).to(at, self._model.dtype)
        with torch.inference_mode():
            outputs = self._model(frames, input_ids=ids.to(at), attention_mask=real.to(at))
        scores, boxes = (
            each.float().cpu().numpy() for each in (outputs.logits.sigmoid(), outputs.pred_boxes)
        )
        return list(zip(scores, boxes, strict=True))


def detect(
    view: View, labels: Sequence[str], config: GroundingConfig, tokenizer: Any, forward: Forward
) -> dict[float, Detections]:
    """Search the key frames of a view for objects of these names.

    Names that do not fit into one text are split over several.

    Args:
        view: The clip.
        labels: The names; none: nothing is found.
        config: Thresholds, interval and batch size.
        tokenizer: The tokenizer of the model's text encoder.
        forward: The model: from frames (B, H, W, 3) uint8 RGB and a text to scores (B, Q, 256), 0 to 1, of
            each token for each of Q boxes, and to boxes (B, Q, 4), centre and size in shares of the frame.

    Returns:
        Detections by time of the key frame, seconds; the highest score first.

    Raises:
        ClipError: The scores are NaN.
    """
    if not labels:
        return {}
    lengths = [len(tokenizer(label, add_special_tokens=False)["input_ids"]) for label in labels]
    keys = key_frames(view, config.step_s)
    found: dict[int, list[Detections]] = {k: [] for k in keys}
    for part in texts(lengths):
        some, spans = labels[part], token_spans(lengths[part])
        for batch in (keys[k : k + config.batch_size] for k in range(0, len(keys), config.batch_size)):
            scores, boxes = forward(view.frames[batch], " ".join(f"{label}." for label in some))
            if np.isnan(scores).any():
                raise ClipError("internal", "Grounding DINO's scores are NaN; check its weights")
            for k, scored, placed in zip(batch, scores, boxes, strict=True):
                found[k].append(named(scored, placed, spans, some, view.size, config))
    return {float(view.times[k]): best_first(parts) for k, parts in found.items()}


def key_frames(view: View, step_s: float) -> list[int]:
    """Choose the frames to search: the first one of each shot, then one every `step_s` seconds.

    Returns:
        Indices into the frames of the view, ascending.
    """
    cuts = [view.motion.times[k] for k in view.motion.cuts]
    keys: list[int] = []
    for k, now in enumerate(view.times):
        since = view.times[keys[-1]] if keys else -np.inf
        if now - since >= step_s - 1e-6 or any(since < cut <= now + 1e-6 for cut in cuts):
            keys.append(k)
    return keys


def texts(lengths: Sequence[int]) -> list[slice]:
    """Split names into as few texts as possible without reordering them.

    Args:
        lengths: Length of each name, tokens.

    Returns:
        The names of each text, as slices.
    """
    starts, taken = [0], 0
    for k, length in enumerate(lengths):
        if k > starts[-1] and taken + length + 1 > TOKENS - 2:
            starts.append(k)
            taken = 0
        taken += length + 1
    return [slice(start, end) for start, end in pairwise([*starts, len(lengths)])]


def token_spans(lengths: Sequence[int]) -> list[slice]:
    """Locate the tokens of each name in a text, which has a start token, and a full stop after each name."""
    ends = np.cumsum([length + 1 for length in lengths])
    return [slice(int(end - length), int(end)) for length, end in zip(lengths, ends, strict=True)]


def named(
    scores: np.ndarray,
    boxes: np.ndarray,
    spans: Sequence[slice],
    labels: Sequence[str],
    size: tuple[int, int],
    config: GroundingConfig,
) -> Detections:
    """Turn the model's output for one frame into detections; a box gets the name of its best token.

    Args:
        scores: (Q, L) of each token for each box, 0 to 1.
        boxes: (Q, 4) centre and size, shares of the frame.
        spans: The tokens of each name.
        labels: The names.
        size: Width and height of the frame, pixels.
        config: Thresholds.
    """
    of_names = np.stack([scores[:, span].max(1, initial=0) for span in spans], axis=1)
    best, which = of_names.max(1), of_names.argmax(1)
    kept = np.flatnonzero((scores.max(1) > config.box_threshold) & (best > config.text_threshold))
    middle, side = boxes[kept, :2], boxes[kept, 2:]
    corners = np.concatenate([middle - side / 2, middle + side / 2], axis=1).clip(0, 1)
    return Detections(
        (corners * [*size, *size]).astype(np.float32),
        best[kept].astype(np.float32),
        tuple(labels[k] for k in which[kept]),
    )


def best_first(parts: Sequence[Detections]) -> Detections:
    """Merge the detections of a frame, the highest score first."""
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    labels = [label for part in parts for label in part.labels]
    return Detections(
        np.concatenate([part.boxes for part in parts])[order], scores[order], tuple(labels[k] for k in order)
    )
