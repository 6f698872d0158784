"""Supervised fine-tuning: the first stage of MotionChat."""

from typing import Any

from stages.train.config import TrainConfig
from stages.train.inputs import Encoder, SftCollator


def arguments(config: TrainConfig, settings: dict[str, Any]) -> Any:
    """TRL's SFTConfig of the settings that all stages share."""
    from trl import SFTConfig

    return SFTConfig(**settings)


def trainer(model: Any, arguments: Any, encode: Encoder, config: TrainConfig, **others: Any) -> Any:
    """TRL's SFT trainer; others: arguments of its own."""
    from trl import SFTTrainer

    return SFTTrainer(
        model, arguments, data_collator=SftCollator(encode), processing_class=encode.processor, **others
    )
