"""Grounding DINO by its authors' code, the package `groundingdino-py`: for checkpoints in its format.

The package needs transformers < 5, so it runs in an actor with an environment of its own. Of this project's
dependencies, that environment needs NumPy, pydantic, Ray, OpenCV and PyArrow.
"""

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.errors import CallError
from pipeline.identity import OPERATIONAL
from pipeline.requirements import LocalFile, Package, Requirement
from stages.models.checkpoint import device
from stages.models.detector.grounding_dino import GroundingConfig, detect
from stages.models.placement import Placement
from stages.models.protocols import Detections, View

FILES = ("config_file", "checkpoint", "text_encoder")


class GroundingDinoPyConfig(GroundingConfig):
    """Grounding DINO in groundingdino-py; everything is read from local paths."""

    backend: Literal["groundingdino_py"] = "groundingdino_py"
    config_file: str = Field(
        min_length=1, description="the model's configuration, a Python file that is executed"
    )
    checkpoint: str = Field(min_length=1, description="file of weights, .pth")
    text_encoder: str = Field(
        min_length=1,
        description="folder of bert-base-uncased: tokenizer and model, as saved by transformers",
    )
    device: Annotated[str | None, OPERATIONAL] = Field(
        None, description="torch device; null: cuda if available, else cpu"
    )
    actor: Annotated[Placement | None, OPERATIONAL] = Field(
        None,
        description="Ray actors to run in; runtime_env.py_executable is the Python that has the package",
    )

    def build(self) -> "GroundingDinoPy":
        """Load the detector.

        Raises:
            CallError: The package or one of the files is missing.
        """
        self.check()
        return GroundingDinoPy(self)

    def check(self) -> None:
        """Check that package and files exist.

        Raises:
            CallError: One does not.
        """
        for name in FILES:
            if not Path(getattr(self, name)).exists():
                raise CallError(f"detector.{name}: {getattr(self, name)!r} does not exist")
        if not find_spec("groundingdino"):
            raise CallError(
                "detector.backend=groundingdino_py needs groundingdino-py and transformers<5; set"
                " detector.actor.runtime_env.py_executable to the Python of an environment that has them"
            )

    def requirements(self) -> Iterable[Requirement]:
        """Return the package and the files."""
        yield Package("groundingdino", "pip install groundingdino-py==0.4.0 'transformers<5'")
        for name in FILES:
            yield LocalFile(name, getattr(self, name))


class GroundingDinoPy:
    """A `Detector` on the package's model and preprocessing."""

    name = "groundingdino_py"

    def __init__(self, config: GroundingDinoPyConfig) -> None:
        import groundingdino.datasets.transforms as transforms
        import torch
        from groundingdino.models import build_model
        from groundingdino.util.misc import clean_state_dict
        from groundingdino.util.slconfig import SLConfig

        settings = SLConfig.fromfile(config.config_file)
        settings.text_encoder_type = config.text_encoder
        settings.device = device(config.device)
        self._config = config
        self._model: Any = build_model(settings)
        weights = torch.load(config.checkpoint, map_location="cpu", weights_only=True)
        self._model.load_state_dict(clean_state_dict(weights["model"]), strict=False)
        self._model = self._model.eval().to(settings.device)
        self._prepare = transforms.Compose(
            [
                transforms.RandomResize([800], max_size=1333),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )
        self.version = Path(config.checkpoint).name

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        """Find objects of these names in the key frames; see `grounding_dino.detect`."""
        return detect(view, labels, self._config, self._model.tokenizer, self._forward)

    def _forward(self, frames: np.ndarray, text: str) -> tuple[np.ndarray, np.ndarray]:
        import torch
        from PIL import Image

        pixels = torch.stack([self._prepare(Image.fromarray(frame), None)[0] for frame in frames])
        with torch.inference_mode():
            outputs = self._model(pixels.to(device(self._config.device)), captions=[text] * len(frames))
        return outputs["pred_logits"].sigmoid().cpu().numpy(), outputs["pred_boxes"].cpu().numpy()
