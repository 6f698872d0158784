"""The prompt that goes to the MLLM with the prepared frames (MotionSight, the answering step)."""

import numpy as np

from stages.models.base import Category

READING = {
    "object": (
        "In every frame the region where something moves keeps its brightness and the rest is dimmed. "
        "Follow what happens inside the bright region."
    ),
    "camera": (
        "Every frame is blended with the frames just before it. If the static background leaves trails, the "
        "camera moved, opposite to the trails' growth; if only some things leave trails, those things moved."
    ),
    "both": (
        "The first half of the frames has the region where something moves at full brightness and the rest "
        "dimmed. The second half shows the same moments, each blended with the frames just before it: trails "
        "of the static background mean that the camera moved."
    ),
}


def prompt(question: str, category: Category | None, times: np.ndarray) -> str:
    """The text for a question, given the times (T,) in seconds of the frames; category None: plain frames."""
    moments = ", ".join(f"{t:.2f}" for t in times)
    reading = f" {READING[category]}" if category else ""
    return (
        f"These are {len(times)} frames of one video, taken at {moments} seconds.{reading} "
        f"Answer in one to three sentences, and say only what the frames show.\nQuestion: {question}"
    )
