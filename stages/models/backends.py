"""From settings to models: which backends there are, and how each is made."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from stages.models.base import Mllm
from stages.models.kinematic import KinematicMllm
from stages.models.openai_chat import OpenAiConfig, OpenAiMllm


class KinematicConfig(BaseModel):
    """Answers from the measurements, without a model."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["kinematic"] = "kinematic"
    max_tokens: int = Field(256, ge=1)
    temperature: float = Field(0.0, ge=0)


MllmConfig = Annotated[KinematicConfig | OpenAiConfig, Field(discriminator="backend")]


def mllm(config: KinematicConfig | OpenAiConfig) -> Mllm:
    """The model that the settings name. Raises CallError for one that cannot be reached as configured."""
    return KinematicMllm() if isinstance(config, KinematicConfig) else OpenAiMllm(config)
