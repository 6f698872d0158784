"""Clips of poor technical quality."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.gate import ClipGate, floats


class Quality(ClipGate):
    """The score of `quality.metric`, whichever way it points."""

    name, title, order = "quality", "quality", 40
    columns = ("quality",)

    quality_min: float | None = Field(None, description="for metrics where higher is better (clipiqa, musiq)")
    quality_max: float | None = Field(
        80.0, description="for metrics where lower is better; PIQE, 0 to 100, calls 80 and more bad"
    )

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Read the score."""
        return floats(scores["quality"])
