"""Sentences about the camera's measured motion."""

import random
import re
from typing import NamedTuple

import numpy as np

from filters.claims import claims
from filters.evidence import CameraMotion, Evidence
from filters.motion_check import judge
from stages.models.mllm.describe_objects import nothing_moves
from stages.models.mllm.words import article, listed, lowered, part, percent, plural, seconds

# Rates from which a move is called steady, and from which quick, in the units of CameraMotion.
PACE = {"pan": (0.06, 0.2), "tilt": (0.06, 0.2), "zoom": (0.1, 0.25), "roll": (6.0, 15.0)}
ADVERBS = {"": "", "slow": "slowly ", "steady": "steadily ", "quick": "quickly "}
ROUGH = 0.004  # rms jitter, share of the frame width, above which a move is not smooth
SHAKE_MIN = 0.001  # share of the frame width: smaller jitter is not given a smaller number
ALONG = 0.7  # cosine of the angle within which camera and object move the same way
KEPT_UP = 0.5  # of the object's speed: a camera whose velocity differs by less follows it


class Phrase(NamedTuple):
    """A move in three forms."""

    verb: str
    participle: str
    noun: str


class Move(NamedTuple):
    """A move of the camera in words.

    Attributes:
        phrase: The move.
        pace: slow, steady or quick; "" for a move in both directions.
        axis: pan, tilt, zoom or roll.
        amount: Its rate ("covering a fifth of ..."); "" for a move in both directions.
    """

    phrase: Phrase
    pace: str
    axis: str
    amount: str


PHRASES = {
    "pan_left": Phrase("pans to the left", "panning to the left", "pan to the left"),
    "pan_right": Phrase("pans to the right", "panning to the right", "pan to the right"),
    "tilt_up": Phrase("tilts up", "tilting up", "tilt upward"),
    "tilt_down": Phrase("tilts down", "tilting down", "tilt downward"),
    "roll_clockwise": Phrase("rolls clockwise", "rolling clockwise", "clockwise roll"),
    "roll_counterclockwise": Phrase(
        "rolls counterclockwise", "rolling counterclockwise", "counterclockwise roll"
    ),
    "zoom_in": Phrase("zooms in", "zooming in", "zoom in"),
    "zoom_out": Phrase("zooms out", "zooming out", "zoom out"),
}
BOTH_WAYS = {
    ("pan_left", "pan_right"): Phrase("pans back and forth", "panning back and forth", "pan back and forth"),
    ("tilt_up", "tilt_down"): Phrase("tilts up and down", "tilting up and down", "tilt up and down"),
    ("zoom_in", "zoom_out"): Phrase("zooms in and out", "zooming in and out", "zoom in and out"),
    ("roll_clockwise", "roll_counterclockwise"): Phrase(
        "rolls clockwise and counterclockwise in turn",
        "rolling clockwise and counterclockwise in turn",
        "roll clockwise and counterclockwise in turn",
    ),
}
PARALLAX = (
    "The camera is moving, but near and far parts of the scene shift so differently that no"
    " single direction can be named.",
    "The camera moves through the scene, whose parts shift by different amounts and not all in"
    " one direction.",
    "This is a moving shot, in which strong parallax between near and far parts hides any one direction.",
    "The camera is in motion, but nearer and farther parts of the scene shift in different directions.",
)


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
        text = rng.choice(PARALLAX)
    elif labels == ("static",):
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
    """Sentences on a camera whose labels name at least one move. plain: begin with "The camera"."""
    moves = moves_of(evidence.camera)
    first, *rest = moves
    also = f" while {listed([ADVERBS[move.pace] + move.phrase.participle for move in rest])}" if rest else ""
    does = f"{ADVERBS[first.pace]}{first.phrase.verb}{also}"
    if not rest and first.amount:
        does += f", {first.amount}"
    text = f"The camera {does}."
    forms = [text, f"Over {seconds(evidence.duration_s)}, {lowered(text)}"]
    if nothing_moves(evidence):
        forms.append(f"The whole scene shifts because {lowered(text)}")
    k = 0 if plain else rng.randrange(len(forms) + 2)
    as_nouns = k >= len(forms)
    if as_nouns:
        nouns = listed([_noun(move) for move in moves])
        forms += [f"The camera movement is {nouns}.", f"The shot is made with {nouns}."]
    text = forms[k]
    amounts = [f"the {move.axis} {finite(move.amount)}" for move in moves if move.amount]
    if amounts and (as_nouns or rest):  # elsewhere the amount is in the sentence already
        text += f" {listed(amounts, ', and ').capitalize()}."
    return f"{text} The move is not quite smooth." if evidence.camera.shake > ROUGH else text


def _noun(move: Move) -> str:
    """A move as a noun with its article: "a slow pan to the left"."""
    return f"{article(move.pace or move.phrase.noun)} {move.pace} {move.phrase.noun}".replace("  ", " ")


def moves_of(camera: CameraMotion) -> list[Move]:
    """List the moves of a camera, opposite ones as one move in both directions."""
    labels = list(camera.labels)
    moves = []
    for pair, phrase in BOTH_WAYS.items():
        if set(pair) <= set(labels):
            labels = [label for label in labels if label not in pair]
            moves.append(Move(phrase, "", pair[0].split("_")[0], ""))
    for label in labels:
        axis = label.split("_")[0]
        rate = float(getattr(camera, axis))
        pace = ("slow", "steady", "quick")[int(np.searchsorted(PACE[axis], abs(rate), "right"))]
        moves.append(Move(PHRASES[label], pace, axis, amount_of(axis, rate)))
    return moves


def amount_of(axis: str, rate: float) -> str:
    """Express a rate of `CameraMotion`: "covering about a fifth of the frame width per second"."""
    if axis == "zoom":
        does = "enlarging" if rate > 0 else "shrinking"
        return f"{does} the scene by about {percent(abs(float(np.expm1(rate))))} per second"
    if axis == "roll":
        return f"turning by about {plural(max(1, round(abs(rate))), 'degree')} per second"
    return f"covering {part(abs(rate), 'frame width' if axis == 'pan' else 'frame height')} per second"


def finite(amount: str) -> str:
    """Turn the participle of `amount_of` into a finite verb: "covers about a fifth of the ..."."""
    verb, rest = amount.split(" ", 1)
    return f"{verb.removesuffix('ing')}{'es' if verb == 'enlarging' else 's'} {rest}"
