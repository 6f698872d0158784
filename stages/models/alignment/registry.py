"""From settings to the scorer of how well an answer fits its clip."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from filters.vqascore import AlignmentScorer, MllmAlignment
from stages.models.actors import Handle, RemoteAlignment
from stages.models.alignment.t2v_metrics import T2vMetricsConfig
from stages.models.protocols import Mllm


class NoAlignmentConfig(BaseModel):
    """Nobody scores."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["none"] = "none"


class MllmAlignmentConfig(BaseModel):
    """P(Yes) by the model that annotates, which must give log-probabilities."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["mllm"] = "mllm"


AlignmentConfig = NoAlignmentConfig | MllmAlignmentConfig | T2vMetricsConfig
VqaScoreConfig = Annotated[AlignmentConfig, Field(discriminator="backend")]


def alignment(config: AlignmentConfig, mllm: Mllm, handle: Handle | None = None) -> AlignmentScorer | None:
    """The scorer that the settings name, None for none; mllm: the model that annotates."""
    match config:
        case MllmAlignmentConfig():
            return MllmAlignment(mllm)
        case T2vMetricsConfig():
            return RemoteAlignment(handle) if handle else config.build()
        case _:
            return None
