"""SAM 2 (Ravi et al. 2024, arXiv 2408.00714) in transformers, as a carrier: masks that follow an object.

Its image encoder takes frames in batches, of several clips too: all are scaled to one size. The rest works
on one object at a time, from frame to frame.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.identity import OPERATIONAL
from stages.models.batching import Batches
from stages.models.checkpoint import CheckpointConfig, load, load_model, version
from stages.models.protocols import View
from stages.models.tracker.refined import Carried, RefinedConfig, RefinedTracker
from stages.video.boxes import iou
from stages.video.masks import encode


class MaskConfig(RefinedConfig):
    """When detections correct a tracker with masks, and whether to keep the masks."""

    # Longer than for trackers without appearance: SAM 2 notices by itself when an object is hidden.
    fade_s: float = Field(
        3.0, gt=0, description="time in which a track without detections loses half its confidence, seconds"
    )
    agreed: float = Field(
        0.8,
        ge=0,
        le=1,
        description="a mask with at least this IoU with a detection is kept as it is (official: 0.8)",
    )
    masks: bool = Field(False, description="keep the masks, for the visual prompt background_blur")


class Sam2Config(MaskConfig, CheckpointConfig):
    """SAM 2 in transformers."""

    architecture: ClassVar[str] = "sam2_video"
    reentrant: ClassVar[bool] = True
    backend: Literal["sam2"] = "sam2"
    model: str = Field(
        "facebook/sam2.1-hiera-large",
        min_length=1,
        description="folder of a checkpoint, or its name on the Hub",
    )
    batch_size: Annotated[int, OPERATIONAL] = Field(
        4, ge=1, description="frames encoded at once, of one clip or several"
    )

    def build(self) -> RefinedTracker:
        """Load the tracker.

        Raises:
            CallError: The checkpoint cannot be loaded.
        """
        self.check()
        return RefinedTracker(self, Sam2Carrier(self))


class Sam2Carrier:
    """A `Carrier` that prompts SAM 2 with boxes and returns the boxes around its masks in later frames.

    Attributes:
        config: The settings.
        processor: The processor of transformers.
        model: The model.
        encode: The features of frames (3, H, W), which sessions cache.
        memory: How many frames back the model looks; older outputs are dropped.
    """

    name = "sam2"

    def __init__(self, config: Sam2Config) -> None:
        from transformers import Sam2VideoModel, Sam2VideoProcessor

        self.config = config
        self.processor: Any = load(Sam2VideoProcessor, config)
        self.model: Any = load_model(Sam2VideoModel, config)
        self.version = version(config, self.model)
        self.encode = Batches(self._encode, config.batch_size)
        self.memory = max(self.model.config.num_maskmem, self.model.config.max_object_pointers_in_encoder)

    def begin(self, view: View) -> "_Sam2":
        """Start at the first frame of a view, without objects."""
        return _Sam2(self, view)

    def _encode(self, frames: Sequence[Any]) -> list[dict[str, Any]]:
        import torch

        with torch.inference_mode():
            batch = torch.stack([*frames]).to(self.model.device, self.model.dtype)
            found = self.model.get_image_features(batch, return_dict=True)
        parts = {"vision_feats": found.fpn_hidden_states, "vision_pos_embeds": found.fpn_position_encoding}
        return [
            # Each level is (positions, frames, channels).
            {name: [level[:, k : k + 1] for level in levels] for name, levels in parts.items()}
            for k in range(len(frames))
        ]


class _Sam2:
    """One session per object, so that each can be dropped or restarted; they share the frame's features."""

    def __init__(self, carrier: Sam2Carrier, view: View) -> None:
        self._carrier, self._view = carrier, view
        self._sessions: dict[int, Any] = {}
        self._seen: dict[int, Carried] = {}
        self._features = self._session().cache  # of the current frame
        self._ahead: dict[int, Any] = {}  # pixels and features of the current frame and some after it
        self._frame = 0

    def _session(self) -> Any:
        model = self._carrier.model
        return self._carrier.processor.init_video_session(inference_device=model.device, dtype=model.dtype)

    def _look(self) -> Any:
        """Have the features of the current frame at hand; returns its pixels (3, H, W)."""
        carrier, frame = self._carrier, self._frame
        if frame not in self._ahead:
            end = min(frame + carrier.config.batch_size, len(self._view.frames))
            frames = list(self._view.frames[frame:end])
            pixels = carrier.processor(images=frames, return_tensors="pt").pixel_values
            self._ahead = dict(
                zip(range(frame, end), zip(pixels, carrier.encode(pixels), strict=True), strict=True)
            )
        pixels, features = self._ahead[frame]
        self._features.cache_vision_features(frame, features)
        return pixels

    def put(self, key: int, box: np.ndarray) -> Carried:
        """Keep a mask that agrees with the box, memory included; otherwise prompt a new one by the box."""
        old = self._seen.get(key)
        if old is not None and iou(old.box, box) >= self._carrier.config.agreed:
            return old
        width, height = self._view.size
        session = self._session()
        session.cache = self._features
        self._carrier.processor.add_inputs_to_inference_session(
            session, self._frame, [key], input_boxes=[[box.tolist()]], original_size=(height, width)
        )
        self._sessions[key] = session
        self._seen[key] = self._segment(session) or Carried(box)
        return self._seen[key]

    def advance(self, frame: int, boxes: Mapping[int, np.ndarray]) -> dict[int, Carried]:
        self._sessions, self._frame = {key: self._sessions[key] for key in boxes}, frame
        found = {key: self._segment(session) for key, session in self._sessions.items()}
        self._seen = {key: carried for key, carried in found.items() if carried}
        return self._seen

    def _segment(self, session: Any) -> Carried | None:
        """Segment the object of a session in the current frame."""
        carrier, frame = self._carrier, self._frame
        output = carrier.model(session, frame_idx=frame, frame=self._look())
        # Neither is read again, and in a long clip they would take most of the memory.
        session.processed_frames.clear()
        for kept in session.output_dict_per_obj[0].values():
            kept.get(frame, {}).pop("high_res_masks", None)
        session.output_dict_per_obj[0]["non_cond_frame_outputs"].pop(frame - carrier.memory, None)
        width, height = self._view.size
        (masks,) = carrier.processor.post_process_masks([output.pred_masks.float()], [[height, width]])
        score = float(output.object_score_logits.float().sigmoid().max())
        return around(masks[0, 0].cpu().numpy(), score, carrier.config.masks)


def around(mask: np.ndarray, score: float, keep: bool) -> Carried | None:
    """Compute the box around a mask.

    Args:
        mask: (H, W) bool.
        score: Confidence, 0 to 1.
        keep: Whether to keep the mask as well.

    Returns:
        None for an empty mask.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
    return Carried(box, score, encode(mask) if keep else None)
