"""Sentences about the camera's measured motion."""

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from filters.claims import claims
from filters.evidence import CameraMotion, CameraMove, Evidence
from filters.motion_check import judge
from stages.models.mllm.words import listed, lowered, part, percent, plural, seconds

# Rates from which a move is called steady, and from which quick, in the units of CameraMotion.
PACE = {"pan": (0.06, 0.2), "tilt": (0.06, 0.2), "zoom": (0.1, 0.25), "roll": (6.0, 15.0)}
ADVERBS = {"": "", "slow": "slowly ", "steady": "steadily ", "quick": "quickly "}
ROUGH = 0.004  # rms jitter, share of the frame width, above which a move is not smooth
SHAKE_MIN = 0.001  # share of the frame width: smaller jitter is not given a smaller number
ALONG = 0.7  # cosine of the angle within which camera and object move the same way
KEPT_UP = 0.5  # of the object's speed: a camera whose velocity differs by less follows it


class Phrase(NamedTuple):
    """A move in words.

    Attributes:
        subject: Who moves: the view, where the picture leaves open how, or the camera.
        verb: "moves to the left".
        participle: "moving to the left".
    """

    subject: str
    verb: str
    participle: str


VIEW, CAMERA = "the view", "the camera"
PHRASES = {
    "pan_left": Phrase(VIEW, "moves to the left", "moving to the left"),
    "pan_right": Phrase(VIEW, "moves to the right", "moving to the right"),
    "tilt_up": Phrase(VIEW, "moves up", "moving up"),
    "tilt_down": Phrase(VIEW, "moves down", "moving down"),
    "zoom_in": Phrase(VIEW, "closes in on the scene", "closing in on the scene"),
    "zoom_out": Phrase(VIEW, "widens", "widening"),
    "roll_clockwise": Phrase(CAMERA, "rolls clockwise", "rolling clockwise"),
    "roll_counterclockwise": Phrase(CAMERA, "rolls counterclockwise", "rolling counterclockwise"),
    "truck_left": Phrase(CAMERA, "trucks to the left", "trucking to the left"),
    "truck_right": Phrase(CAMERA, "trucks to the right", "trucking to the right"),
    "pedestal_up": Phrase(CAMERA, "pedestals up", "pedestaling up"),
    "pedestal_down": Phrase(CAMERA, "pedestals down", "pedestaling down"),
    "dolly_in": Phrase(CAMERA, "moves forward through the scene", "moving forward through the scene"),
    "dolly_out": Phrase(CAMERA, "moves backward", "moving backward"),
    "arc_clockwise": Phrase(CAMERA, "arcs clockwise around the scene", "arcing clockwise around the scene"),
    "arc_counterclockwise": Phrase(
        CAMERA, "arcs counterclockwise around the scene", "arcing counterclockwise around the scene"
    ),
}
AXES = {
    "pan": "pan",
    "truck": "pan",
    "tilt": "tilt",
    "pedestal": "tilt",
    "zoom": "zoom",
    "dolly": "dolly",
    "roll": "roll",
    "arc": "pan",
}
TOGETHER = 0.5  # of the shorter of two moves that must coincide with the other for them to be one
WHOLE = 0.8  # of the clip: a move that lasts longer goes on throughout


def about_camera(evidence: Evidence, question: str, rng: random.Random, yes: bool | None = None) -> str:
    """Describe the camera's motion, beginning with what the question asks for.

    Args:
        evidence: What was measured.
        question: In lower case; "" for none.
        rng: Where the wording is drawn from.
        yes: Begin with Yes or No; None: decide by the question.

    Returns:
        One to three sentences.
    """
    labels = evidence.camera.labels
    kinds = re.search(r"\b(fixed|still|steady|static|moving)\b.*\bor\b", question)
    if yes is None and not kinds:
        yes = camera_verdict(evidence, question)
    if not labels:
        return ""
    if labels == ("static",):
        text = _static(evidence, rng)
    elif labels == ("shake",):
        text = _shaking(evidence, rng)
    else:
        text = _moving(evidence, rng, plain=bool(kinds) or yes is not None)
    if kinds:
        kind = {"static": "a fixed shot", "shake": "a shaky shot"}.get((*labels, "")[0], "a moving shot")
        return f"It is {kind}: {lowered(text)}" if " shot" not in text else text
    return text if yes is None else f"{'Yes' if yes else 'No'}, {lowered(text)}"


