"""Gate on answers that do not fit their clip."""

from pydantic import Field

from filters.gate import AnswerGate


class Alignment(AnswerGate):
    """Limits the VQAScore of an answer."""

    name, title, unit, order, column = "alignment", "VQAScore", "probability", 10, "vqascore"

    alignment_min: float | None = Field(
        None, ge=0, le=1, description="minimum VQAScore of an answer; answers without one are kept"
    )
