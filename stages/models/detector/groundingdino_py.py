"""Grounding DINO by its authors' code, the package `groundingdino-py`: for checkpoints in its form.

It needs transformers before 5, so it lives in an actor with an environment of its own; there this file and
what it imports need NumPy, pydantic, Ray, OpenCV and PyArrow of the rest.
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
    """Grounding DINO by groundingdino-py; everything is read from local paths."""

    backend: Literal["groundingdino_py"] = "groundingdino_py"
    config_file: str = Field(min_length=1, description="the model's configuration, a Python file that is run")
    checkpoint: str = Field(min_length=1, description="a .pth file of weights")
    text_encoder: str = Field(
        min_length=1,
        description="a folder with bert-base-uncased: tokenizer and model, as transformers saves them",
    )
    device: Annotated[str | None, OPERATIONAL] = Field(
        None, description="torch device; null: cuda if there is one, else cpu"
    )
    actor: Annotated[Placement | None, OPERATIONAL] = Field(
        None, description="runtime_env.py_executable: the python of the environment that has the package"
    )

    def build(self) -> "GroundingDinoPy":
        """The detector. Raises CallError without the package or one of the files."""
        self.check()
        return GroundingDinoPy(self)

    def check(self) -> None:
        """See whether package and files are there. Raises CallError."""
        for name in FILES:
            if not Path(getattr(self, name)).exists():
                raise CallError(f"detector.{name}: there is no {getattr(self, name)!r}")
        if not find_spec("groundingdino"):
            raise CallError(
                "detector.backend=groundingdino_py needs groundingdino-py and transformers<5; name an"
                " environment that has them in detector.actor.runtime_env.py_executable"
            )

    def requirements(self) -> Iterable[Requirement]:
        """The package and the files."""
        yield Package("groundingdino", "pip install groundingdino-py==0.4.0 'transformers<5'")
        for name in FILES:
            yield LocalFile(name, getattr(self, name))


class GroundingDinoPy:
    """The detector on the package's model, preprocessed as the package does."""

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
        """As `GroundingDino.detect`."""
        return detect(view, labels, self._config, self._model.tokenizer, self._forward)

    def _forward(self, frames: np.ndarray, text: str) -> tuple[np.ndarray, np.ndarray]:
        import torch
        from PIL import Image

        pixels = torch.stack([self._prepare(Image.fromarray(frame), None)[0] for frame in frames])
        with torch.inference_mode():
            outputs = self._model(pixels.to(device(self._config.device)), captions=[text] * len(frames))
        return outputs["pred_logits"].sigmoid().cpu().numpy(), outputs["pred_boxes"].cpu().numpy()
