"""The MotionSight method (arXiv 2506.01674): pure functions, and `MotionSight`, which combines them."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import `MotionSight` on first access, because the pure functions need none of its models."""
    if name == "MotionSight":
        from stages.motionsight.service import MotionSight

        return MotionSight
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
