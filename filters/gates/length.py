"""Gate on clips that are too short or too long."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.gate import ClipGate, floats


class Length(ClipGate):
    """Limits the length of a clip."""

    name, title, unit, order = "length", "duration", "s", 10
    higher = "longer"
    columns = ("duration_s",)

    duration_min_s: float | None = Field(
        1.0, ge=0, description="minimum length, seconds; shorter clips hardly show a motion"
    )
    duration_max_s: float | None = Field(
        120.0,
        gt=0,
        description="maximum length, seconds; in longer clips, 16 frames no longer show what moves",
    )

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Read the length, seconds; see `ClipGate`."""
        return floats(scores["duration_s"])
