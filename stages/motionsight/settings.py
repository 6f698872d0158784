"""The settings that the observation of a clip, and the answers about it, depend on."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from filters.camera.config import CameraConfig
from filters.flow.dis import DisConfig
from filters.flow.registry import FlowConfig
from filters.points.lucas_kanade import LucasKanadeConfig
from filters.points.registry import PointsConfig
from filters.shots.continuity import ContinuityConfig
from filters.shots.registry import ShotsConfig
from stages.models.backend import Backend
from stages.models.detector.moving_regions import MovingRegionsConfig
from stages.models.mllm.kinematic import KinematicConfig
from stages.models.registry import DetectorConfig, MllmConfig, TrackerConfig
from stages.models.tracker.regions import FlowTrackerConfig
from stages.motionsight.blur import BlurConfig
from stages.motionsight.decouple import DecoupleConfig
from stages.motionsight.focus import FocusConfig
from stages.motionsight.prompt import VisualPrompt
from stages.motionsight.spotlight import SpotlightConfig
from stages.video.frames import DecodeConfig


class FramesConfig(BaseModel):
    """Which frames the model sees, and how large they are."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(16, ge=2, le=128, description="frames per clip, evenly spread (paper: T = 16)")
    fps: float | None = Field(
        None,
        gt=0,
        le=60,
        description="frames per second in place of count, as Qwen-VL samples: an even number, 4 at least",
    )
    spread: Literal["middles", "ends"] = Field(
        "middles",
        description="'middles': of equal segments (paper); 'ends': evenly from the first to the last frame",
    )
    max_pixels: int = Field(360 * 420, ge=1024, description="pixels in the largest frame (paper: 360*420)")


class PromptConfig(BaseModel):
    """What the model gets along with a question."""

    model_config = ConfigDict(extra="forbid")

    object: VisualPrompt = Field("spotlight", description="visual prompt for questions about objects")
    camera: VisualPrompt = Field("motion_blur", description="visual prompt for questions about the camera")
    evidence: bool = Field(
        False, description="add measured camera rates and object tracks as text (as FoundationMotion does)"
    )


class ObserveConfig(BaseModel):
    """How clips are observed."""

    model_config = ConfigDict(extra="forbid")

    decode: DecodeConfig = DecodeConfig()
    flow: FlowConfig = Field(DisConfig(), description="estimator of dense optical flow")
    shots: ShotsConfig = Field(ContinuityConfig(), description="detector of shot boundaries")
    points: PointsConfig = Field(
        LucasKanadeConfig(), description="tracker of the points whose motion is measured"
    )
    camera: CameraConfig = CameraConfig()
    frames: FramesConfig = FramesConfig()
    detector: DetectorConfig = Field(
        MovingRegionsConfig(), description="finds the objects of a clip in single frames"
    )
    tracker: TrackerConfig = Field(
        FlowTrackerConfig(), description="follows detected objects through the clip"
    )
    focus: FocusConfig = FocusConfig()
    spotlight: SpotlightConfig = SpotlightConfig()
    blur: BlurConfig = BlurConfig()


class MotionSightConfig(ObserveConfig):
    """How questions about clips are answered."""

    decouple: DecoupleConfig = DecoupleConfig()
    prompt: PromptConfig = PromptConfig()
    mllm: MllmConfig = Field(KinematicConfig(), description="multimodal model that answers the questions")

    def own_backends(self) -> dict[str, Backend | None]:
        """Return the settings of the models that answer a question, by role."""
        return {"mllm": self.mllm, "detector": self.detector, "tracker": self.tracker}
