"""The settings that a row of `scores` depends on."""

from pydantic import BaseModel, ConfigDict, Field

from filters.camera.config import CameraConfig
from filters.flow.dis import DisConfig
from filters.flow.registry import FlowConfig
from filters.points.lucas_kanade import LucasKanadeConfig
from filters.points.registry import PointsConfig
from filters.quality import QualityConfig
from filters.shots.continuity import ContinuityConfig
from filters.shots.registry import ShotsConfig
from stages.video.frames import DecodeConfig


class ScoreConfig(BaseModel):
    """How clips are decoded and measured."""

    model_config = ConfigDict(extra="forbid")

    decode: DecodeConfig = DecodeConfig()
    flow: FlowConfig = Field(DisConfig(), description="estimator of dense optical flow")
    shots: ShotsConfig = Field(ContinuityConfig(), description="detector of shot boundaries")
    points: PointsConfig = Field(
        LucasKanadeConfig(), description="tracker of the points whose motion is measured"
    )
    camera: CameraConfig = CameraConfig()
    quality: QualityConfig = QualityConfig()
