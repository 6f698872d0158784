"""Clips that are too short or too long."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.gate import ClipGate, floats


class Length(ClipGate):
    """The length of a clip."""

    name, title, unit, order = "length", "duration", "s", 10
    columns = ("duration_s",)

    duration_min_s: float | None = Field(1.0, ge=0, description="too short to show a motion, seconds")
    duration_max_s: float | None = Field(
        120.0, gt=0, description="above it 16 frames no longer show what moves, seconds"
    )

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Read the length."""
        return floats(scores["duration_s"])
