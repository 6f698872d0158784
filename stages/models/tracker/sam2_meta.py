"""SAM 2 as a carrier, by Meta's package `sam2`: for checkpoints in its form."""

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
    """SAM 2 by Meta's package."""

    backend: Literal["sam2_meta"] = "sam2_meta"
    checkpoint: str = Field(min_length=1, description="a .pt file of Meta's")
    architecture: str = Field(
        "configs/sam2.1/sam2.1_hiera_l.yaml", description="the config inside the package that it belongs to"
    )
    overrides: tuple[str, ...] = Field((), description="of that config, as Hydra takes them")
    device: Annotated[str | None, OPERATIONAL] = Field(
        None, description="torch device; null: cuda if there is one, else cpu"
    )
    actor: Annotated[Placement | None, OPERATIONAL] = Field(
        None, description="null: in the process of each worker"
    )

    def build(self) -> RefinedTracker:
        """The tracker. Raises CallError without the package or the checkpoint."""
        self.check()
        return RefinedTracker(self, Sam2MetaCarrier(self))

    def check(self) -> None:
        """See whether package and checkpoint are there. Raises CallError."""
        if not find_spec("sam2"):
            raise CallError(
                "tracker.backend=sam2_meta needs the package sam2:"
                " SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2"
            )
        if not Path(self.checkpoint).is_file():
            raise CallError(f"tracker.checkpoint: there is no file {self.checkpoint!r}")

    def requirements(self) -> Iterable[Requirement]:
        """The package and the checkpoint."""
        yield Package("sam2", "SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2==1.1.0")
        yield LocalFile("checkpoint", self.checkpoint)


class Sam2MetaCarrier:
    """As `Sam2Carrier`; frames go to the package through a folder, the only way that it takes them."""

    name = "sam2_meta"

    def __init__(self, config: Sam2MetaConfig) -> None:
        import sam2.sam2_video_predictor
        import sam2.utils.misc
        from sam2.build_sam import build_sam2_video_predictor

        # It draws a progress bar for every frame and takes no argument against that.
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
        """At the view's first frame, with no objects."""
        return _Sam2Meta(self, view)


class _Sam2Meta:
    def __init__(self, carrier: Sam2MetaCarrier, view: View) -> None:
        from PIL import Image

        self._carrier = carrier
        self._frame = 0
        self._ids: dict[int, int] = {}  # of the package's objects: a new one whenever an object is begun anew
        self._numbers = itertools.count()
        self._seen: dict[int, Carried] = {}
        with TemporaryDirectory() as folder:
            for k, frame in enumerate(view.frames):
                Image.fromarray(frame).save(f"{folder}/{k}.jpg", quality=100, subsampling=0)
            self._state = carrier.model.init_state(folder)

    def put(self, key: int, box: np.ndarray) -> Carried:
        """A mask that agrees with the box stays, with its memory; otherwise the box prompts a new one."""
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
