"""The settings of MotionSight: what a clip's observation, and the answers about it, depend on."""

from pydantic import BaseModel, ConfigDict, Field

from filters.camera.config import CameraConfig
from filters.flow.dis import DisConfig
from filters.flow.registry import FlowConfig
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
    """Which frames the model sees."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(16, ge=2, le=128, description="frames of a clip (paper: T = 16)")
    max_pixels: int = Field(360 * 420, ge=1024, description="pixels of the largest frame (paper: 360*420)")


class PromptConfig(BaseModel):
    """What goes to the model with a question."""

    model_config = ConfigDict(extra="forbid")

    object: VisualPrompt = Field("spotlight", description="visual prompt of questions about objects")
    camera: VisualPrompt = Field("motion_blur", description="visual prompt of questions about the camera")
    evidence: bool = Field(
        False, description="add the measured camera rates and tracks as text (as FoundationMotion does)"
    )


class ObserveConfig(BaseModel):
    """What the observation of a clip depends on."""

    model_config = ConfigDict(extra="forbid")

    decode: DecodeConfig = DecodeConfig()
    flow: FlowConfig = DisConfig()
    camera: CameraConfig = CameraConfig()
    frames: FramesConfig = FramesConfig()
    detector: DetectorConfig = MovingRegionsConfig()
    tracker: TrackerConfig = FlowTrackerConfig()
    focus: FocusConfig = FocusConfig()
    spotlight: SpotlightConfig = SpotlightConfig()
    blur: BlurConfig = BlurConfig()


class MotionSightConfig(ObserveConfig):
    """What an answer of MotionSight depends on."""

    decouple: DecoupleConfig = DecoupleConfig()
    prompt: PromptConfig = PromptConfig()
    mllm: MllmConfig = KinematicConfig()

    def own_backends(self) -> dict[str, Backend | None]:
        """Return the settings of the models that answering a question takes, by role."""
        return {"mllm": self.mllm, "detector": self.detector, "tracker": self.tracker}
