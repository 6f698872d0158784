"""Answers to a person: yes, no or "cannot tell" first, or one sentence if the question is not about motion.

A dataset is better off without such answers: there, a question that cannot be answered is left out.
"""

import random
import re
from dataclasses import replace

from filters.camera_claims import KINDS
from filters.claims import GO, Claim, claims
from filters.evidence import CameraMove, Evidence
from filters.motion_check import judge, opened
from stages.models.mllm.describe_camera import WHOLE, about_camera, followed, moves_of, pace_of
from stages.models.mllm.describe_objects import OBJECT_PACE, about_objects, nothing_moves, told_of
from stages.models.mllm.questions import read
from stages.models.mllm.words import lowered
from stages.models.protocols import Request

OTHER = (
    "This tool tells of motion, of the camera and of what is in the picture; it cannot answer this question."
)
REASON = "This tool tells of motion: it measures how the camera and the objects move, but not why."
UNREAD = (
    "This tool tells of motion, and without a multimodal model it understands questions in English alone: ask how "
    "the camera or something in the picture moves."
)
# Why there is no yes or no.
UNDECIDED = "the measurements do not decide it"
NAMELESS = "moving objects have no names here, so that it is not known which of them is meant"
NOT_SEEN = "only motion is measured, and the question is about more than that"
WHEN = "when something moves is measured only as far as it is told here"

