"""Settings: which measured rates count as a camera move."""

from pydantic import BaseModel, ConfigDict, Field


class CameraConfig(BaseModel):
    """When a measured rate counts as a camera move, independent of the frame rate and the frame size."""

    model_config = ConfigDict(extra="forbid")

    pan_min: float = Field(0.015, gt=0, description="smallest rate that counts as a pan, frame widths/s")
    tilt_min: float = Field(0.015, gt=0, description="smallest rate that counts as a tilt, frame heights/s")
    zoom_min: float = Field(0.02, gt=0, description="smallest rate that counts as a zoom, e-folds of scale/s")
    roll_min: float = Field(1.5, gt=0, description="smallest rate that counts as a roll, degrees/s")
    shake_min: float = Field(
        0.0015, gt=0, description="smallest RMS jitter that counts as shake, fraction of the frame width"
    )
    minor_share: float = Field(
        0.2, ge=0, le=1, description="moves smaller than this fraction of the largest one get no label"
    )
    agreement_min: float = Field(
        0.75, ge=0.5, le=1, description="fraction of the scene that must move the way a label says"
    )
    fit_min: float = Field(
        0.35,
        ge=0,
        le=1,
        description="fraction of the scene that the fit must explain; below it, labels need an agreement of"
        " 0.9 and no objects are reported",
    )
    baseline_s: float = Field(1.0, gt=0, description="length of the long baseline for slow moves, seconds")
    smooth_s: float = Field(
        1.0, gt=0, description="time scale between path (slower) and shake (faster), seconds"
    )
    cut_correlation: float = Field(
        0.35, ge=0, le=1, description="aligned frames that correlate less than this may be a cut"
    )
