"""The prompt that accompanies the enhanced frames (MotionSight, the answering step)."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from stages.models.protocols import Category

VisualPrompt = Literal["none", "spotlight", "crop", "background_blur", "red_circle", "motion_blur"]
VISUAL_PROMPTS: tuple[VisualPrompt, ...] = get_args(VisualPrompt)

# Tells the model how to read the frames of each visual prompt.
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


# The default instruction on how to answer.
DESCRIBE = "Answer in one to three sentences, and say only what the frames show."

# The instruction for a question of somebody who reads the answer.
TO_PERSON = (
    "Answer in the language of the question, in one to three sentences, and say only what the frames show."
    " If the question wants a yes or a no, begin with that, or with the words that you cannot tell. If it is"
    " not about motion, of the camera or of anything in the picture, only say that this tool tells of motion."
)


def prompt(
    question: str, times: np.ndarray, shown: Sequence[VisualPrompt] = ("none",), form: str = DESCRIBE
) -> str:
    """Write the text that goes to the model with a question.

    Args:
        question: As it was asked.
        times: (T,) seconds, of the frames.
        shown: One or two visual prompts; the model sees all T frames once for each.
        form: The sentence that says how to answer.
    """
    return f"{heading(times, shown)} {form}\nQuestion: {question}"


def heading(times: np.ndarray, shown: Sequence[VisualPrompt]) -> str:
    """Write the sentences that say when the frames were taken, and how to read them; as for `prompt`."""
    if len(shown) == 1:
        reading = f" In them, {READING[shown[0]]}." if READING[shown[0]] else ""
    else:
        parts = "; ".join(
            f"the {nth} time, {READING[name]}" for nth, name in zip(("first", "second"), shown, strict=True)
        )
        reading = f" They are shown twice: {parts}."
    return f"{moments(times)}{reading}"


def moments(times: np.ndarray) -> str:
    """Write the sentence that says when the frames, at times (T,) seconds, were taken."""
    at = ", ".join(f"{t:.2f}" for t in times)
    return f"These are {len(times)} frames of one video, taken at {at} seconds."


def visual_prompts(
    category: Category, for_objects: VisualPrompt, for_camera: VisualPrompt
) -> tuple[VisualPrompt, ...]:
    """Choose the visual prompts of a question.

    Args:
        category: What the question is about; "both" gets both prompts, unless they are the same.
        for_objects: The prompt of questions about objects (official: spotlight).
        for_camera: The prompt of questions about the camera (official: motion_blur).
    """
    if category == "object" or for_objects == for_camera:
        return (for_objects,)
    return (for_camera,) if category == "camera" else (for_objects, for_camera)
