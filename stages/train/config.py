"""The settings of a training run, and the parts of a model that they name."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from configs.settings import read
from pipeline.errors import CallError

Stage = Literal["sft", "dpo"]
REST = "language_model"  # the group of what no pattern matches


class VideoConfig(BaseModel):
    """Which frames the model learns from."""

    model_config = ConfigDict(extra="forbid")

    fps: float = Field(1.0, gt=0, le=60, description="frames per second (paper: 1)")
    max_pixels: int = Field(360 * 420, ge=1024, description="largest frame (paper: 360*420)")
    min_frames: int = Field(4, ge=2, description="of a short video, which is then sampled faster")
    max_frames: int = Field(128, ge=2, description="of a long video, which is then sampled slower")
    processor: dict[str, Any] = Field(
        {}, description="for the model's video processor, such as {size: {shortest_edge: A, longest_edge: B}}"
    )


class GroupConfig(BaseModel):
    """A part of the model with a learning rate of its own."""

    model_config = ConfigDict(extra="forbid")

    pattern: str = Field(description="regular expression found in the names of its parameters")
    learning_rate: float | None = Field(None, gt=0, description="null: that of the language model")
    frozen: bool = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return pattern


class LoraConfig(BaseModel):
    """Train low-rank adapters in place of the weights."""

    model_config = ConfigDict(extra="forbid")

    rank: int = Field(64, ge=1)
    alpha: int = Field(128, ge=1)
    dropout: float = Field(0.05, ge=0, lt=1)
    pattern: str = Field(
        r"language_model\..*_proj$", description="linear layers that get one; never in a frozen part"
    )


class LaunchConfig(BaseModel):
    """Where the processes of a run are."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["none", "ray", "accelerate"] = Field(
        "none", description="none: this process, or those that torchrun started"
    )
    workers: int = Field(1, ge=1, description="processes in all, a GPU each")
    use_gpu: bool = Field(True, description="false: on CPUs")
    cpus_per_worker: float = Field(1, gt=0, description="that Ray sets aside for each")
    max_failures: int = Field(3, ge=0, description="times that Ray starts the workers anew")
    accelerate_config: str | None = Field(
        None, description="YAML of `accelerate config`, for more than one node"
    )
    deepspeed: Literal["zero2", "zero3"] | str | None = Field(
        None, description="a ZeRO stage, or DeepSpeed's JSON file; null: plain data parallel"
    )


class DpoConfig(BaseModel):
    """Direct preference optimisation."""

    model_config = ConfigDict(extra="forbid")

    beta: float = Field(0.1, gt=0, description="how much leaving the reference model costs (paper: 0.1)")


class TrainConfig(BaseModel):
    """All settings of a training run."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(
        "Qwen/Qwen2.5-VL-7B-Instruct", description="a folder, or a name on the Hugging Face hub"
    )
    precision: Literal["bf16", "float32"] = "bf16"
    attention: str = Field("sdpa", description="sdpa, flash_attention_2, eager")
    learning_rate: float = Field(1e-5, gt=0)
    groups: dict[str, GroupConfig] = Field(
        {
            "merger": GroupConfig(pattern=r"visual\.merger|multi_modal_projector", learning_rate=1e-5),
            "vision_tower": GroupConfig(pattern=r"visual\.|vision_tower", learning_rate=2e-6),
        },
        description="in order: a parameter belongs to the first that matches",
    )
    lora: LoraConfig | None = None
    optimizer: str = Field("adamw_torch", description="as transformers names it")
    weight_decay: float = Field(0.1, ge=0)
    warmup: float = Field(0.03, ge=0, lt=1, description="share of the steps")
    scheduler: str = Field("cosine", description="as transformers names it")
    max_grad_norm: float = Field(1.0, gt=0)
    epochs: float = Field(3, gt=0)
    max_steps: int | None = Field(None, ge=1, description="in place of epochs")
    global_batch: int = Field(128, ge=1, description="rows of an optimiser step, over all processes")
    device_batch: int = Field(1, ge=1, description="rows of one forward pass")
    gradient_checkpointing: bool = True
    loaders: int = Field(4, ge=0, description="processes that decode videos, for each worker")
    save_steps: int = Field(100, ge=1, description="between checkpoints")
    keep: int = Field(2, ge=1, description="checkpoints that are kept")
    log_steps: int = Field(1, ge=1)
    eval_steps: int | None = Field(None, ge=1, description="between looks at the validation rows; null: none")
    seed: int = 0
    skip_missing: bool = Field(False, description="leave out rows whose video is not there")
    video: VideoConfig = VideoConfig()
    dpo: DpoConfig = DpoConfig()
    launch: LaunchConfig = LaunchConfig()

    @model_validator(mode="after")
    def _merges(self) -> "TrainConfig":
        if self.lora and self.launch.deepspeed:
            raise ValueError("lora needs no ZeRO, and cannot be merged under it; set launch.deepspeed=null")
        return self


# How fast a run goes and what it tells, never what is learnt: these may change when it goes on.
FREE = (
    "launch",
    "loaders",
    "save_steps",
    "keep",
    "log_steps",
    "eval_steps",
    "gradient_checkpointing",
    "attention",
)


def accumulation(config: TrainConfig, world: int) -> int:
    """Forward passes of an optimiser step in each of `world` processes. Raises CallError when uneven."""
    at_once = config.device_batch * world
    if config.global_batch % at_once:
        near = max(1, round(config.global_batch / at_once)) * at_once
        raise CallError(
            f"global_batch {config.global_batch} is no multiple of device_batch {config.device_batch} x "
            f"{world} processes; for example --set global_batch={near}"
        )
    return config.global_batch // at_once


def group_of(name: str, groups: Mapping[str, GroupConfig]) -> str:
    """The group of a parameter, by its name in the model."""
    return next((group for group, made in groups.items() if re.search(made.pattern, name)), REST)


def load(path: str | None, overrides: Sequence[str] = ()) -> TrainConfig:
    """The settings of a training run, from what `configs.settings.read` takes. Raises CallError."""
    return read(path, overrides, TrainConfig)
