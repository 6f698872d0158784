"""Gate on clips with more than one shot."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from filters.gate import ClipGate, floats


class Cuts(ClipGate):
    """Limits the hard cuts inside a clip."""

    name, title, order = "cuts", "hard cuts", 30
    higher = "more shots"
    columns = ("cuts",)

    cuts_max: int | None = Field(
        0, ge=0, description="maximum number of hard cuts in a clip; motion cannot be followed across a cut"
    )

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Count the cuts; see `ClipGate`."""
        return floats(pc.list_value_length(scores["cuts"]))
