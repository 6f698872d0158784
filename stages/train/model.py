"""The model to train: its parts, which of them learn, and how fast."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import CallError, reason
from stages.train.config import REST, TrainConfig, group_of


@dataclass(frozen=True)
class Part:
    """A group of parameters. parameters, trainable: counts; learning_rate: null when nothing is trainable."""

    name: str
    parameters: int
    trainable: int
    learning_rate: float | None


def load_processor(config: TrainConfig) -> Any:
    """The model's processor. Raises CallError when it cannot be had or reads no videos."""
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(config.model)
    except (OSError, ValueError) as error:
        raise CallError(f"cannot load the processor of model {config.model!r}: {reason(error)}") from error
    if getattr(processor, "video_processor", None) is None:
        raise CallError(f"model {config.model!r} has no video processor; give a model that takes videos")
    return processor


def load_model(config: TrainConfig, empty: bool = False, weights: Path | None = None) -> Any:
    """The model with its frozen parts frozen, without adapters.

    empty: shapes alone, without weights. weights: those of a checkpoint, in place of the config's. Raises
    CallError when it cannot be had or a group matches nothing.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    try:
        if empty:
            made = AutoConfig.from_pretrained(config.model)
            with torch.device("meta"):
                model = AutoModelForImageTextToText.from_config(made)
        else:
            # Steps of 1e-5 and less vanish in bf16: without adapters or DeepSpeed, which keep a copy in
            # float32, the weights are float32 and only the arithmetic is bf16.
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
    for group, made_of in config.groups.items():
        if group not in used:
            tops = sorted({".".join(name.split(".")[:2]) for name in names})
            raise CallError(
                f"groups.{group}.pattern {made_of.pattern!r} is in no name of the parameters that the groups "
                f"before it leave of {config.model}; its parts are {', '.join(tops)}"
            )
        if made_of.frozen:
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(parameter.requires_grad and group_of(name, config.groups) != group)
    return model


def adapters(model: Any, config: TrainConfig) -> Any:
    """peft's settings for LoRA, or None without it. Raises CallError when no layer would get an adapter."""
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
        raise CallError(
            f"lora.pattern {config.lora.pattern!r} is in no name of a linear layer that is not frozen"
        )
    return LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def rate_of(group: str, config: TrainConfig) -> float:
    """The learning rate of a group."""
    made = config.groups.get(group)
    return made.learning_rate if made and made.learning_rate else config.learning_rate


def parameter_groups(
    named: Iterable[tuple[str, Any]], decays: Iterable[str], config: TrainConfig
) -> list[dict[str, Any]]:
    """The optimiser's groups of what is trainable: by part, with and without weight decay.

    named: (name, parameter) pairs; decays: names of the parameters that decay.
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


def parts(model: Any, config: TrainConfig) -> list[Part]:
    """What each part of a model holds and learns, the named groups first."""
    counts: Mapping[str, list[int]] = {name: [0, 0] for name in (*config.groups, REST)}
    for name, parameter in model.named_parameters():
        held = counts[group_of(name, config.groups)]
        # Under ZeRO-3 a process has an empty place for the others' share.
        size = getattr(parameter, "ds_numel", parameter.numel())
        held[0] += size
        held[1] += size * parameter.requires_grad
    return [
        Part(name, whole, learn, rate_of(name, config) if learn else None)
        for name, (whole, learn) in counts.items()
        if whole
    ]
