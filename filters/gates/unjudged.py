"""Gate on answers with claims that the measurements cannot judge."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from filters.gate import AnswerGate


class Unjudged(AnswerGate):
    """Limits the claims of an answer on which the two measurements differ, or say nothing."""

    name, title, unit, order = "unjudged", "claims that cannot be judged", "claims", 21
    higher = "less that can be checked"

    unjudged_max: int | None = Field(
        None, ge=0, description="most checkable claims of an answer that the measurements cannot judge"
    )

    @classmethod
    def value(cls, qa: Mapping[str, Any]) -> float | None:
        """Read how many there are."""
        return qa.get("unjudged")