def camera_verdict(evidence: Evidence, question: str) -> bool | None:
    """Decide a yes-no question about the camera.

    Args:
        evidence: What was measured.
        question: In lower case.

    Returns:
        The answer; None for other questions, and where the measurements do not decide.
    """
    asked = re.match(r"(?:does|do|did|is|are|was|were) (.+?)[?. ]*$", question)
    labels = evidence.camera.labels
    if not asked:
        return None
    # "is the camera moving" as the statement "the camera is moving".
    stated = (
        re.sub(r"^(the [\w-]+|this [\w-]+|it)\b", r"\1 is", asked[1]) if question[0] in "iaw" else asked[1]
    )
    said = [claim for claim in claims(stated) if claim.subject == "camera"]
    if len(said) == 1:
        return judge(said[0], evidence)
    axes = set(re.findall(r"\b(pan|tilt|zoom|roll)", asked[1]))
    return any(label.split("_")[0] in axes for label in labels) if labels and axes else None


def followed(evidence: Evidence) -> bool | None:
    """Decide whether the camera follows the most salient object; None where that is not clear."""
    if evidence.camera.labels in (("static",), ("shake",)):
        return False
    if not evidence.tracks or not evidence.camera.labels:
        return None
    x, y = evidence.tracks[0].velocity
    own, camera = np.array([x, y]), np.array([evidence.camera.pan, evidence.camera.tilt])
    length = float(np.hypot(*own) * np.hypot(*camera))
    same_way = length and own @ camera > ALONG * length
    return True if same_way and np.hypot(*(own - camera)) < KEPT_UP * np.hypot(*own) else None


def _static(evidence: Evidence, rng: random.Random) -> str:
    """A sentence on a camera that does not move."""
    held = f"all {seconds(evidence.duration_s)} of the clip"
    return rng.choice(
        (
            f"The camera stays still for {held}.",
            "The camera does not move, and the framing is the same from the first frame to the last.",
            "This is a fixed shot: the background keeps its place in the frame throughout.",
            f"The camera holds its position for {held}.",
            "The camera is stationary from beginning to end.",
            "The shot is static, with no pan, tilt, zoom or roll.",
        )
    )


def _shaking(evidence: Evidence, rng: random.Random) -> str:
    """A sentence on a camera that only shakes."""
    size = f"about {percent(max(evidence.camera.shake, SHAKE_MIN))} of the frame width"
    return rng.choice(
        (
            f"The camera shakes by {size} but goes nowhere.",
            "The camera jitters in place like a handheld one, without a pan, tilt or zoom.",
            f"The view jitters by {size} around one position.",
            "The shot trembles slightly around the same spot for the length of the clip.",
        )
    )


def _moving(evidence: Evidence, rng: random.Random, plain: bool) -> str:
    """Sentences on a camera whose labels name at least one move, in the order of time. plain: no preamble."""
    duration = evidence.duration_s
    groups = together(moves_of(evidence.camera, duration))
    texts = []
    until = 0.0
    for k, group in enumerate(groups):
        start, end = min(move.start for move in group), max(move.end for move in group)
        when = ""
        if len(groups) > 1 or end - start < WHOLE * duration:
            when = f" from {start:.1f} to {end:.1f} seconds"
        text = f"{_said(group)}{when}{_amount(group)}"
        if not k and _rested(0.0, start, evidence.camera):
            text = f"the camera stays still for {seconds(start)}, then {text}"
        texts.append(text)
        until = max(until, end)
    if _rested(until, duration, evidence.camera):
        texts[-1] += ", then stops"
    first, *rest = texts
    preamble = rng.choice(("", f"over {seconds(duration)}, ", "in this shot, ", "as the clip goes on, "))
    told = [first if plain else preamble + first, *(f"then {text}" for text in rest)]
    told = [text[0].upper() + text[1:] + "." for text in told]
    if evidence.camera.shake > ROUGH:
        told.append("The move is not quite smooth.")
    return " ".join(told)


