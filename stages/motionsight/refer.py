"""Decoupling and object referring by the MLLM: what is each question about, and which objects?

One call covers all questions of a clip: the plain frames go in once, and a plan for each question comes out
as JSON.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stages.models.protocols import Category

MOST_OBJECTS = 6  # names in a question's plan: the text that the detector reads grows with them
LONGEST_NAME = 40  # characters

TASK = (
    "Questions about the motion in this video follow. For each say what it is about: 'object' for the motion"
    " of things or people in the scene, 'camera' for the motion of the camera, 'both' for the two together."
    " Then name the visible objects that have to be looked at to answer it: those that act, those that are"
    ' acted on, and the moving parts where only a part moves (such as "person\'s hand"). Short English noun'
    " phrases, at most {most} for a question, none for a question about the camera alone."
)


@dataclass(frozen=True)
class QuestionPlan:
    """What a question is about.

    Attributes:
        category: The kind of motion.
        objects: Names of the objects concerned, lower case, sorted, without duplicates.
    """

    category: Category
    objects: tuple[str, ...] = ()


def schema(count: int) -> dict[str, Any]:
    """Return the JSON schema of a reply to `referring_prompt` with `count` questions."""
    item = {
        "type": "object",
        "properties": {
            "about": {"enum": ["object", "camera", "both"]},
            "objects": {
                "type": "array",
                "items": {"type": "string", "maxLength": LONGEST_NAME},
                "maxItems": MOST_OBJECTS,
            },
        },
        "required": ["about", "objects"],
        "additionalProperties": False,
    }
    plans = {"type": "array", "items": item, "minItems": count, "maxItems": count}
    return {
        "type": "object",
        "properties": {"plans": plans},
        "required": ["plans"],
        "additionalProperties": False,
    }


def referring_prompt(questions: Sequence[str]) -> str:
    """Write the text that asks the model for a plan of each question."""
    numbered = "\n".join(f"{number}. {text}" for number, text in enumerate(questions, 1))
    form = '{"plans": [{"about": "object", "objects": ["dog", "ball"]}]}'
    return (
        f"{TASK.format(most=MOST_OBJECTS)}\n{numbered}\n"
        f"Reply with JSON alone, in the order of the questions, like {form}."
    )


def plans(text: str) -> list[QuestionPlan]:
    """Read the plans from a reply that conforms to `schema`."""
    return [QuestionPlan(item["about"], names(item["objects"])) for item in json.loads(text)["plans"]]


def names(objects: Sequence[str]) -> tuple[str, ...]:
    """Normalise object names for a detector: lower case, sorted, no duplicates.

    Full stops are removed, because detectors take them as separators; names without a letter are dropped.
    """
    plain = {" ".join(name.replace(".", " ").lower().split()) for name in objects}
    return tuple(sorted(name for name in plain if any(map(str.isalpha, name))))
