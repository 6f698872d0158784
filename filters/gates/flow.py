"""Gate on clips with too little or too much motion."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.gate import ClipGate, floats


class Flow(ClipGate):
    """Limits the mean optical flow of a clip, camera motion included."""

    name, title, unit, order = "flow", "mean flow", "diagonals/s", 45
    higher = "more motion"
    columns = ("flow_mean",)

    flow_min: float | None = Field(
        None,
        ge=0,
        description="minimum mean flow, diagonals per second; null keeps still clips, which teach 'static'",
    )
    flow_max: float | None = Field(
        1.0,
        gt=0,
        description="maximum mean flow, frame diagonals per second; above 1, little can be followed",
    )

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Read the mean flow, frame diagonals per second; see `ClipGate`."""
        return floats(scores["flow_mean"])
