"""Rule-based decoupling: is a question about the motion of objects, of the camera, or of both?"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from stages.models.protocols import Category

CAMERA = re.compile(
    r"\b(camera\w*|cinematograph\w*|videograph\w*|shots?|lens|viewpoint|point of view|vantage|perspective"
    r"|framing|footage"
    r"|pan(s|ned|ning)?|tilt(s|ed|ing)?|zoom(s|ed|ing)?|doll(y|ies|ying)|shak(y|es?|ing)|handheld|hand-held|tripod"
    r"|(the|our) view|filmed|frame (mov|shift|rotat|turn|chang)\w*"
    r"|(we|viewer) (zoom|move|look|turn|pan|fly)\w*)\b",
    re.IGNORECASE,
)
# The camera in other languages, for models that read them: they are asked with the right visual prompt.
ELSEWHERE = re.compile(
    r"c[aáâ]mara|cam[ée]ra|câmera|kamera|камер|κάμερα|カメラ|카메라|镜头|鏡頭|摄像|攝影|相机|相機|कैमरा|كاميرا",
    re.IGNORECASE,
)
OBJECT = re.compile(
    r"\b(objects?|things?|any(thing|one|body)|some(thing|one)|subjects?|persons?|people|man|men|woman|women|boys?|girls?"
    r"|child(ren)?|kids?|players?|he|she|they|his|her|their|cars?|vehicles?|trucks?|trains?|bus(es)?|bikes?|bicycles?"
    r"|boats?|planes?|balls?|animals?|dogs?|cats?|birds?|horses?|fish|hands?|arms?|legs?|heads?|actions?|activit(y|ies)"
    r"|who|what moves|follow(s|ed|ing)?"
    r"|actors?|dancers?|athletes?|crowd|waves?|water|trees?|leaves|clouds?|machines?"
    r"|robots?)\b",
    re.IGNORECASE,
)
# Whatever a question names alongside the camera counts as an object.
BESIDE = re.compile(
    r"\bcamera('s)?( \w+)? and (the|a|an|how|what|that)\b|\band (that of |of )?the camera\b", re.IGNORECASE
)
# The person holding the camera is not an object in the scene.
BEHIND = re.compile(
    r"\b(person|man|woman|people|someone|who(ever)?( is)?) (holding|behind|operating|with) the camera\b",
    re.IGNORECASE,
)
# Words for camera moves that mean something else: heads tilt, hands shake, and pans fry.
OTHERWISE = re.compile(
    r"\b(tilt|shak)\w* (his|her|their|its|hands|heads?)\b"
    r"|\b((frying|sauce) ?|(in|into|from|on|onto|off) (the|a|his|her) )pans?\b",
    re.IGNORECASE,
)


# What benchmarks, and clients that ask their questions, put around a question.
TAGGED = re.compile(r"<question>(.*?)</question>", re.DOTALL | re.IGNORECASE)
OPTIONS = re.compile(r"^\s*(?:options?\s*:?\s*$|\(?A[.):]\s)", re.IGNORECASE | re.MULTILINE)
NAMED = re.compile(r"^\s*question\s*:\s*", re.IGNORECASE)
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z<(\[])")
INSTRUCTION = re.compile(
    r"\s*(?:carefully,?\s+)?(?:(?:please|only|just|now|then)\s+)*"
    r"(?:watch|pay|look at|analy[sz]e (?:the|these|this)|based on (?:your|the|these|this)"
    r"|select|choose|pick|answer|respond|reply|give|output|provide|use the"
    r"|you (?:will be|can only|must|should|are)|even if|do not|don't"
    r"|these are|the following|here (?:is|are))\b"
    r"(?=.*\b(?:video|frames?|options?|answers?|respon[ds]e?|reply|letters?|observations?"
    r"|questions?|choices?|word|yes|no|expert)\b)",
    re.IGNORECASE | re.DOTALL,
)


class DecoupleConfig(BaseModel):
    """How to decide what a question is about and which objects it concerns."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["rules", "mllm"] = Field(
        "rules",
        description="'rules': keywords; 'mllm': one call of the annotating model for all questions of a clip",
    )
    labels: tuple[Annotated[str, Field(max_length=40)], ...] = Field(
        ("person", "animal", "vehicle", "ball"),
        description="backend 'rules': names for detectors that search by name, 40 characters each at most",
    )


def bare(text: str) -> str:
    """Take the question out of a text that also says how to watch and how to answer.

    A benchmark's preamble may name the camera, objects and actions, whatever the question is about.

    Args:
        text: A question, alone or with instructions and options around it.

    Returns:
        What is marked as the question; else the text without its options and without the sentences that give
        instructions; all of it, if nothing else is left.
    """
    if tagged := TAGGED.search(text):
        return tagged[1].strip()
    asked = text[: found.start()] if (found := OPTIONS.search(text)) and found.start() else text
    lines = asked.splitlines()
    marked = next((k for k, line in enumerate(lines) if NAMED.match(line)), None)
    if marked is not None:
        lines = [NAMED.sub("", lines[marked]), *lines[marked + 1 :]]
    kept = [" ".join(filter(_asks, SENTENCE.split(line))) for line in lines]
    return "\n".join(filter(str.strip, kept)).strip() or text


def _asks(sentence: str) -> bool:
    return sentence.strip().endswith("?") or not INSTRUCTION.match(sentence)


def decouple(question: str) -> Category:
    """Classify a question by its words.

    Args:
        question: In English; in other languages, questions that name the camera are recognised. Instructions
            around it do not count; see `bare`.

    Returns:
        Its category; "object" if it mentions neither objects nor the camera.
    """
    text = OTHERWISE.sub("object", BEHIND.sub("camera", bare(question)))
    if not CAMERA.search(text) and not ELSEWHERE.search(text):
        return "object"
    return "both" if OBJECT.search(text) or BESIDE.search(text) else "camera"
