"""Motion check: the share of an answer's checkable claims that the measurements support.

Reads claims about direction, zoom, roll, stillness and shake of the camera, and about direction, size and
stillness of objects, out of English text; what it cannot read, or what is hedged, it leaves out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from filters.evidence import Evidence, Track

Subject = Literal["camera", "object"]


@dataclass(frozen=True)
class Claim:
    """One checkable statement, such as camera pan_left, or not object moves_up."""

    subject: Subject
    predicate: str
    negated: bool = False

    def __str__(self) -> str:
        return f"{'not ' if self.negated else ''}{self.subject}:{self.predicate}"


SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+|(?<=[a-z]):\s")
CLAUSE = re.compile(
    r",?\s+(?:while|whereas|but|then|before|after which|as)\s+|,\s+(?:and\s+(?:then\s+)?)?|\s+and\s+(?=(?:then|it|they|the|an?|does|is|are"
    r"|pans?|tilts?|zooms?|rolls?|moves?|goes|stays?|holds?|shakes?|follows?|gets?|becomes?)\b)",
    re.IGNORECASE,
)
CAMERA = re.compile(
    r"\b(camera|cameraman|lens|viewpoint|point of view|perspective|shot|framing|footage|view)\b|^(?:the )?(?:frame|video|clip) "
    r"(?:pans|tilts|zooms|moves|shakes|rotates|rolls)",
    re.IGNORECASE,
)
# Words of camera work that need no camera beside them.
CRAFT = re.compile(
    r"\b(pan(?:s|ned|ning)?|tilt(?:s|ed|ing)?|zoom(?:s|ed|ing)?|doll(?:y|ies|ied|ying)|handheld|hand-held)\b",
    re.IGNORECASE,
)
SCENERY = re.compile(
    r"^\W*(?:and |the |its |their |a |an |most of the )*(?:\w+ ){0,2}(?:background|scenery|surroundings?|landscape|environment|scene"
    r"|sky|horizon|picture)\b(?! (?:shifts because))",
    re.IGNORECASE,
)
PRONOUN = re.compile(
    r"^(?:and |then |also |slowly |it |they |he |she |this |that |which )*(?:it|they|he|she|which|is|are|was|does)\b",
    re.IGNORECASE,
)
HEDGE = re.compile(
    r"\b(might|may|could|would|possibly|perhaps|maybe|probably|likely|seems?|appears?|suggest\w*|as if|as though|if|whether"
    r"|or)\b|\?",
    re.IGNORECASE,
)
NEGATION = re.compile(
    r"\b(no|not|never|without|neither|nor|nothing|none|rather than|instead of|cannot|free of|lacks?|stops?|hardly|barely)\b|n't\b",
    re.IGNORECASE,
)

TO = r"(?:\s+(?:\w+ly|steadily|gently|fast|further|back|straight|across the (?:frame|scene|screen|picture)))*\s*(?:,\s*)?"
SIDE = {
    "left": r"(?:(?:to|toward|towards|onto)\s+(?:the|its|their|his|her)\s+(?:\w+\s+)?left|(?<!from )(?<!from the )\bleft(?:ward|wards)?\b(?!\s+(?:side|of|part|edge|corner|hand|third|half))|from\s+(?:the\s+)?right\s+to\s+(?:the\s+)?left|right-to-left)",
    "right": r"(?:(?:to|toward|towards|onto)\s+(?:the|its|their|his|her)\s+(?:\w+\s+)?right|(?<!from )(?<!from the )\bright(?:ward|wards)?\b(?!\s+(?:side|of|part|edge|corner|hand|third|half))|from\s+(?:the\s+)?left\s+to\s+(?:the\s+)?right|left-to-right)",
    "up": r"(?:up(?:ward|wards)?\b(?!\s+to)|(?:to|toward|towards)\s+the\s+top)",
    "down": r"(?:down(?:ward|wards)?\b|(?:to|toward|towards)\s+the\s+bottom)",
}
GO = (
    r"(?:move|travel|go|goe|drive|run|walk|slide|glide|drift|fly|flie|swim|roll|shift|head|sweep|swing|rush|cross(?:e)?|pass(?:e)?"
    r"|advance|progress(?:e)?|proceed|turn|float|ride|race|dash(?:e)?|climb|descend|rise|fall|drop|push(?:e)?|track|truck|scroll|pan)"
)
VERB = rf"\b{GO}(?:s|d|ed|ing|n)?\b"
MOVING = r"\b(?:moving|panned|swung|swept|ran|drove|walked|flew|went|moves|moved|move|motion|movement|traveling|travelling|driving|running|walking|sliding|gliding|flying|passing|heading|panning|tracking|shifting|drifting|going|crossing|sweeping|swinging|turning|rolling|rushing|riding|racing|advancing|progressing|proceeding|rising|falling|climbing|descending)\b"

CAMERA_RULES: tuple[tuple[str, str], ...] = (
    (
        "pan_left",
        rf"(?:{VERB}|{MOVING}|\bpan\b|\bleftward pan)[^.;]{{0,40}}?\b{SIDE['left']}|\bleft(?:ward)? (?:pan|sweep|swing)|\bpans left",
    ),
    (
        "pan_right",
        rf"(?:{VERB}|{MOVING}|\bpan\b|\brightward pan)[^.;]{{0,40}}?\b{SIDE['right']}|\bright(?:ward)? (?:pan|sweep|swing)|\bpans right",
    ),
    (
        "tilt_up",
        rf"(?:\btilt(?:s|ed|ing)?|{VERB}|{MOVING}|\bpan)\b[^.;]{{0,30}}?\b{SIDE['up']}|\bupward (?:tilt|pan|movement|motion)|\bcranes? up|\brises?\b",
    ),
    (
        "tilt_down",
        rf"(?:\btilt(?:s|ed|ing)?|{VERB}|{MOVING}|\bpan)\b[^.;]{{0,30}}?\b{SIDE['down']}|\bdownward (?:tilt|pan|movement|motion)|\bcranes? down|\bdescends?\b|\blowers?\b",
    ),
    (
        "zoom_in",
        r"\bzoom(?:s|ed|ing)?(?:\s+\w+ly)?(?:\s+(?:further|closer))?[\s-]+in\b|\bpush(?:es|ed|ing)? in\b|\bmov(?:e|es|ed|ing)(?:\s+\w+ly)? (?:closer|forward|in\b|nearer|toward the (?:scene|subject))|\bdoll(?:y|ies|ied|ying) (?:in|forward)\b|\bclos(?:es|ed|ing) in\b|\bapproach(?:es|ed|ing)?\b",
    ),
    (
        "zoom_out",
        r"\bzoom(?:s|ed|ing)?(?:\s+\w+ly)?(?:\s+further|\s+in and)?[\s-]+out\b|\bpull(?:s|ed|ing)? (?:back|out|away)\b|\bmov(?:e|es|ed|ing)(?:\s+\w+ly)? (?:back(?:ward|wards)?\b|away|farther|further away)|\bdoll(?:y|ies|ied|ying) (?:out|back)\b|\bback(?:s|ed|ing) (?:away|up)\b|\bwidens?\b",
    ),
    ("roll_clockwise", r"(?<!counter)(?<!counter-)(?<!anti)(?<!anti-)\bclockwise\b"),
    ("roll_counterclockwise", r"\b(?:counter|anti)-?clockwise\b"),
    (
        "static",
        r"\b(?:static|stationary|motionless|fixed|locked(?:[- ](?:off|down))?|immobile|still)\b|\b(?:holds?|keeps?|keeping|holding) (?:its|the|still|one|a)\b[^.;]{0,12}(?:position|place|still|angle|framing)?|\bdoes(?: not|n't) move\b(?! (?:\w+ly )?(?:up|down|left|right|to|in|out|closer|forward|back|away))|\bno camera (?:movement|motion)\b|\bremains? (?:in place|unmoved)|\bdoes(?: not|n't) (?:pan|move), (?:tilt|pan)",
    ),
    (
        "shake",
        r"\b(?:shak(?:es|y|ing|e)|jitter(?:s|y|ing)?|trembl(?:es|ing|e)|wobbl(?:es|y|ing|e)|hand-?held|unsteady|bounc(?:es|y|ing))\b",
    ),
    ("moves", r"\b(?:moving shot|is moving|moves through|in motion)\b"),
)
OBJECT_RULES: tuple[tuple[str, str], ...] = (
    ("moves_left", rf"(?:{VERB}|{MOVING})[^.;]{{0,60}}?\b{SIDE['left']}"),
    ("moves_right", rf"(?:{VERB}|{MOVING})[^.;]{{0,60}}?\b{SIDE['right']}"),
    ("moves_up", rf"(?:{VERB}|{MOVING})[^.;]{{0,30}}?\b{SIDE['up']}|\b(?:rises|ascends|climbs)\b"),
    ("moves_down", rf"(?:{VERB}|{MOVING})[^.;]{{0,30}}?\b{SIDE['down']}|\b(?:descends|sinks)\b"),
    (
        "grows",
        r"\b(?:gets?|becom(?:es?|ing)|grows?|growing|getting|appears?) (?:\w+ )?(?:larger|bigger)\b|\b(?:comes?|coming|moves?|moving|gets?) (?:\w+ )?(?:closer|nearer)\b|\bapproach(?:es|ing)?\b",
    ),
    (
        "shrinks",
        r"\b(?:gets?|becom(?:es?|ing)|grows?|growing|getting) (?:\w+ )?(?:smaller|tinier)\b|\b(?:moves?|moving|goes|drives?|walks?) (?:\w+ )?(?:away|farther|into the distance)\b|\brecedes?\b|\bshrinks?\b",
    ),
    (
        "still",
        r"\b(?:stationary|motionless|still|immobile|at rest)\b|\bdoes(?: not|n't) move\b(?! (?:\w+ly )?(?:up|down|left|right|to|in|out|closer|forward|back|away))|\bno object\b[^.;]{0,40}\bmoves?\b|\bno object's own movement|\bno clear movement was found",
    ),
)
COMPILED: dict[str, list[tuple[str, re.Pattern[str]]]] = {
    "camera": [(name, re.compile(rule, re.IGNORECASE)) for name, rule in CAMERA_RULES],
    "object": [(name, re.compile(rule, re.IGNORECASE)) for name, rule in OBJECT_RULES],
}
# Phrases in which the negation is part of the meaning, not a denial of it.
SAYS_STILL = re.compile(
    r"does(?: not|n't) move|no camera (?:movement|motion)|no object|no clear movement",
    re.IGNORECASE,
)


def claims(text: str) -> list[Claim]:
    """The checkable claims of a text, each once, in order."""
    found: dict[Claim, None] = {}
    for claim in _read(text):
        found.setdefault(claim)
    return list(found)


def _read(text: str) -> Iterator[Claim]:
    last: Subject | None = None
    for sentence in SENTENCE.split(text):
        subject = last
        for clause in CLAUSE.split(sentence):
            if not clause or not clause.strip():
                continue
            told = _subject(clause, subject)
            if told is None:
                continue
            subject = last = told
            if HEDGE.search(clause):
                continue
            for name, rule in COMPILED[told]:
                match = rule.search(clause)
                if match:
                    yield Claim(told, name, _negated(clause, match))


def _subject(clause: str, before: Subject | None) -> Subject | None:
    """Whom a clause is about; None for scenery, which stands for neither camera nor object."""
    if CAMERA.search(clause) or CRAFT.search(clause):
        return "camera"
    if before and PRONOUN.search(clause.strip()):
        return before
    if (
        before
        and re.match(
            r"^(?:and |then |slowly |quickly |gradually )*\w+(?:s|ing)\b", clause.strip(), re.IGNORECASE
        )
        and not re.match(r"^(?:the|an?|his|her|its|their|one|two|three|no)\b", clause.strip(), re.IGNORECASE)
    ):
        return before
    if SCENERY.search(clause):
        return None
    return "object"


def _negated(clause: str, match: re.Match[str]) -> bool:
    if SAYS_STILL.search(match.group(0)):
        return False
    denial = [m for m in NEGATION.finditer(clause) if m.start() < match.end()]
    return bool(denial) and match.start() - denial[-1].end() < 40


def check(text: str, evidence: Evidence) -> tuple[float | None, list[tuple[Claim, bool | None]]]:
    """The share, 0 to 1, of a text's checkable claims that the evidence supports; None when none can be judged.

    With it, each claim and its verdict: True, False, or None where the measurements decide neither.
    """
    judged = [(claim, judge(claim, evidence)) for claim in claims(text)]
    known = [verdict for _, verdict in judged if verdict is not None]
    return (sum(known) / len(known) if known else None), judged


def judge(claim: Claim, evidence: Evidence) -> bool | None:
    """Whether the measurements support a claim; None where they decide nothing."""
    verdict = (
        _camera(claim.predicate, evidence)
        if claim.subject == "camera"
        else _object(claim.predicate, evidence)
    )
    return None if verdict is None else verdict != claim.negated


def _camera(predicate: str, evidence: Evidence) -> bool | None:
    labels = evidence.camera.labels
    if predicate == "static":
        return labels == ("static",)
    if predicate == "moves":
        return labels not in (("static",), ("shake",))
    if predicate == "shake":
        # A moving camera may shake as well; only the amount tells.
        return labels == ("shake",) or (evidence.camera.shake > 0.004 if labels != ("static",) else False)
    return predicate in labels if labels else None


def _object(predicate: str, evidence: Evidence) -> bool | None:
    tracks = evidence.tracks
    if predicate == "still":
        if not tracks:
            return True if evidence.object_area < 0.01 and evidence.camera.labels else None
        return None if len(tracks) > 1 else False
    if not tracks:
        return False if evidence.object_area < 0.002 and evidence.camera.labels else None
    return any(_track(predicate, track, evidence) for track in tracks)


def _track(predicate: str, track: Track, evidence: Evidence) -> bool:
    """Whether one object does what is claimed; a direction counts within 67.5 degrees, as words do."""
    if predicate == "grows":
        return track.growth > 0.05
    if predicate == "shrinks":
        return track.growth < -0.05
    ways = [phase[2:] for phase in track.phases] or [track.velocity]
    return any(_heads(predicate, x * evidence.width, y * evidence.height) for x, y in ways)


def _heads(predicate: str, x: float, y: float) -> bool:
    length = float(np.hypot(x, y))
    along = {"moves_right": x, "moves_left": -x, "moves_down": y, "moves_up": -y}[predicate]
    return length > 0 and along / length > np.cos(np.radians(67.5))
