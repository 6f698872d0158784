"""Direct preference optimisation: the second phase of MotionChat.

TRL's sigmoid loss is the paper's (Rafailov et al., NeurIPS 2023, eq. 7), for the chosen and rejected answers
y_c and y_r to x: -log sigma(beta * (log pi(y_c|x)/pi_ref(y_c|x) - log pi(y_r|x)/pi_ref(y_r|x))).
"""

from typing import Any

from stages.train.inputs import DpoCollator, Encoder
from stages.train.model import load_model
from stages.train.settings import TrainConfig


def arguments(config: TrainConfig, settings: dict[str, Any]) -> Any:
    """TRL's DPOConfig from the settings that both phases share."""
    from trl import DPOConfig

    return DPOConfig(loss_type=["sigmoid"], beta=config.dpo.beta, **settings)


def trainer(model: Any, arguments: Any, encode: Encoder, config: TrainConfig, **others: Any) -> Any:
    """TRL's DPO trainer; `others` are further arguments of it.

    The reference is the model that the run started from, also when it is resumed: a second copy or, with
    LoRA, the same model without its adapters.
    """
    from trl import DPOTrainer

    return DPOTrainer(
        model,
        None if config.lora else load_model(config),
        arguments,
        data_collator=DpoCollator(encode),
        processing_class=encode.processor,
        **others,
    )
