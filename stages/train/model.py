"""The model to train: its parts, which of them are trained, and at which learning rate."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import CallError, reason
from stages.train.settings import REST, TrainConfig, group_of


@dataclass(frozen=True)
class ModelPart:
    """A group of parameters.

    Attributes:
        name: The group's name in the settings, or `REST`.
        parameters: How many parameters it has.
        trainable: How many of them are trained.
        learning_rate: None if none are trained.
    """

    name: str
    parameters: int
    trainable: int
    learning_rate: float | None


def load_processor(config: TrainConfig) -> Any:
    """Load the model's processor.

    Raises:
        CallError: It cannot be loaded, or does not accept videos.
    """
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(config.model)
    except (OSError, ValueError) as error:
        raise CallError(f"cannot load the processor of model {config.model!r}: {reason(error)}") from error
    if getattr(processor, "video_processor", None) is None:
        raise CallError(f"model {config.model!r} has no video processor; choose a model that accepts videos")
    return processor


def load_model(config: TrainConfig, empty: bool = False, weights: Path | None = None) -> Any:
    """Load the model, without adapters, and freeze what the settings freeze.

    Args:
        config: The settings of the run.
        empty: Only make the shapes, without weights.
        weights: A checkpoint whose weights to load instead of those of `config.model`.

    Raises:
        CallError: The model cannot be loaded, or a group matches none of its parameters.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    try:
        if empty:
            made = AutoConfig.from_pretrained(config.model)
            with torch.device("meta"):
                model = AutoModelForImageTextToText.from_config(made)
        else:
            # Steps of 1e-5 and less are rounded away in bf16. LoRA trains its adapters in float32, and
            # DeepSpeed keeps a float32 copy of the weights. Otherwise the weights themselves are float32, and
            # only the computations are bf16.
            small = config.precision == "bf16" and (config.lora or config.launch.deepspeed)
            model = AutoModelForImageTextToText.from_pretrained(
                weights or config.model,
                dtype=torch.bfloat16 if small else torch.float32,
                attn_implementation=config.attention,
            )
    except (OSError, ValueError, ImportError) as error:
        raise CallError(f"cannot load model {config.model!r}: {reason(error)}") from error
    names = [name for name, _ in model.named_parameters()]
    used = {group_of(name, config.groups) for name in names}
    for group, settings in config.groups.items():
        if group not in used:
            tops = sorted({".".join(name.split(".")[:2]) for name in names})
            raise CallError(
                f"groups.{group}.pattern {settings.pattern!r} matches no parameter of {config.model} that is "
                f"left by the groups before it; its parts are {', '.join(tops)}"
            )
        if settings.frozen:
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(parameter.requires_grad and group_of(name, config.groups) != group)
    return model


def adapters(model: Any, config: TrainConfig) -> Any:
    """Make peft's settings for LoRA.

    Returns:
        The settings, or None if the run does not use LoRA.

    Raises:
        CallError: No layer would get an adapter.
    """
    if config.lora is None:
        return None
    from peft import LoraConfig
    from torch.nn import Linear

    targets = [
        name
        for name, module in model.named_modules()
        if isinstance(module, Linear) and re.search(config.lora.pattern, name) and module.weight.requires_grad
    ]
    if not targets:
        raise CallError(f"lora.pattern {config.lora.pattern!r} matches no linear layer that is not frozen")
    return LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def rate_of(group: str, config: TrainConfig) -> float:
    """The peak learning rate of a group."""
    made = config.groups.get(group)
    return made.learning_rate if made and made.learning_rate else config.learning_rate


def parameter_groups(
    named: Iterable[tuple[str, Any]], decays: Iterable[str], config: TrainConfig
) -> list[dict[str, Any]]:
    """Sort the trainable parameters into groups for the optimiser: by part, with and without weight decay.

    Args:
        named: (name, parameter) pairs.
        decays: The names of the parameters that weight decay applies to.
        config: The settings of the run.
    """
    decaying = set(decays)
    groups: dict[tuple[str, bool], list[Any]] = {}
    for name, parameter in named:
        if parameter.requires_grad:
            groups.setdefault((group_of(name, config.groups), name in decaying), []).append(parameter)
    return [
        {
            "params": params,
            "lr": rate_of(group, config),
            "weight_decay": config.weight_decay if decay else 0.0,
        }
        for (group, decay), params in groups.items()
    ]


def parts(model: Any, config: TrainConfig) -> list[ModelPart]:
    """Count the parameters of each part of a model, in the order of the settings, then `REST`."""
    counts: Mapping[str, list[int]] = {name: [0, 0] for name in (*config.groups, REST)}
    for name, parameter in model.named_parameters():
        held = counts[group_of(name, config.groups)]
        # Under ZeRO-3 a parameter that another process holds is empty here.
        size = getattr(parameter, "ds_numel", parameter.numel())
        held[0] += size
        held[1] += size * parameter.requires_grad
    return [
        ModelPart(name, whole, learn, rate_of(name, config) if learn else None)
        for name, (whole, learn) in counts.items()
        if whole
    ]
