"""The prompt that goes to the MLLM with the prepared frames (MotionSight, the answering step)."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from stages.models.protocols import Category

VisualPrompt = Literal["none", "spotlight", "crop", "background_blur", "red_circle", "motion_blur"]
VISUAL_PROMPTS: tuple[VisualPrompt, ...] = get_args(VisualPrompt)

# How the frames of each visual prompt are to be read.
READING: dict[VisualPrompt, str] = {
    "none": "",
    "spotlight": "the region where something moves keeps its brightness and the rest is dimmed",
    "crop": "only the region where something moves is shown, cut out of the whole picture",
    "background_blur": "the region where something moves is sharp and the rest is blurred",
    "red_circle": "a red ellipse is drawn around the region where something moves",
    "motion_blur": (
        "each frame is blended with the frames just before it, so that what moves leaves trails: trails of"
        " the static background mean that the camera moved"
    ),
}


# In which form to answer.
DESCRIBE = "Answer in one to three sentences, and say only what the frames show."


def prompt(
    question: str, times: np.ndarray, shown: Sequence[VisualPrompt] = ("none",), form: str = DESCRIBE
) -> str:
    """The text for a question.

    times: (T,) seconds of the frames. shown: the visual prompts, each on all T frames, one after the other.
    form: the sentence that says how to answer.
    """
    if len(shown) == 1:
        reading = f" In them, {READING[shown[0]]}." if READING[shown[0]] else ""
    else:
        parts = "; ".join(
            f"the {nth} time, {READING[name]}" for nth, name in zip(("first", "second"), shown, strict=True)
        )
        reading = f" They are shown twice: {parts}."
    return f"{moments(times)}{reading} {form}\nQuestion: {question}"


def moments(times: np.ndarray) -> str:
    """The sentence that tells when the frames were taken; times: (T,) seconds."""
    at = ", ".join(f"{t:.2f}" for t in times)
    return f"These are {len(times)} frames of one video, taken at {at} seconds."


def visual_prompts(
    category: Category, for_objects: VisualPrompt, for_camera: VisualPrompt
) -> tuple[VisualPrompt, ...]:
    """Which visual prompts a question of a category gets (official: spotlight, motion blur)."""
    if category == "object" or for_objects == for_camera:
        return (for_objects,)
    return (for_camera,) if category == "camera" else (for_objects, for_camera)
