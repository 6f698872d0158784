"""SAM 2 in Meta's package `sam2`, as a carrier: for checkpoints in its format."""

import itertools
from collections.abc import Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.errors import CallError
from pipeline.identity import OPERATIONAL
from pipeline.requirements import LocalFile, Package, Requirement
from stages.models.checkpoint import device
from stages.models.placement import Placement
from stages.models.protocols import View
from stages.models.tracker.refined import Carried, RefinedTracker
from stages.models.tracker.sam2 import MaskConfig, around
from stages.video.boxes import iou


class Sam2MetaConfig(MaskConfig):
    """SAM 2 in Meta's package."""

    backend: Literal["sam2_meta"] = "sam2_meta"
    checkpoint: str = Field(min_length=1, description="Meta's file of weights, .pt")
    architecture: str = Field(
        "configs/sam2.1/sam2.1_hiera_l.yaml",
        description="the configuration inside the package that matches the checkpoint",
    )
    overrides: tuple[str, ...] = Field((), description="Hydra overrides of that configuration")
    device: Annotated[str | None, OPERATIONAL] = Field(
        None, description="torch device; null: cuda if available, else cpu"
    )
    actor: Annotated[Placement | None, OPERATIONAL] = Field(
        None, description="Ray actors to run in; null: each worker loads the model itself"
    )

    def build(self) -> RefinedTracker:
        """Load the tracker.

        Raises:
            CallError: The package or the checkpoint is missing.
        """
        self.check()
        return RefinedTracker(self, Sam2MetaCarrier(self))

    def check(self) -> None:
        """Check that package and checkpoint exist.

        Raises:
            CallError: One does not.
        """
        if not find_spec("sam2"):
            raise CallError(
                "tracker.backend=sam2_meta needs the package sam2:"
                " SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2"
            )
        if not Path(self.checkpoint).is_file():
            raise CallError(f"tracker.checkpoint: the file {self.checkpoint!r} does not exist")

    def requirements(self) -> Iterable[Requirement]:
        """Return the package and the checkpoint."""
        yield Package("sam2", "SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2==1.1.0")
        yield LocalFile("checkpoint", self.checkpoint)


class Sam2MetaCarrier:
    """The same as `Sam2Carrier`; frames go through a folder, because the package only reads files.

    Attributes:
        config: The settings.
        model: The package's predictor.
    """

    name = "sam2_meta"

    def __init__(self, config: Sam2MetaConfig) -> None:
        import sam2.sam2_video_predictor
        import sam2.utils.misc
        from sam2.build_sam import build_sam2_video_predictor

        # It draws a progress bar for every frame, and has no argument to turn that off.
        for module in (sam2.sam2_video_predictor, sam2.utils.misc):
            module.tqdm = partial(module.tqdm, disable=True)
        self.config = config
        self.model: Any = build_sam2_video_predictor(
            config.architecture,
            config.checkpoint,
            device=device(config.device),
            hydra_overrides_extra=list(config.overrides),
        )
        self.version = Path(config.checkpoint).name

    def begin(self, view: View) -> "_Sam2Meta":
        """Start at the first frame of a view, without objects."""
        return _Sam2Meta(self, view)


class _Sam2Meta:
    def __init__(self, carrier: Sam2MetaCarrier, view: View) -> None:
        from PIL import Image

        self._carrier = carrier
        self._frame = 0
        self._ids: dict[int, int] = {}  # the package's object ids; an object that is restarted gets a new one
        self._numbers = itertools.count()
        self._seen: dict[int, Carried] = {}
        with TemporaryDirectory() as folder:
            for k, frame in enumerate(view.frames):
                Image.fromarray(frame).save(f"{folder}/{k}.jpg", quality=100, subsampling=0)
            self._state = carrier.model.init_state(folder)

    def put(self, key: int, box: np.ndarray) -> Carried:
        """Keep a mask that agrees with the box, memory included; otherwise prompt a new one by the box."""
        old, config, model = self._seen.get(key), self._carrier.config, self._carrier.model
        if old is not None and iou(old.box, box) >= config.agreed:
            return old
        self._drop(key)
        self._ids[key] = next(self._numbers)
        _, ids, logits = model.add_new_points_or_box(
            self._state, self._frame, self._ids[key], box=box.astype(np.float32)
        )
        mask = logits[ids.index(self._ids[key]), 0]
        self._seen[key] = around((mask > 0).cpu().numpy(), 1.0, config.masks) or Carried(box)
        return self._seen[key]

    def _drop(self, key: int) -> None:
        if key in self._ids:
            self._carrier.model.remove_object(self._state, self._ids.pop(key), need_output=False)

    def advance(self, frame: int, boxes: Mapping[int, np.ndarray]) -> dict[int, Carried]:
        for key in self._ids.keys() - boxes.keys():
            self._drop(key)
        self._frame, self._seen = frame, {}
        if self._ids:
            model, keep = self._carrier.model, self._carrier.config.masks
            _, ids, logits = next(model.propagate_in_video(self._state, frame, max_frame_num_to_track=0))
            for key, number in self._ids.items():
                carried = around((logits[ids.index(number), 0] > 0).cpu().numpy(), 1.0, keep)
                if carried:
                    self._seen[key] = carried
        return self._seen