CAMERA = re.compile(
    r"\b(?:camera\w*|shots?|footage|lens|view(?:point)?|framing|perspective|videographer|tripod|pan(?:s|ned|ning)?|tilt(?:s|ed|ing)?|zoom\w*|hand-?held)\b"
    r"|^(?:this|it|the (?:video|clip|frame|picture|image)) (?:is )?(?:\w+ly )?(?:stead\w+|shifts?|mov\w+|turn\w*|shak\w+|jitter\w*|wobbl\w*|trembl\w*|unstead\w*|fixed|pan\w*|tilt\w*|zoom\w*)",
    re.IGNORECASE,
)
# Movement of whatever it is.
NO_CAMERA = re.compile(r"there is (?:(?:any|some|a lot of|much|a|visible|clear|real) )*(?:object )?(?:movements?|motion|activity|action)\b", re.IGNORECASE)  # fmt: skip
# Subjects that any object stands for, if nothing narrows them down.
ANY = re.compile(
    r"^\W*(?:there is )?(?:(?:any|some|a|an|one|the|at least|more than|several|multiple|two|three|most noticeable|clearly) )*"
    r"(?:(?:single|main|moving|visible) )*(?:(?:any|some)(?:thing|body|one)|objects?|things?|subjects?|movements?|motion)\b"
    r"(?! (?:on|at|near|behind|with|of|in (?:the )?(?:left|right|upper|lower|top|bottom|middle|cent\w+|back\w*|fore\w*)|(?:that|which)(?! (?:is |are )?(?:mov|go|travel|head|fall|ris|com|driv|walk|run))|called|named|wearing)\b)",
    re.IGNORECASE,
)
ALL = re.compile(r"^\W*(?:(?:is|are) )?(?:nothing|no (?:object|thing)s?|everything|all (?:of )?(?:the )?(?:objects|things))\b", re.IGNORECASE)  # fmt: skip
STIRS = re.compile(r"\b(?:shift\w*|mov(?:e|es|ed|ing|ement|ements)|motion|activity|action)\b", re.IGNORECASE)
WAY = re.compile(
    r"\b(?:left|right|up(?:wards?)?|down(?:wards?)?|in(?! (?:the|this|that|it|its|an?)\b)|into|out|away|towards?|forwards?|backwards?|closer|clockwise|counter\w+"
    r"|leftwards?|rightwards?|horizontal\w*|vertical\w*|sideways|diagonal\w*|straight|circles?|back|across|along|around|through)\b",
    re.IGNORECASE,
)
FOLLOWS = re.compile(r"\b(?:follow|track|keep(?:s|ing)? (?:up )?with)\w*\b", re.IGNORECASE)
QUICK = re.compile(
    r"\b(?:fast|quick(?:ly)?|rapid(?:ly)?|swift(?:ly)?|at (?:a )?high speed|hurr\w+)\b", re.IGNORECASE
)
SLOW = re.compile(
    r"\b(?:slow(?:ly)?|gentl[ye]|gradual(?:ly)?|leisurely|at (?:a )?low speed)\b", re.IGNORECASE
)
SMOOTH = re.compile(r"\b(?:stable|stead(?:y|ily)|smooth(?:ly)?)\b", re.IGNORECASE)
MORE = re.compile(r"\b(?:more than one|several|multiple|two|three|many)\b", re.IGNORECASE)
# All of the picture, with the camera.
AT_REST = re.compile(r"(?:the|this) (?:whole |entire )?(?:video|clip|scene|picture|image|frame) (?:is|stays|remains|stands) (?:\w+ly )?(?:still|static|stationary|motionless)\b", re.IGNORECASE)  # fmt: skip
ALL_STILL = {True: False, False: True, None: None}
MOVES = re.compile(r"\b(?:mov(?:e|es|ed|ing|ement|ements)|go(?:es|ing)?|shift\w*)\b", re.IGNORECASE)
ACROSS = re.compile(r"_(?:left|right|up|down)$")
# Times within the clip; "at any time" and "in this clip" are none.
PART = re.compile(
    r"\b(?:at (?:the )?(?:(?:very )?(?:beginning|start|end)|first)|in the (?:beginning|middle|end|first|second|last)|at (?:\w+ )?\d|after\b|before\b|until\b|first\b|finally|last\b|half\b"
    r"|then\b|later\b|twice|again|when\b|while\b|as\b|once\b|initially|eventually|suddenly|stops?\b|stopp\w+|starts?\b|started|begins?\b|pauses?\b)",
    re.IGNORECASE,
)
THROUGHOUT = re.compile(r"\b(?:throughout|always|constantly|continuous\w*|the (?:whole|entire) (?:time|video|clip|shot)|all the time|from (?:the )?(?:beginning|start|first)\b.*\bto\b|never stops?|non-?stop|keeps?)\b", re.IGNORECASE)  # fmt: skip
OR = re.compile(r"\b((?:(?:to the )?[\w-]+, )*(?:to the )?[\w-]+),? or ((?:to the )?[\w-]+)\b", re.IGNORECASE)
AXES = {
    "pan": re.compile(r"\bpan(?:s|ned|ning)?\b|\bswivel\w*\b", re.IGNORECASE),
    "tilt": re.compile(r"\btilt\w*\b", re.IGNORECASE),
    "zoom": re.compile(r"\bzoom\w*\b", re.IGNORECASE),
    "travel": re.compile(
        r"\b(?:doll(?:y|ies|ied|ying)|truck(?:s|ed|ing)?|pedestal\w*|travel\w*)\b", re.IGNORECASE
    ),
    "roll": re.compile(r"\b(?:roll(?:s|ed|ing)?|rotat\w+)\b", re.IGNORECASE),
    "arc": re.compile(r"\b(?:arc(?:s|ed|ing)?|orbit\w*|circl(?:e|es|ed|ing))\b", re.IGNORECASE),
    "sideways": re.compile(r"\b(?:sideways|horizontal\w*|laterally)\b", re.IGNORECASE),
    "wider": re.compile(r"\b(?:wider|widen\w*|broader)\b", re.IGNORECASE),
    "tighter": re.compile(r"\b(?:tight(?:er|en)\w*|narrow(?:er|s|ing))\b", re.IGNORECASE),
    "upright": re.compile(r"\bvertical\w*\b", re.IGNORECASE),
}
PREDICATES = {
    **{kind: tuple(KINDS[kind].values()) for kind in ("pan", "zoom", "travel")},
    "tilt": ("tilt_up", "tilt_down"),
    "roll": ("roll_clockwise", "roll_counterclockwise"),
    "arc": ("arc",),
    "sideways": ("view_left", "view_right"),
    "wider": ("view_out",),
    "tighter": ("view_in",),
    "upright": ("view_up", "view_down"),
}


def respond(request: Request, rng: random.Random, otherwise: str) -> str:
    """Answer a person.

    Args:
        request: The question, with its evidence.
        rng: Where the wording is drawn from.
        otherwise: The answer to a question about motion that wants neither yes nor no.

    Returns:
        The answer; "" where there is none.
    """
    asked = read(request.question)
    if asked.topic != "motion":
        return {"other": OTHER, "reason": REASON, "unread": UNREAD}[asked.topic]
    evidence = request.evidence
    if asked.stated is None or evidence is None:
        return otherwise
    verdict, about, why = decided(asked.stated, evidence)
    objects = "" if about == "camera" else about_objects(evidence, "", rng)
    if about == "either" and verdict is not None and told_of(evidence) and not _moves(evidence):
        about = "object"  # "Yes, the camera stays still" is no answer to whether there is motion
    camera = "" if about == "object" else about_camera(evidence, "", rng, verdict)
    if verdict is None:
        return " ".join(filter(None, (f"Cannot tell: {why}.", camera, objects)))
    first = "Yes" if verdict else "No"
    if camera:  # begins with it
        return " ".join(filter(None, (camera, objects)))
    return f"{first}, {lowered(objects)}" if objects else f"{first}."


