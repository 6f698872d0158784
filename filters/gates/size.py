"""Gate on clips that are too small."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.gate import ClipGate, floats


class Size(ClipGate):
    """Limits the shorter side of a clip."""

    name, title, unit, order = "size", "shorter side", "px", 20
    higher = "more detail"
    columns = ("width", "height")

    side_min: int | None = Field(
        128,
        ge=1,
        description="minimum length of the shorter side, pixels; in smaller clips, small motion is invisible",
    )

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Read the shorter side, pixels; see `ClipGate`."""
        return np.minimum(floats(scores["width"]), floats(scores["height"]))
