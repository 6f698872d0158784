"""The settings of a training run."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.errors import CallError

Phase = Literal["sft", "dpo"]
Format = Literal["motionvid_qa", "llava", "sharegpt4video"]  # of a dataset
REST = "language_model"  # the group of the parameters that no pattern matches


class VideoConfig(BaseModel):
    """Which frames the model learns from."""

    model_config = ConfigDict(extra="forbid")

    fps: float = Field(1.0, gt=0, le=60, description="frames per second (paper: 1)")
    max_pixels: int = Field(360 * 420, ge=1024, description="largest frame, in pixels (paper: 360*420)")
    min_frames: int = Field(4, ge=2, description="a shorter video is sampled at a higher rate")
    max_frames: int = Field(128, ge=2, description="a longer video is sampled at a lower rate")
    processor: dict[str, Any] = Field(
        {},
        description="arguments of the model's video processor, such as "
        "{size: {shortest_edge: A, longest_edge: B}}",
    )


class GroupConfig(BaseModel):
    """A part of the model that is frozen or has a learning rate of its own."""

    model_config = ConfigDict(extra="forbid")

    pattern: str = Field(description="regular expression, searched for in the names of parameters")
    learning_rate: float | None = Field(None, gt=0, description="null: that of the language model")
    frozen: bool = Field(False, description="do not train this part")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class LoraConfig(BaseModel):
    """Low-rank adapters, trained instead of the weights."""

    model_config = ConfigDict(extra="forbid")

    rank: int = Field(64, ge=1, description="rank of an adapter")
    alpha: int = Field(128, ge=1, description="an adapter's output is scaled by alpha / rank")
    dropout: float = Field(0.05, ge=0, lt=1, description="share of an adapter's inputs dropped in training")
    pattern: str = Field(
        r"language_model\..*_proj$",
        description="regular expression for the linear layers that get an adapter; frozen parts never do",
    )


class LaunchConfig(BaseModel):
    """Where the processes of a run are started."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["none", "ray", "accelerate"] = Field(
        "none", description="none: train in this process, or in those that torchrun has started"
    )
    workers: int = Field(1, ge=1, description="processes in total, one GPU each")
    use_gpu: bool = Field(True, description="false: train on CPUs")
    cpus_per_worker: float = Field(1, gt=0, description="CPUs that Ray reserves for each process")
    max_failures: int = Field(3, ge=0, description="how often Ray restarts the processes after a failure")
    accelerate_config: str | None = Field(
        None, description="YAML file written by `accelerate config`, for several nodes"
    )
    deepspeed: Literal["zero2", "zero3"] | str | None = Field(
        None, description="a ZeRO stage, or a JSON file for DeepSpeed; null: plain data parallelism"
    )


class DpoConfig(BaseModel):
    """Direct preference optimisation."""

    model_config = ConfigDict(extra="forbid")

    beta: float = Field(
        0.1, gt=0, description="strength of the pull towards the reference model (paper: 0.1)"
    )


class TrainConfig(BaseModel):
    """All settings of a training run."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(
        "Qwen/Qwen2.5-VL-7B-Instruct", description="a folder, or a name on the Hugging Face Hub"
    )
    precision: Literal["bf16", "float32"] = Field("bf16", description="of the computations")
    attention: str = Field("sdpa", description="sdpa, flash_attention_2 or eager")
    learning_rate: float = Field(1e-5, gt=0, description="peak; groups may have their own")
    groups: dict[str, GroupConfig] = Field(
        {
            "merger": GroupConfig(pattern=r"visual\.merger|multi_modal_projector", learning_rate=1e-5),
            "vision_tower": GroupConfig(pattern=r"visual\.|vision_tower", learning_rate=2e-6),
        },
        description="in order: a parameter belongs to the first group whose pattern matches",
    )
    lora: LoraConfig | None = Field(None, description="null: train the weights themselves")
    optimizer: str = Field("adamw_torch", description="name in transformers")
    weight_decay: float = Field(0.1, ge=0, description="not applied to biases and norms")
    warmup: float = Field(0.03, ge=0, lt=1, description="share of the steps")
    scheduler: str = Field("cosine", description="name in transformers")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    epochs: float = Field(3, gt=0, description="passes over the rows")
    max_steps: int | None = Field(None, ge=1, description="replaces epochs")
    global_batch: int = Field(128, ge=1, description="rows per optimiser step, over all processes")
    device_batch: int = Field(1, ge=1, description="rows per forward pass")
    gradient_checkpointing: bool = Field(True, description="takes less memory, but more time")
    loaders: int = Field(4, ge=0, description="processes per worker that decode videos; 0: the worker does")
    save_steps: int = Field(100, ge=1, description="steps between checkpoints")
    keep: int = Field(2, ge=1, description="how many checkpoints to keep")
    log_steps: int = Field(1, ge=1, description="steps between log entries")
    eval_steps: int | None = Field(
        None, ge=1, description="steps between evaluations on the validation rows; null: no evaluation"
    )
    seed: int = Field(0, description="random seed")
    skip_missing: bool = Field(False, description="skip rows whose video is missing instead of stopping")
    video: VideoConfig = VideoConfig()
    dpo: DpoConfig = DpoConfig()
    launch: LaunchConfig = LaunchConfig()

    @model_validator(mode="after")
    def _merges(self) -> "TrainConfig":
        if self.lora and self.launch.deepspeed:
            raise ValueError(
                "lora does not need ZeRO and cannot be merged under it; set launch.deepspeed=null"
            )
        return self


# Settings that affect how fast a run goes and what it reports, never what is learnt. They may differ when a
# run is resumed.
MAY_CHANGE = (
    "launch",
    "loaders",
    "save_steps",
    "keep",
    "log_steps",
    "eval_steps",
    "gradient_checkpointing",
    "attention",
)


def accumulation_steps(config: TrainConfig, processes: int) -> int:
    """How many forward passes each process makes per optimiser step.

    Raises:
        CallError: The global batch cannot be divided evenly.
    """
    at_once = config.device_batch * processes
    if config.global_batch % at_once:
        near = max(1, round(config.global_batch / at_once)) * at_once
        raise CallError(
            f"global_batch {config.global_batch} is not a multiple of device_batch {config.device_batch} x "
            f"{processes} processes; use for example --set global_batch={near}"
        )
    return config.global_batch // at_once


def group_of(name: str, groups: Mapping[str, GroupConfig]) -> str:
    """The group that a parameter belongs to, by its name in the model; `REST` if no pattern matches."""
    return next((group for group, made in groups.items() if re.search(made.pattern, name)), REST)
