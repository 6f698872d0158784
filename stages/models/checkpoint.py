"""Checkpoints that transformers loads: where they come from, and how to load them."""

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

ASK_S = 2.0  # for the Hub to say whether it has a model


class CheckpointConfig(Backend):
    """Which checkpoint, and on which device. Only safetensors are loaded, and no code from the checkpoint.

    Attributes:
        architecture: `model_type` in the config.json of a suitable checkpoint.
    """

    architecture: ClassVar[str]

    model: str = Field(
        min_length=1, description="folder of a checkpoint, or its name on the Hugging Face Hub"
    )
    revision: str | None = Field(None, description="commit, tag or branch on the Hub; null: the newest")
    device: Annotated[str | None, OPERATIONAL] = Field(
        None, description="torch device; null: cuda if available, else cpu"
    )
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="precision of the weights")
    actor: Annotated[Placement | None, OPERATIONAL] = Field(
        None, description="Ray actors to run in; null: each worker loads the model itself"
    )

    def check(self) -> None:
        """Check that the checkpoint is available and of the right architecture.

        Raises:
            CallError: It is not.
        """
        from transformers import AutoConfig

        if (kind := load(AutoConfig, self, trust_remote_code=False).model_type) != self.architecture:
            raise CallError(
                f"{self.model!r} is a checkpoint of {kind}; {self.backend} needs one of {self.architecture}"
            )

    def requirements(self) -> Iterable[Requirement]:
        """Return transformers and the weights."""
        return Package("transformers", "pip install transformers"), Weights(self.model, self.revision)


@dataclass(frozen=True)
class Weights:
    """A checkpoint: a local folder, or a repository of the Hugging Face Hub in the local cache.

    Attributes:
        model: The folder, or the name on the Hub.
        revision: Commit, tag or branch on the Hub; None: the newest.
    """

    model: str
    revision: str | None = None

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look in the folder given, in the folder that remedies download to, and in the cache."""
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
            remedy = f"give an existing folder: --set {setting}=FOLDER"
            yield Finding(part, what, "no such folder", remedy)
        elif (Path(target) / "config.json").is_file():
            yield Finding(part, what, f"in {target}, but not configured", f"--set {setting}={target}")
        else:
            try:
                found = snapshot_download(self.model, revision=self.revision, local_files_only=True)
                yield Finding(part, what, found)
            except LocalEntryNotFoundError:
                at = f" --revision {self.revision}" if self.revision else ""
                fetch = f"hf download {self.model}{at} --local-dir {target}\n--set {setting}={target}"
                yield Finding(part, what, "not in the cache", fetch, sure=not on_hub(self.model))


def on_hub(model: str) -> bool:
    """Ask the Hugging Face Hub whether it has a model to download; False if it cannot be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().model_info(model, timeout=ASK_S)
        return True
    except HfHubHTTPError as error:  # it is there, but says no for now
        return error.response.status_code not in (401, 404)
    except Exception:  # noqa: BLE001 - its HTTP library has changed, and its errors with it
        return False


@dataclass(frozen=True)
class HubCache:
    """A repository of the Hugging Face Hub in a cache folder of a package's own.

    Attributes:
        model: The name on the Hub.
        cache: The cache folder.
    """

    model: str
    cache: str

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look in the cache folder."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        what = f"weights {self.model}"
        try:
            cache = Path(self.cache).expanduser()
            found = snapshot_download(self.model, cache_dir=cache, local_files_only=True)
            yield Finding(context.part, what, found)
        except LocalEntryNotFoundError:
            fetch = f"hf download {self.model} --cache-dir {self.cache}"
            yield Finding(context.part, what, "not in the cache", fetch, sure=not on_hub(self.model))


def load(kind: Any, config: CheckpointConfig, **more: Any) -> Any:
    """Call `kind.from_pretrained` on the checkpoint.

    Args:
        kind: A class of transformers.
        config: Which checkpoint.
        **more: Further arguments of `from_pretrained`.

    Raises:
        CallError: The checkpoint cannot be loaded.
    """
    try:
        return kind.from_pretrained(config.model, revision=config.revision, **more)
    except (OSError, ValueError) as error:
        raise CallError(
            f"{config.backend} cannot be loaded from {config.model!r} ({reason(error)}); give a folder with a"
            " checkpoint in transformers format, or a name on the Hub that this machine can download"
        ) from error


def load_model(kind: Any, config: CheckpointConfig) -> Any:
    """Load a model onto its device, in inference mode.

    Args:
        kind: A model class of transformers.
        config: Which checkpoint, precision and device.

    Raises:
        CallError: The checkpoint cannot be loaded.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = load(kind, config, dtype=getattr(torch, config.dtype), use_safetensors=True)
    return model.eval().to(device(config.device))


def device(wanted: str | None) -> str:
    """Return the torch device to use; None: cuda if available, else cpu."""
    import torch

    return wanted or ("cuda" if torch.cuda.is_available() else "cpu")


def version(config: CheckpointConfig, model: Any) -> str:
    """Return the version that tables record: a folder's name, or name and commit on the Hub.

    Args:
        config: Which checkpoint.
        model: The loaded model.
    """
    if Path(config.model).is_dir():
        return Path(config.model).name
    return f"{config.model}@{getattr(model.config, '_commit_hash', None) or config.revision}"