def decided(stated: str, evidence: Evidence) -> tuple[bool | None, str, str]:
    """Decide on a statement that may leave open which of several things is true ("pans left or right").

    Args and result are those of `decide`.
    """
    match = OR.search(stated)
    if not match:
        return decide(stated, evidence)
    ways = [*filter(None, re.split(r",\s*", match[1])), match[2]]
    found = [decide(stated[: match.start()] + way + stated[match.end() :], evidence) for way in ways]
    return _any(*(verdict for verdict, _, _ in found)), found[0][1], found[-1][2]


def decide(stated: str, evidence: Evidence) -> tuple[bool | None, str, str]:
    """Decide whether a statement is true.

    Args:
        stated: What a yes would mean.
        evidence: What was measured.

    Returns:
        The verdict, None where the measurements do not decide; what to tell of: camera, object, both or
        either; and the reason of there being no verdict.
    """
    if NO_CAMERA.match(stated) and not re.search(r"\b(?:camera|pan|tilt|zoom)\w*", stated, re.IGNORECASE):
        object_only = re.search(r"\b(?:objects?|things?|people|person|subject)\b", stated, re.IGNORECASE)
        moves = False if object_only else _of_camera("the camera moves", evidence)[0]
        return _any(moves, _stirs(evidence)), "object" if object_only else "either", UNDECIDED
    if AT_REST.match(stated):
        verdict = _all(_of_camera("the camera is static", evidence)[0], ALL_STILL[_stirs(evidence)])
        return verdict, "either", UNDECIDED
    camera = bool(CAMERA.search(stated)) and not re.search(r"\b(?:objects?|things?|anything|something) (?:in|of) (?:the|this) (?:shot|view|footage)", stated, re.IGNORECASE)  # fmt: skip
    if camera and FOLLOWS.search(stated) and not re.search(r"\bshot\b", stated):
        return followed(evidence), "both", UNDECIDED
    if camera and not re.search(r"\b(?:any|some)(?:thing|one|body)\b", stated, re.IGNORECASE):
        verdict, why = _of_camera(stated, evidence)
        return verdict, "camera", why
    verdict, why = _of_objects(stated, evidence)
    return verdict, "object", why


def _any(*verdicts: bool | None) -> bool | None:
    return True if True in verdicts else None if None in verdicts else False


def _all(*verdicts: bool | None) -> bool | None:
    return False if False in verdicts else None if None in verdicts else True


def _of_camera(stated: str, evidence: Evidence) -> tuple[bool | None, str]:
    """The verdict on a statement about the camera, and why there is none."""
    labels = evidence.camera.labels
    if not labels:
        return (
            None,
            f"the camera's motion is unknown: {evidence.camera.reason or 'nothing explains the picture'}",
        )
    said = [claim for claim in claims(_plain(stated)) if claim.subject == "camera"]
    if MOVES.search(stated):  # by any means, as people say it
        said = [
            replace(it, predicate=opened(it.predicate)) if ACROSS.search(it.predicate) else it for it in said
        ]
    verdict = _all(*(judge(claim, evidence) for claim in said)) if said else None
    names = {claim.predicate for claim in said}
    if not said and SMOOTH.search(stated):
        said, names = [Claim("camera", "shake", negated=True)], {"moves"}
        verdict = judge(said[0], evidence)
    if not said:
        wanted = [PREDICATES[kind] for kind, rule in AXES.items() if rule.search(stated)]
        verdicts = [
            _any(*(judge(Claim("camera", name), evidence) for name in predicates)) for predicates in wanted
        ]
        names = {name for predicates in wanted for name in predicates}
        verdict = _all(*verdicts) if verdicts else None
        if not verdicts and STIRS.search(stated) and not WAY.search(stated):
            verdict, names = judge(Claim("camera", "moves"), evidence), {"moves"}
        if not verdicts and not names:
            return None, NOT_SEEN
        if re.search(r"\b(?:not|never|no|n't)\b", stated) and verdict is not None:
            verdict = not verdict
    moving = labels not in (("static",), ("shake",))
    moves = moves_of(evidence.camera, evidence.duration_s) if moving else []
    moves = [move for move in moves if _is_meant(move, names)]
    if verdict and (pace := _pace(stated, [pace_of(move) for move in moves])) is not True:
        return pace, UNDECIDED
    return _in_time(stated, verdict, [(move.start, move.end) for move in moves], evidence)


