"""Gate on answers whose claims the measurements do not support."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from filters.gate import AnswerGate, Verdict


class MotionCheck(AnswerGate):
    """Limits the share of an answer's checkable claims that hold."""

    name, title, unit, order = "motion_check", "motion check", "share of claims", 20
    higher = "better supported by the measurements"

    motion_check_min: float | None = Field(
        0.99,
        ge=0,
        le=1,
        description="minimum share of an answer's checkable claims that measurements support",
    )
    motion_check_required: bool = Field(False, description="drop answers that make no checkable claim")

    @classmethod
    def value(cls, qa: Mapping[str, Any]) -> float | None:
        """Read the share."""
        return qa["motion_check"]

    @classmethod
    def verdict(cls, qa: Mapping[str, Any], settings: Any) -> Verdict | None:
        """Decide on one answer, including one that makes no checkable claim; see `AnswerGate`."""
        check, least = cls.value(qa), settings.motion_check_min
        if check is None:
            required = settings.motion_check_required
            reason = "the answer makes no checkable claim"
            return Verdict("motion_check_required", reason) if required else None
        if least is not None and not check >= least:
            return Verdict("motion_check_min", f"{check:.0%} of its claims hold, not {least:.0%}")
        return None
