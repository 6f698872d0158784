"""VQAScore by the package t2v-metrics, in an environment of its own (`vqascore.actor.runtime_env`).

The package reads files, so frames go through a temporary folder, in memory if the machine has /dev/shm. Video
models get all frames at once. Image models, such as CLIP-FlanT5, score a few frames, and the mean is the
clip's score. Frames and texts of several clips share a batch; texts are padded, and the padding is masked.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.identity import OPERATIONAL
from pipeline.requirements import Package, Program, Requirement
from stages.models.backend import AlignmentBackend
from stages.models.batching import Batches
from stages.models.checkpoint import HubCache
from stages.models.placement import Placement
from stages.models.protocols import Mllm

QUESTION = 'Does this video show "{}"? Please answer Yes or No.'
IN_MEMORY = Path("/dev/shm")


class T2vPlacement(Placement):
    """A `Placement` with a GPU."""

    num_gpus: float = Field(1.0, ge=0, description="GPUs reserved by each actor; a fraction shares a GPU")


class T2vMetricsConfig(AlignmentBackend):
    """Which model of t2v-metrics scores answers, and where it runs."""

    reentrant: ClassVar[bool] = True

    backend: Literal["t2v_metrics"] = "t2v_metrics"
    model: str = Field(
        "clip-flant5-xxl", description="model, as listed by t2v_metrics.list_all_vqascore_models()"
    )
    checkpoint: str | None = Field(
        None,
        description="folder of other weights, for models that take them (qwen2.5-vl-7b); null: its own",
    )
    cache_dir: str = Field("~/.cache/huggingface/hub", description="cache folder of the package's weights")
    device: Annotated[str | None, OPERATIONAL] = Field(
        None, description="cuda or cpu; null: cuda if available"
    )
    frames: int = Field(4, ge=1, description="frames scored by an image model; a video model gets all")
    batch_size: Annotated[int, OPERATIONAL] = Field(
        16, ge=1, description="frames scored at once, each for one text, of one clip or several"
    )
    actor: Annotated[T2vPlacement | None, OPERATIONAL] = Field(
        T2vPlacement(), description="Ray actors to run in; null: each worker loads the model itself"
    )

    def build(self, mllm: Mllm | None = None) -> "T2vMetrics":
        """Load the model.

        Raises:
            ImportError: The package is not installed.
            Exception: Whatever the package raises if it cannot load the model.
        """
        return T2vMetrics(self)

    def requirements(self) -> Iterable[Requirement]:
        """Return the package, the program ffmpeg, and the weights in the package's cache."""
        yield Package(
            "t2v_metrics", "pip install t2v-metrics==3.0, and what its README adds (LLaVA-NeXT, flash-attn)"
        )
        yield Program("ffmpeg", "t2v-metrics needs it")
        if self.model.startswith("clip-flant5") and not self.checkpoint:
            yield HubCache(f"zhiqiulin/{self.model}", self.cache_dir)
            yield HubCache(f"google/{self.model.replace('clip-flant5', 'flan-t5')}", self.cache_dir)


class T2vMetrics:
    """An `AlignmentScorer` by a model of t2v-metrics."""

    name = "t2v_metrics"

    def __init__(self, config: T2vMetricsConfig) -> None:
        import t2v_metrics
        import torch

        self.version = config.model
        self._frames = config.frames
        self._torch = torch
        self._device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
        more = {"checkpoint": str(Path(config.checkpoint).expanduser())} if config.checkpoint else {}
        cache = str(Path(config.cache_dir).expanduser())
        score = t2v_metrics.VQAScore(model=config.model, device=self._device, cache_dir=cache, **more)
        self._model: Any = score.model
        self._batches = Batches(self._compute, config.batch_size, config.gather_s)

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        """Score texts; see `AlignmentScorer`. A score that is not a number becomes None."""
        if not texts:
            return []
        video = self._model.video_mode == "direct"
        memory = IN_MEMORY if IN_MEMORY.is_dir() else None
        with self._batches.present(), tempfile.TemporaryDirectory(dir=memory) as folder:
            paths = [self._saved(folder, "video", frames)] if video else self._few(folder, frames)
            scores = self._batches([(path, text) for path in paths for text in texts])
        means = np.array(scores, np.float32).reshape(len(paths), len(texts)).mean(0).tolist()
        return [score if np.isfinite(score) else None for score in means]

    def _compute(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Score files, each for a text."""
        paths, texts = (list(each) for each in zip(*pairs, strict=True))
        # On a GPU the package uses mixed precision by itself; on a CPU it does not.
        with self._torch.autocast(self._device, self._torch.bfloat16, enabled=self._device == "cpu"):
            return self._model.forward(paths, texts, question_template=QUESTION).float().tolist()

    def _few(self, folder: str, frames: np.ndarray) -> list[str]:
        chosen = np.unique(np.linspace(0, len(frames) - 1, self._frames).round().astype(int))
        # For single images the package expects OpenCV's channel order.
        return [self._saved(folder, str(k), frames[k, :, :, ::-1]) for k in chosen]

    def _saved(self, folder: str, name: str, pixels: np.ndarray) -> str:
        path = f"{folder}/{name}.npy"
        np.save(path, np.ascontiguousarray(pixels))
        return path
