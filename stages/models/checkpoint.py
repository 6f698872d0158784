"""A model that transformers loads: from where, onto what, and where it runs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.errors import CallError, reason
from pipeline.identity import OPERATIONAL
from pipeline.requirements import Context, Finding, Package, Requirement
from stages.models.backend import Backend
from stages.models.placement import Placement


class CheckpointConfig(Backend):
    """Which weights, and the device. Only safetensors are read, and no code that comes with a checkpoint.

    Attributes:
        architecture: `model_type` in a fitting checkpoint's config.json.
    """

    architecture: ClassVar[str]

    model: str = Field(min_length=1, description="a folder, or a name on the Hugging Face hub")
    revision: str | None = Field(None, description="commit, tag or branch on the hub; null: the newest")
    device: Annotated[str | None, OPERATIONAL] = Field(
        None, description="torch device; null: cuda if there is one, else cpu"
    )
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="precision of the weights")
    actor: Annotated[Placement | None, OPERATIONAL] = Field(
        None, description="null: in the process of each worker"
    )

    def check(self) -> None:
        """See whether the checkpoint is there, and of the right architecture. Raises CallError."""
        from transformers import AutoConfig

        if (kind := load(AutoConfig, self, trust_remote_code=False).model_type) != self.architecture:
            raise CallError(
                f"{self.model!r} is a checkpoint of {kind}; {self.backend} needs one of {self.architecture}"
            )

    def requirements(self) -> Iterable[Requirement]:
        """transformers, and the weights."""
        return Package("transformers", "pip install transformers"), Weights(self.model, self.revision)


@dataclass(frozen=True)
class Weights:
    """A checkpoint: a folder, or a repository of the Hugging Face hub that is in the local cache."""

    model: str
    revision: str | None = None

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look in the folder that is named, in the one that remedies fetch to, and in the cache."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        part, setting = context.part, f"{context.part}.model"
        what, folder = f"weights {self.model}", Path(self.model).expanduser()
        target = f"{context.weights.rstrip('/')}/{self.model}"
        if folder.is_dir():
            there = (folder / "config.json").is_file()
            remedy = "" if there else f"{self.model} has no config.json: is it a checkpoint?"
            yield Finding(part, what, "a folder", remedy)
        elif self.model.startswith((".", "/", "~")):
            remedy = f"give a folder that exists: --set {setting}=FOLDER"
            yield Finding(part, what, "no such folder", remedy)
        elif (Path(target) / "config.json").is_file():
            yield Finding(part, what, f"in {target}, which is not configured", f"--set {setting}={target}")
        else:
            try:
                found = snapshot_download(self.model, revision=self.revision, local_files_only=True)
                yield Finding(part, what, found)
            except LocalEntryNotFoundError:
                at = f" --revision {self.revision}" if self.revision else ""
                fetch = f"hf download {self.model}{at} --local-dir {target}\n--set {setting}={target}"
                yield Finding(part, what, "not in the cache", fetch)


@dataclass(frozen=True)
class HubCache:
    """A repository of the hub that a package looks for in a cache of its own."""

    model: str
    cache: str

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look in that cache."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        what = f"weights {self.model}"
        try:
            cache = Path(self.cache).expanduser()
            found = snapshot_download(self.model, cache_dir=cache, local_files_only=True)
            yield Finding(context.part, what, found)
        except LocalEntryNotFoundError:
            fetch = f"hf download {self.model} --cache-dir {self.cache}"
            yield Finding(context.part, what, "not in the cache", fetch)


def load(kind: Any, config: CheckpointConfig, **more: Any) -> Any:
    """`kind.from_pretrained` of the checkpoint. Raises CallError when it cannot be had."""
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