def _is_meant(move: CameraMove, names: set[str]) -> bool:
    if "moves" in names:
        return True
    ends = {name.partition("_")[2] for name in names if name.startswith("view_")}
    return move.label in names or move.label.partition("_")[2] in ends


def _plain(stated: str) -> str:
    """A statement as the claim reader likes it: what may be is not hedged by "any", and it is a sentence."""
    text = re.sub(
        r"\b(?:at any (?:time|point|moment)|ever|at all|at some point)\b", "", stated, flags=re.IGNORECASE
    )
    text = re.sub(r"\btravell(?=ing|ed)", "travel", text, flags=re.IGNORECASE)
    return re.sub(r"\s+", " ", text).strip(" ,")


def _pace(stated: str, paces: list[str]) -> bool | None:
    """Whether what moves is as quick or as slow as stated; True if nothing is stated of that."""
    for rule, wanted in ((QUICK, "quick"), (SLOW, "slow")):
        if rule.search(stated):
            known = [pace for pace in paces if pace]
            if wanted in known:
                return True
            return False if known and len(known) == len(paces) else None
    return True


def _in_time(
    stated: str, verdict: bool | None, spans: list[tuple[float, float]], evidence: Evidence
) -> tuple[bool | None, str]:
    """Take into account that a statement may be about a part of the clip, or about all of it."""
    if not verdict:
        return verdict, UNDECIDED
    if THROUGHOUT.search(stated) and spans:
        covered = max(end for _, end in spans) - min(start for start, _ in spans)
        return (True, "") if covered >= WHOLE * evidence.duration_s else (False, "")
    if PART.search(stated) and spans and not THROUGHOUT.search(stated):
        return None, WHEN
    return verdict, ""


def _moves(evidence: Evidence) -> bool:
    """Whether the camera moves, as far as is known."""
    return evidence.camera.labels not in ((), ("static",))


def _stirs(evidence: Evidence) -> bool | None:
    """Whether anything moves on its own."""
    return True if told_of(evidence) else False if nothing_moves(evidence) else None


def _of_objects(stated: str, evidence: Evidence) -> tuple[bool | None, str]:
    """The verdict on a statement about objects, and why there is none."""
    text = _plain(stated)
    if ALL.search(text):
        if not re.search(r"\b(?:mov\w+|still|motionless|stationary|static|at rest)\b", text, re.IGNORECASE):
            return None, NOT_SEEN
        moves = _stirs(evidence)
        return None if moves is None else not moves, "something moves, but it is not certain what"
    said = [claim for claim in claims(text) if claim.subject == "object"]
    rest = [claim for claim in said if claim.predicate in ("still", "none_moves") and not claim.negated]
    labels = sorted({track.label.lower() for track in evidence.tracks if track.label})
    named = [label for label in labels if re.search(rf"\b{re.escape(label)}s?\b", text, re.IGNORECASE)]
    if nothing_moves(evidence):  # then no object does, whichever is meant
        moving = said or STIRS.search(text) or re.search(rf"\b\w+ing\b|{GO}", text, re.IGNORECASE)
        return (bool(rest) if moving else None), NOT_SEEN
    if named:
        own = tuple(track for track in evidence.tracks if track.label.lower() in named)
        evidence = replace(evidence, tracks=own)
    elif not ANY.search(text):
        # No object moves like that, and so the one that is meant does not.
        verdict = _all(*(judge(claim, evidence) for claim in said)) if said and not rest else None
        if verdict is False and not any(claim.negated for claim in said):
            return False, ""
        return None, NAMELESS if said or STIRS.search(text) else NOT_SEEN
    told = told_of(evidence)
    if MORE.search(text):
        some = re.search(r"\b(?:more than one|several|multiple)\b", text, re.IGNORECASE)
        return (
            True if some and len(told) > 1 else None
        ), "how many move is certain only as far as they are told here"
    if rest and (named or re.match(r"\W*the\b", text, re.IGNORECASE)) and told:
        return False, ""
    if said:
        verdict = _all(*(judge(claim, evidence) for claim in said))
    elif STIRS.search(text) and not WAY.search(text):
        verdict = _stirs(evidence)
    else:
        return None, NOT_SEEN
    paces = [
        ("slow", "", "quick")[sum(it.speed >= bound for bound in OBJECT_PACE)] or "steady" for it in told
    ]
    if verdict and (pace := _pace(stated, paces)) is not True:
        return pace, UNDECIDED
    return _in_time(stated, verdict, [track.moving for track in told], evidence)
