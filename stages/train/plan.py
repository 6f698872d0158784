"""What a training run will do, worked out without training."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.train.inputs import Encoder, frames, turns
from stages.train.model import ModelPart, adapters, load_model, parts
from stages.train.rows import Rows, select
from stages.train.run import TrainingRun
from stages.train.settings import Phase, TrainConfig, accumulation_steps

SAMPLE = 8  # rows whose tokens are counted


@dataclass(frozen=True)
class TrainingPlan:
    """What a run will do.

    Attributes:
        rows: The training rows.
        validation: How many validation rows there are.
        tokens: Mean and maximum per row, over a sample.
        batch: Rows per forward pass, forward passes per optimiser step, and processes.
        steps: Optimiser steps.
        parts: The parts of the model, and which of them are trained.
    """

    rows: Rows
    validation: int
    tokens: tuple[int, int]
    batch: tuple[int, int, int]
    steps: int
    parts: list[ModelPart]

    def lines(self) -> list[str]:
        """The plan in words, line by line."""
        device, passes, processes = self.batch
        videos = len({row["images"][0] for row in self.rows.rows})
        skipped = ""
        if self.rows.without_video:
            skipped += f"; {self.rows.without_video} without a video are skipped"
        if self.rows.missing:
            skipped += f"; {len(self.rows.missing)} videos are missing, the first: {self.rows.missing[0]}"
        mean, most = self.tokens
        rows, batch = len(self.rows.rows), device * passes * processes
        lines = [
            f"rows       {rows} about {videos} videos, {self.validation} for validation{skipped}",
            f"tokens     about {mean} per row, at most {most} (in a sample of {SAMPLE} rows)",
            f"batch      {batch} = {device} rows x {passes} passes x {processes} processes",
            f"steps      {self.steps}",
        ]
        for part in self.parts:
            rate = "frozen" if part.learning_rate is None else f"learning rate {part.learning_rate:g}"
            lines.append(
                f"{part.name:<14} {part.trainable:,} of {part.parameters:,} parameters trained, {rate}"
            )
        return lines


def steps(rows: int, config: TrainConfig) -> int:
    """Optimiser steps of a run, as transformers counts them: the last one of an epoch may be smaller."""
    return config.max_steps or math.ceil(config.epochs * math.ceil(rows / config.global_batch))


def tokens(rows: Rows, phase: Phase, processor: Any, config: TrainConfig) -> tuple[int, int]:
    """Count the tokens of a sample of the rows; of a preference row, those of its longer side.

    Returns:
        The mean and the maximum.
    """
    encode = Encoder(processor, config.video)
    counts = []
    for row in select(rows.rows, SAMPLE):
        video = frames(row["images"][0], config.video)
        sides = (None,) if phase == "sft" else ("chosen", "rejected")
        counts.append(max(encode(*video, turns(row, side))["input_ids"].shape[1] for side in sides))
    return round(float(np.mean(counts))), max(counts)


def plan(run: TrainingRun, rows: Rows, validation: int, processor: Any, processes: int) -> TrainingPlan:
    """Plan a run, checking everything except the weights.

    Args:
        run: What to train.
        rows: The training rows.
        validation: How many validation rows there are.
        processor: The model's processor.
        processes: In how many processes it will be trained.

    Raises:
        CallError: The settings do not fit together, the model or the data.
    """
    config = run.config
    model = load_model(config, empty=True)
    if lora := adapters(model, config):
        from peft import get_peft_model

        model = get_peft_model(model, lora)
    return TrainingPlan(
        rows,
        validation,
        tokens(rows, run.phase, processor, config),
        (config.device_batch, accumulation_steps(config, processes), processes),
        steps(len(rows.rows), config),
        parts(model, config),
    )
