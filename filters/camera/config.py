"""Settings: which measured rates count as a camera move."""

from pydantic import BaseModel, ConfigDict, Field


class CameraConfig(BaseModel):
    """When a measured rate counts as a camera move, independent of the frame rate and the frame size."""

    model_config = ConfigDict(extra="forbid")

    pan_extent: float = Field(
        0.04,
        gt=0,
        description="smallest pan, frame widths; this and the other extents are for clips of 3 s and more,"
        " and less in proportion, down to three eighths, in shorter ones",
    )
    tilt_extent: float = Field(0.05, gt=0, description="smallest tilt, frame heights")
    zoom_extent: float = Field(0.05, gt=0, description="smallest zoom, e-folds of scale")
    roll_extent: float = Field(3.0, gt=0, description="smallest roll, degrees")
    pan_min: float = Field(
        0.01, gt=0, description="rate below which a pan must be beyond doubt, frame widths/s"
    )
    tilt_min: float = Field(0.01, gt=0, description="the same for a tilt, frame heights/s")
    zoom_min: float = Field(0.01, gt=0, description="the same for a zoom, e-folds of scale/s")
    roll_min: float = Field(1.0, gt=0, description="the same for a roll, degrees/s")
    shake_min: float = Field(
        0.0015, gt=0, description="smallest RMS jitter that counts as shake, fraction of the frame width"
    )
    minor_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="moves smaller than this fraction of a larger one at the time get no label",
    )
    agreement_min: float = Field(
        0.7, ge=0.5, le=1, description="fraction of the picture that must move the way a label says"
    )
    fit_min: float = Field(
        0.6,
        ge=0,
        le=1,
        description="fraction of the picture that a moving camera must explain for objects to be described",
    )
    baseline_s: float = Field(1.0, gt=0, description="length of the long baseline for slow moves, seconds")
    smooth_s: float = Field(
        1.0, gt=0, description="time scale between path (slower) and shake (faster), seconds"
    )
