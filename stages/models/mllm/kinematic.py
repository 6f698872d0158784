"""An MLLM stand-in without weights: puts the measured motion of camera and objects into English.

It says nothing that the measurements do not support: objects have no names unless the detector named them,
numbers are rounded to their precision, and where nothing is certain it says so.
"""

import random
import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from stages.models.backend import MllmBackend
from stages.models.mllm.converse import respond
from stages.models.mllm.describe_camera import about_camera, followed
from stages.models.mllm.describe_objects import about_objects
from stages.models.mllm.words import lowered
from stages.models.protocols import Reply, Request

OPENINGS = ("All in all,", "Seen as a whole,", "To sum up,", "In short,", "Taken together,", "On the whole,")
ATTEMPTS = 200  # wordings tried for a text that no other question of the call got
PLAIN_ATTEMPTS = 20  # of these without an opening


class KinematicConfig(MllmBackend):
    """Answers from the measurements, without a model."""

    measures: ClassVar[bool] = True
    reentrant: ClassVar[bool] = True

    backend: Literal["kinematic"] = "kinematic"

    def build(self) -> "KinematicMllm":
        """Make the describer."""
        return KinematicMllm()


class KinematicMllm:
    """Answers from the evidence that a request carries; its frames are ignored."""

    name = "kinematic"
    version = "1"

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer requests.

        Args:
            requests: Questions with their evidence; `seed` and `question` decide the wording.

        Returns:
            One reply for each request; two different questions never get the same text.
        """
        given: dict[str, str] = {}
        replies = []
        for request in requests:
            for attempt in range(ATTEMPTS):
                rng = random.Random(f"{request.seed} {request.question} {attempt}")
                text = answer(request, rng)
                if not text:
                    break
                if attempt >= PLAIN_ATTEMPTS:
                    text = f"{rng.choice(OPENINGS)} {lowered(text)}"
                if given.setdefault(text, request.question) == request.question:
                    break
            why = _withheld(request)
            replies.append(Reply(text) if text else Reply("", error="withheld", detail=why))
        return replies


def answer(request: Request, rng: random.Random) -> str:
    """Answer one request, drawing the wording from `rng`."""
    text = _described(request, rng)
    return respond(request, rng, text) if request.to_person else text


def _described(request: Request, rng: random.Random) -> str:
    evidence, question = request.evidence, request.question.lower()
    if evidence is None:
        return ""
    if request.category == "camera":
        return about_camera(evidence, question, rng)
    if request.category == "object":
        return about_objects(evidence, question, rng)
    asked = re.match(r"do(es)? the (camera|shot) (follow|track|keep)", question)
    follows = followed(evidence) if asked else None
    camera, objects = about_camera(evidence, "", rng, follows), about_objects(evidence, "", rng)
    return f"{camera} {objects}" if camera and objects else ""


def _withheld(request: Request) -> str:
    """Why nothing is said in answer to a request."""
    evidence = request.evidence
    if evidence is None:
        return "nothing was measured"
    if request.category != "object" and not evidence.camera.labels:
        return f"the camera's motion is unknown: {evidence.camera.reason or 'nothing explains the picture'}"
    return "something moves, but no path of it is beyond doubt"
