"""Supervised fine-tuning: the first phase of MotionChat."""

from typing import Any

from stages.train.inputs import Encoder, SftCollator
from stages.train.settings import TrainConfig


def arguments(config: TrainConfig, settings: dict[str, Any]) -> Any:
    """TRL's SFTConfig from the settings that both phases share."""
    from trl import SFTConfig

    return SFTConfig(**settings)


def trainer(model: Any, arguments: Any, encode: Encoder, config: TrainConfig, **others: Any) -> Any:
    """TRL's SFT trainer; `others` are further arguments of it."""
    from trl import SFTTrainer

    return SFTTrainer(
        model, arguments, data_collator=SftCollator(encode), processing_class=encode.processor, **others
    )
