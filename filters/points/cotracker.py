"""CoTracker3 (Karaev et al. 2024, arXiv 2410.11831), which follows all points at once; meant for a GPU."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from filters.points.chunks import EVERY, ChunkFollower
from filters.points.follower import PointBackend
from pipeline.errors import CallError
from pipeline.identity import OPERATIONAL
from pipeline.requirements import Context, Finding, Package, Requirement

INSTALL = "pip install git+https://github.com/facebookresearch/co-tracker"  # it is not on PyPI
MODEL, FILE = "facebook/cotracker3", "scaled_offline.pth"  # its authors' weights, at Hugging Face


class CoTrackerConfig(PointBackend):
    """CoTracker3 in its authors' package, the offline model. The licence of both is CC-BY-NC."""

    backend: Literal["cotracker"] = "cotracker"
    weights: str = Field(min_length=1, description=f"file of the offline model's weights, {FILE}")
    chunk: int = Field(48, ge=EVERY, description="samples that the model sees at once: bounds its memory")
    device: Annotated[str, OPERATIONAL] = Field("cuda", description="torch device")

    def build(self) -> "CoTracker":
        """Load the model onto its device.

        Raises:
            CallError: The package or the file of weights is missing.
        """
        if not find_spec("cotracker"):
            raise CallError(f"points.backend=cotracker needs the package cotracker: {INSTALL}")
        if not _path(self.weights).is_file():
            raise CallError(f"points.weights: the file {self.weights!r} does not exist")
        return CoTracker(_path(self.weights), self.chunk, self.device)

    def requirements(self) -> Iterable[Requirement]:
        """Return the package and the weights."""
        yield Package("cotracker", INSTALL)
        yield CoTrackerWeights(self.weights)


@dataclass(frozen=True)
class CoTrackerWeights:
    """The file of weights.

    Attributes:
        path: Where the settings say it is.
    """

    path: str

    def examine(self, context: Context) -> Iterator[Finding]:
        """Check that it exists."""
        there, name = _path(self.path).is_file(), f"{context.part}.weights"
        remedy = (
            f"hf download {MODEL} {FILE} --local-dir {context.weights}\n--set {name}={context.weights}/{FILE}"
        )
        found = "exists" if there else "does not exist"
        yield Finding(context.part, f"{name} {self.path}", found, "" if there else remedy)


class CoTracker:
    """A `PointTracker` by CoTracker3."""

    def __init__(self, weights: Path, chunk: int, device: str) -> None:
        import torch

        # Its modules seed PyTorch's random numbers when they are imported.
        with torch.random.fork_rng(devices=[]):
            from cotracker.predictor import CoTrackerPredictor

            model = CoTrackerPredictor(checkpoint=str(weights), offline=True)
        self._torch: Any = torch
        self._model, self._chunk, self._device = model.eval().to(device), chunk, device

    def __call__(self, picture: tuple[slice, slice]) -> ChunkFollower:
        """Start with a clip; see `PointTracker`."""
        return ChunkFollower(self.predict, self._chunk, picture)

    def predict(self, samples: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Follow points through some samples; see `Predict`."""
        torch = self._torch
        video = torch.from_numpy(samples).to(self._device)[None, :, None].expand(-1, -1, 3, -1, -1).float()
        queries = np.pad(points, ((0, 0), (1, 0)))  # the sample in which each begins, and x, y
        with torch.inference_mode():
            paths, seen = self._model(video, queries=torch.from_numpy(queries).to(self._device)[None])
        return paths[0].cpu().numpy(), seen[0].cpu().numpy()


def _path(weights: str) -> Path:
    return Path(weights).expanduser()
