"""Gate on answers that do not fit their clip."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from filters.gate import AnswerGate


class Alignment(AnswerGate):
    """Limits the VQAScore of an answer."""

    name, title, unit, order = "alignment", "VQAScore", "probability", 10
    higher = "fits the clip better"

    alignment_min: float | None = Field(
        None, ge=0, le=1, description="minimum VQAScore of an answer; answers without one are kept"
    )

    @classmethod
    def value(cls, qa: Mapping[str, Any]) -> float | None:
        """Read the score."""
        return qa["vqascore"]
