"""Gate on clips of poor technical quality."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.gate import ClipGate, floats


class Quality(ClipGate):
    """Limits the score of `quality.metric`, from below or above, depending on the metric."""

    name, title, order = "quality", "quality", 40
    columns = ("quality",)

    quality_min: float | None = Field(
        None, description="minimum score, for metrics where higher is better (clipiqa, musiq)"
    )
    quality_max: float | None = Field(
        80.0,
        description="maximum score, for metrics where lower is better (piqe: 0 to 100, 80 and above is bad)",
    )

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Read the score; see `ClipGate`."""
        return floats(scores["quality"])
