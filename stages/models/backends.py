"""From settings to models: which backends there are, and how each is made."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from stages.models.actors import Handle, RemoteMllm
from stages.models.mllm.kinematic import KinematicMllm
from stages.models.mllm.openai import OpenAiConfig, OpenAiMllm
from stages.models.mllm.vllm import VllmConfig
from stages.models.protocols import Mllm


class KinematicConfig(BaseModel):
    """Answers from the measurements, without a model."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["kinematic"] = "kinematic"
    max_tokens: int = Field(256, ge=1)
    temperature: float = Field(0.0, ge=0)


MllmConfig = Annotated[KinematicConfig | OpenAiConfig | VllmConfig, Field(discriminator="backend")]


def mllm(config: KinematicConfig | OpenAiConfig | VllmConfig, handle: Handle | None = None) -> Mllm:
    """The model that the settings name: in its actors through a handle of `serving`, without one in this
    process. Raises CallError for one that cannot be reached as configured."""
    if handle:
        return RemoteMllm(handle)
    match config:
        case KinematicConfig():
            return KinematicMllm()
        case OpenAiConfig():
            return OpenAiMllm(config)
        case VllmConfig():
            return config.build()
