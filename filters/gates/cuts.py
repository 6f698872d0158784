"""Clips of more than one shot."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from filters.gate import ClipGate, floats


class Cuts(ClipGate):
    """Hard cuts inside a clip."""

    name, title, order = "cuts", "hard cuts", 30
    columns = ("cuts",)

    cuts_max: int | None = Field(0, ge=0, description="hard cuts inside the clip: across a cut nothing moves")

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Count the cuts."""
        return floats(pc.list_value_length(scores["cuts"]))
