"""What a training run will do, before it does it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.train.config import Stage, TrainConfig, accumulation
from stages.train.inputs import Encoder, frames, turns
from stages.train.model import Part, adapters, load_model, parts
from stages.train.rows import Rows, select

SAMPLE = 8  # rows that the tokens are counted of


@dataclass(frozen=True)
class Plan:
    """rows, validation: counts. tokens: (mean, most) of a row, over a sample. batch: of one forward pass,
    passes per step, processes."""

    stage: Stage
    rows: Rows
    validation: int
    tokens: tuple[int, int]
    batch: tuple[int, int, int]
    steps: int
    parts: list[Part]

    def lines(self) -> list[str]:
        """The plan in words."""
        device, passes, world = self.batch
        videos = len({row["images"][0] for row in self.rows.rows})
        left_out = ""
        if self.rows.without_video:
            left_out += f"; {self.rows.without_video} without a video are left out"
        if self.rows.missing:
            left_out += f"; {len(self.rows.missing)} videos are not there, the first: {self.rows.missing[0]}"
        told = [
            f"rows       {len(self.rows.rows)} over {videos} videos, {self.validation} to validate{left_out}",
            f"tokens     about {self.tokens[0]} a row, {self.tokens[1]} at most (of {SAMPLE} rows counted)",
            f"batch      {device * passes * world} = {device} rows x {passes} passes x {world} processes",
            f"steps      {self.steps}",
        ]
        for part in self.parts:
            rate = "frozen" if part.learning_rate is None else f"learning rate {part.learning_rate:g}"
            told.append(f"{part.name:<14} {part.trainable:,} of {part.parameters:,} parameters learn, {rate}")
        return told


def steps(rows: int, config: TrainConfig) -> int:
    """Optimiser steps of a run, as transformers counts them: the last one of an epoch may be smaller."""
    return config.max_steps or math.ceil(config.epochs * math.ceil(rows / config.global_batch))


def tokens(rows: Rows, stage: Stage, processor: Any, config: TrainConfig) -> tuple[int, int]:
    """Mean and most tokens of a row, over a few; of a preference row, of its longer side."""
    encode = Encoder(processor, config.video)
    counts = []
    for row in select(rows.rows, SAMPLE):
        shown = frames(row["images"][0], config.video)
        sides = (None,) if stage == "sft" else ("chosen", "rejected")
        counts.append(max(encode(*shown, turns(row, side))["input_ids"].shape[1] for side in sides))
    return round(float(np.mean(counts))), max(counts)


def plan(stage: Stage, rows: Rows, validation: int, processor: Any, config: TrainConfig, world: int) -> Plan:
    """Everything but the weights is looked at. Raises CallError for what could not be trained so."""
    model = load_model(config, empty=True)
    made = adapters(model, config)
    if made:
        from peft import get_peft_model

        model = get_peft_model(model, made)
    return Plan(
        stage,
        rows,
        validation,
        tokens(rows, stage, processor, config),
        (config.device_batch, accumulation(config, world), world),
        steps(len(rows.rows), config),
        parts(model, config),
    )