def _rested(start: float, end: float, camera: CameraMotion) -> bool:
    """Whether the camera was seen to stand still for nearly all of a time of more than a second."""
    rested = sum(max(0.0, min(end, until) - max(start, since)) for since, until in camera.rests)
    return end - start > 1 and rested > WHOLE * (end - start)


def _said(group: Sequence[CameraMove]) -> str:
    """A group of moves at the same time as a clause."""
    first, *rest = sorted(group, key=lambda move: move.label.startswith("roll"))
    phrase = PHRASES[first.label]
    text = f"{phrase.subject} {ADVERBS[pace_of(first)]}{phrase.verb}"
    same = [PHRASES[it.label].participle for it in rest if PHRASES[it.label].subject == phrase.subject]
    other = [PHRASES[it.label] for it in rest if PHRASES[it.label].subject != phrase.subject]
    if same:
        text += f" while {listed(same)}"
    if other:
        text += f"{' and' if same else ' while'} {other[0].subject} {listed([it.verb for it in other])}"
    return text


def _amount(group: Sequence[CameraMove]) -> str:
    """How fast a single move is, with a leading comma; "" for several at once and where that is unknown."""
    if len(group) > 1 or not group[0].amount or group[0].label.startswith("dolly"):
        return ""
    return f", {amount_of(group[0])}"


def together(moves: Sequence[CameraMove]) -> list[list[CameraMove]]:
    """Group moves, sorted by their start, that take place at the same time."""
    groups: list[list[CameraMove]] = []
    for move in sorted(moves, key=lambda it: (it.start, it.label)):
        shared = [
            min(move.end, it.end) - move.start >= TOGETHER * min(move.end - move.start, it.end - it.start)
            for it in (groups[-1] if groups else [])
        ]
        if shared and all(shared):
            groups[-1].append(move)
        else:
            groups.append([move])
    return groups


def moves_of(camera: CameraMotion, duration_s: float) -> list[CameraMove]:
    """List the moves of a camera; known by labels and mean rates alone, each lasts for all of the clip.

    (Opposite ones for half of it, one after the other.)
    """
    if camera.moves:
        return list(camera.moves)
    rates = {
        "pan": camera.pan,
        "tilt": camera.tilt,
        "zoom": camera.zoom,
        "dolly": camera.zoom,
        "roll": camera.roll,
    }
    axes = [AXES[label.split("_")[0]] for label in camera.labels]
    moves = []
    for k, (label, axis) in enumerate(zip(camera.labels, axes, strict=True)):
        half = axes.count(axis) == 2
        start = duration_s / 2 if half and axis in axes[:k] else 0.0
        end = duration_s / 2 if half and axis not in axes[:k] else duration_s
        moves.append(CameraMove(label, start, end, abs(rates[axis]) * (end - start)))
    return moves


def pace_of(move: CameraMove) -> str:
    """Call a move slow, steady or quick; "" for one whose speed is not measured."""
    axis = AXES[move.label.split("_")[0]]
    if axis not in PACE or not move.amount:
        return ""
    return ("slow", "steady", "quick")[int(np.searchsorted(PACE[axis], move.rate, "right"))]


def amount_of(move: CameraMove) -> str:
    """Express the rate of a move: "covering about a fifth of the frame width per second"."""
    axis = AXES[move.label.split("_")[0]]
    if axis == "zoom":
        grows = move.label == "zoom_in"
        rate = np.expm1(move.rate) if grows else -np.expm1(-move.rate)
        return f"{'enlarging' if grows else 'shrinking'} the scene by about {percent(float(rate))} per second"
    if axis == "roll":
        return f"turning by about {plural(max(1, round(move.rate)), 'degree')} per second"
    return f"covering {part(move.rate, 'frame width' if axis == 'pan' else 'frame height')} per second"
