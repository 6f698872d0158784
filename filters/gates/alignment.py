"""Answers that do not fit their clip."""

from pydantic import Field

from filters.gate import AnswerGate


class Alignment(AnswerGate):
    """The VQAScore of an answer."""

    name, title, unit, order, column = "alignment", "VQAScore", "probability", 10, "vqascore"

    alignment_min: float | None = Field(
        None, ge=0, le=1, description="VQAScore of the answer; applies where there is one"
    )
