"""A model that transformers loads: from where, onto what, and where it runs."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from stages.models.actors import Placement


class CheckpointConfig(BaseModel):
    """Which weights, and the device. Only safetensors are read, and no code that comes with a checkpoint."""

    model_config = ConfigDict(extra="forbid")

    architecture: ClassVar[str]  # as `model_type` in a checkpoint's config.json
    backend: str
    model: str = Field(min_length=1, description="a folder, or a name on the Hugging Face hub")
    revision: str | None = Field(None, description="commit, tag or branch on the hub; null: the newest")
    device: str | None = Field(None, description="torch device; null: cuda if there is one, else cpu")
    dtype: Literal["float32", "bfloat16"] = "float32"
    actor: Placement | None = Field(None, description="null: in the process of each worker")

    def check(self) -> None:
        """See whether the checkpoint is there, and of the right architecture. Raises CallError."""
        from transformers import AutoConfig

        from pipeline.errors import CallError

        if (kind := load(AutoConfig, self, trust_remote_code=False).model_type) != self.architecture:
            raise CallError(
                f"{self.model!r} is a checkpoint of {kind}; {self.backend} needs one of {self.architecture}"
            )


def load(kind: Any, config: CheckpointConfig, **more: Any) -> Any:
    """`kind.from_pretrained` of the checkpoint. Raises CallError when it cannot be had."""
    from pipeline.errors import CallError, reason

    try:
        return kind.from_pretrained(config.model, revision=config.revision, **more)
    except (OSError, ValueError) as error:
        raise CallError(
            f"{config.backend} cannot be loaded from {config.model!r} ({reason(error)}); give a folder with"
            " the checkpoint in transformers' form, or a name on the hub that this machine can reach"
        ) from error


def load_model(kind: Any, config: CheckpointConfig) -> Any:
    """The model on its device, for inference. Raises CallError."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = load(kind, config, dtype=getattr(torch, config.dtype), use_safetensors=True)
    return model.eval().to(device(config.device))


def device(wanted: str | None) -> str:
    """The torch device that is wanted, or the best there is."""
    import torch

    return wanted or ("cuda" if torch.cuda.is_available() else "cpu")


def version(config: CheckpointConfig, model: Any) -> str:
    """What stands for the weights in the tables: the name, and on the hub the commit."""
    if Path(config.model).is_dir():
        return Path(config.model).name
    return f"{config.model}@{getattr(model.config, '_commit_hash', None) or config.revision}"
