"""Clips with too little or too much motion."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.gate import ClipGate, floats


class Flow(ClipGate):
    """The mean optical flow of a clip, the camera's motion included."""

    name, title, unit, order = "flow", "mean flow", "diagonals/s", 45
    columns = ("flow_mean",)

    flow_min: float | None = Field(
        None,
        ge=0,
        description="enough motion: mean flow, diagonals/s; null keeps still clips, which teach 'static'",
    )
    flow_max: float | None = Field(
        1.0, gt=0, description="not too much motion: above a diagonal per second little can be followed"
    )

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Read the mean flow."""
        return floats(scores["flow_mean"])
