"""An answerer without weights: puts the measured motion of camera and objects into English.

It says nothing that the evidence does not hold: no names of things unless the detector gave them, numbers
rounded to what they are good for, and where nothing can be said for sure, that.
"""

import random
import re
from collections.abc import Sequence

import numpy as np

from filters.evidence import CameraMotion, Evidence, Track
from stages.models.base import Reply, Request

# Rates from which a move is called steady, and from which fast, in the units of CameraMotion.
PACE = {"pan": (0.06, 0.2), "tilt": (0.06, 0.2), "zoom": (0.1, 0.25), "roll": (6.0, 15.0)}
OBJECT_PACE = (0.05, 0.2)  # frame diagonals per second
GROWTH = 0.12  # e-folds per second from which an object visibly grows
CHANGED_AREA = 0.01  # share of the frame under which nothing else is said to move

VERBS = {
    "pan_left": ("pans left", "panning left", "a pan to the left"),
    "pan_right": ("pans right", "panning right", "a pan to the right"),
    "tilt_up": ("tilts up", "tilting up", "an upward tilt"),
    "tilt_down": ("tilts down", "tilting down", "a downward tilt"),
    "roll_clockwise": ("rolls clockwise", "rolling clockwise", "a clockwise roll"),
    "roll_counterclockwise": (
        "rolls counterclockwise",
        "rolling counterclockwise",
        "a counterclockwise roll",
    ),
    "zoom_in": ("zooms in", "zooming in", "a zoom in"),
    "zoom_out": ("zooms out", "zooming out", "a zoom out"),
}
BOTH_WAYS = {
    ("pan_left", "pan_right"): ("pans left and right", "panning left and right", "a pan left and right"),
    ("tilt_up", "tilt_down"): ("tilts up and down", "tilting up and down", "a tilt up and down"),
    ("zoom_in", "zoom_out"): ("zooms in and out", "zooming in and out", "a zoom in and out"),
    ("roll_clockwise", "roll_counterclockwise"): (
        "rolls clockwise and counterclockwise",
        "rolling clockwise and counterclockwise",
        "a roll clockwise and counterclockwise",
    ),
}
DIRECTIONS = (
    "to the right",
    "down and to the right",
    "downward",
    "down and to the left",
    "to the left",
    "up and to the left",
    "upward",
    "up and to the right",
)
OPENINGS = (
    "All in all,",
    "Seen as a whole,",
    "To sum up,",
    "From the first frame to the last,",
    "In short,",
    "Taken together,",
)
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


class KinematicMllm:
    """Answers from the evidence that a request carries; the frames are accepted and not looked at."""

    name = "kinematic"
    version = "1"

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request; two requests of one call never get the same text."""
        given: set[str] = set()
        replies = []
        for request in requests:
            for attempt in range(200):
                rng = random.Random(f"{request.seed} {request.question} {attempt}")
                text = answer(request, rng)
                if attempt >= 20:  # all plain ways to say it are taken
                    text = f"{rng.choice(OPENINGS)} {text[0].lower()}{text[1:]}"
                if text not in given:
                    break
            given.add(text)
            replies.append(Reply(text))
        return replies


def answer(request: Request, rng: random.Random) -> str:
    """The answer to a request, its wording drawn from `rng`."""
    evidence = request.evidence
    if evidence is None:
        return "Nothing was measured of this clip, so nothing can be said about its motion."
    if request.category == "camera":
        return about_camera(evidence, request.question, rng)
    if request.category == "object":
        return about_objects(evidence, request.question, rng)
    return f"{about_camera(evidence, '', rng)} {about_objects(evidence, '', rng)}"


# Camera.


def about_camera(evidence: Evidence, question: str, rng: random.Random) -> str:
    """One to three sentences on the camera."""
    camera = evidence.camera
    lead = camera_lead(camera, question)
    if not camera.labels:
        told = rng.choice(
            (
                "The camera is moving, but near and far parts of the scene shift so differently that no"
                " single direction can be named.",
                "The camera moves through the scene: its parts shift by different amounts, and not all in one"
                " direction.",
                "This is a moving shot. Strong parallax between near and far parts hides any one direction.",
            )
        )
    elif camera.labels == ("static",):
        told = rng.choice(
            (
                f"The camera stays still for all {seconds(evidence.duration_s)} of the clip.",
                "The camera does not move; the framing is the same from the first frame to the last.",
                "This is a fixed shot: the background keeps its place in the frame throughout.",
                f"The camera holds its position for the whole {seconds(evidence.duration_s)}.",
            )
        )
    elif camera.labels == ("shake",):
        told = rng.choice(
            (
                f"The camera shakes by about {percent(camera.shake)} of the frame width but goes nowhere.",
                "The camera trembles in place, as a handheld one does, without a pan, tilt or zoom.",
                f"The view jitters by some {percent(camera.shake)} of its width around one position.",
            )
        )
    else:
        told = moving_camera(evidence, rng)
    return f"{lead} {told}".strip()


def camera_lead(camera: CameraMotion, question: str) -> str:
    """ "Yes." or "No." and what it refers to, where the question asks for it."""
    text = question.lower()
    if re.match(r"does the camera zoom", text):
        zooms = [label for label in camera.labels if label.startswith("zoom")]
        if zooms:
            ways = " and ".join(label.removeprefix("zoom_") for label in zooms)
            return f"Yes, the camera zooms {ways}."
        return "No zoom was measured." if camera.labels else ""
    if re.match(r"is the camera still", text) and camera.labels:
        return {"static": "The camera is still.", "shake": "The camera is not quite still."}.get(
            camera.labels[0], "The camera moves."
        )
    return ""


def moving_camera(evidence: Evidence, rng: random.Random) -> str:
    """Sentences for a camera whose labels name at least one move."""
    moves = merged(evidence.camera)
    first, rest = moves[0], moves[1:]
    amounts = [amount for _, rate, _, amount in moves if rate]
    tail = (
        f" while {' and '.join(f'{words[1]}{adverb(rate, axis)}' for words, rate, axis, _ in rest)}"
        if rest
        else ""
    )
    number = f", by {' and '.join(amounts)} each second" if amounts else ""
    does = f"{first[0][0]}{adverb(first[1], first[2])}{tail}{number}"
    forms = [
        f"The camera {does}.",
        f"Over {seconds(evidence.duration_s)} the camera {does}.",
    ]
    if len(moves) < 3:
        nouns = " together with ".join(noun(words, rate, axis) for words, rate, axis, _ in moves)
        covers = f" Each second covers {' and '.join(amounts)}." if amounts else ""
        forms.append(f"The shot is {nouns}.{covers}")
    if not evidence.tracks and evidence.object_area < CHANGED_AREA and amounts:
        forms.append(f"The whole scene shifts because the camera {does}.")
    if evidence.camera.shake > 0.004 and amounts:
        return f"{rng.choice(forms)} The move is not quite smooth."
    return rng.choice(forms)


Move = tuple[tuple[str, str, str], float, str, str]


def merged(camera: CameraMotion) -> list[Move]:
    """The moves of a camera, opposite ones as one: words, rate (0 where both ways), axis, amount in words."""
    labels = list(camera.labels)
    moves: list[Move] = []
    for pair, words in BOTH_WAYS.items():
        if set(pair) <= set(labels):
            labels = [label for label in labels if label not in pair]
            moves.append((words, 0.0, pair[0].split("_")[0], ""))
    for label in labels:
        axis = label.split("_")[0]
        rate = getattr(camera, axis)
        moves.append((VERBS[label], abs(rate), axis, amount_of(axis, rate)))
    return moves


def amount_of(axis: str, rate: float) -> str:
    """A signed rate in words, without "each second"."""
    if axis == "zoom":
        return f"about {percent(abs(np.expm1(rate)))} in scale"
    rate = abs(rate)
    if axis == "roll":
        return f"about {plural(max(1, round(rate)), 'degree')}"
    return f"about {percent(rate)} of the frame {'width' if axis == 'pan' else 'height'}"


def adverb(rate: float, axis: str) -> str:
    """How fast, with a space before it; nothing for a move that goes both ways."""
    slow, fast = PACE[axis]
    return "" if not rate else " slowly" if rate < slow else " steadily" if rate < fast else " quickly"


def noun(words: tuple[str, str, str], rate: float, axis: str) -> str:
    """A move as a noun: a slow pan to the left."""
    slow, fast = PACE[axis]
    pace = "" if not rate else "slow " if rate < slow else "steady " if rate < fast else "quick "
    bare = words[2].split(" ", 1)[1]
    return f"{article(pace + bare)} {pace}{bare}"


# Objects.


def about_objects(evidence: Evidence, question: str, rng: random.Random) -> str:
    """One to four sentences on what moves by itself."""
    tracks = evidence.tracks[:3]
    if not tracks:
        return without_objects(evidence, rng)
    text = question.lower()
    sentences = [about_track(tracks[0], evidence, "", rng)]
    for k, track in enumerate(tracks[1:]):
        sentences.append(about_track(track, evidence, ("A second", "A third")[k], rng))
    if len(tracks) > 1:
        faster = max(range(len(tracks)), key=lambda k: tracks[k].speed)
        others = sorted((track.speed for track in tracks), reverse=True)
        if others[0] > 1.3 * others[1]:
            sentences.append(
                f"The {('first', 'second', 'third')[faster]} is the fastest of them."
                if len(tracks) > 2
                else f"The {('first', 'second')[faster]} is the faster one."
            )
    lead = ""
    if re.match(r"how many", text):
        regions = "region" if len(evidence.tracks) == 1 else "regions"
        lead = f"{NUMBERS[len(evidence.tracks)].capitalize()} moving {regions} could be followed."
    elif re.match(r"does any", text):
        lead = "Yes."
    return " ".join([lead, *sentences]).strip()


def without_objects(evidence: Evidence, rng: random.Random) -> str:
    if not evidence.camera.labels or evidence.camera.fit < 0.35:
        return rng.choice(
            (
                "The whole picture shifts with the camera, and unevenly, so what the objects do by themselves"
                " cannot be told from it.",
                "Near and far parts of the scene shift so differently that no object's own motion can be"
                " singled out.",
            )
        )
    if evidence.object_area < CHANGED_AREA:
        moves = evidence.camera.labels != ("static",)
        return rng.choice(
            (
                "No object was found that clearly moves on its own.",
                "No object's own movement stands out in this clip.",
                "Apart from the camera, no clear movement was found."
                if moves
                else "No clear movement was found in the scene.",
            )
        )
    area = f"about {percent(evidence.object_area)} of the picture"
    return rng.choice(
        (
            f"There is movement in {area}, but no single object could be followed.",
            f"Something changes in {area}; no one object stands out.",
        )
    )


def about_track(track: Track, evidence: Evidence, ordinal: str, rng: random.Random) -> str:
    """A sentence or two on one object."""
    # What moves and has no name may be a part of what was told of before.
    name = track.label or ("moving region" if ordinal else rng.choice(("object", "moving object")))
    subject = f"{ordinal} {name}" if ordinal else f"{article(name).capitalize()} {name}"
    where = place(track, evidence)
    pace = ("slowly", "at a moderate pace", "fast")[int(np.searchsorted(OBJECT_PACE, track.speed))]
    when = interval(track, evidence)
    across = "" if evidence.camera.labels in (("static",), ("shake",)) else " across the scene"
    covered = f"about {percent(max(track.speed, 0.01))} of the frame's diagonal"
    ways = headings(track, evidence)
    if len(ways) > 1:
        first = f"{subject} {where} first moves {ways[0]}{across}, then it moves {ways[1]}"
        first += f", and finally it moves {ways[2]}." if len(ways) > 2 else "."
    elif ways:
        first = rng.choice(
            (
                f"{subject} {where} moves {ways[0]}{across} {pace}{when}, at {covered} per second.",
                f"{subject} {where} travels {ways[0]}{across}{when}, covering {covered} each second.",
                f"{subject} starts {where} and moves {ways[0]}{across} {pace}{when}.",
            )
        )
    else:
        first = rng.choice(
            (
                f"{subject} {where} moves to and fro{when} without keeping to one direction.",
                f"{subject} {where} keeps moving in place{when}, at {covered} per second this way and that.",
            )
        )
    if track.growth > GROWTH:
        return f"{first} It gets larger in the frame."
    if track.growth < -GROWTH:
        return f"{first} It gets smaller in the frame."
    return first


def headings(track: Track, evidence: Evidence) -> list[str]:
    """Which ways an object moves over the scene, in order and in words, at most three.

    Empty when it keeps to none; a direction that lasts for little of the movement is left out.
    """
    length = track.moving[1] - track.moving[0]
    kept = [phase for phase in track.phases if phase[1] - phase[0] >= 0.2 * length]
    words = []
    for _, _, x, y in kept[:3]:
        sector = round(np.degrees(np.arctan2(y * evidence.height, x * evidence.width)) / 45) % 8
        words.append(DIRECTIONS[sector])
    return [word for k, word in enumerate(words) if k == 0 or word != words[k - 1]]


def place(track: Track, evidence: Evidence) -> str:
    """Where an object is when first seen: one of nine parts of the frame."""
    seen = track.boxes[~np.isnan(track.boxes).any(1)]
    if not len(seen):
        return "in the frame"
    x = (seen[0, 0] + seen[0, 2]) / 2 / evidence.width
    y = (seen[0, 1] + seen[0, 3]) / 2 / evidence.height
    column = ("left", "", "right")[int(np.searchsorted((1 / 3, 2 / 3), x))]
    row = ("upper", "", "lower")[int(np.searchsorted((1 / 3, 2 / 3), y))]
    if not column and not row:
        return "near the centre of the frame"
    if column and row:
        return f"in the {row} {column} of the frame"
    return f"in the {row} part of the frame" if row else f"on the {column} side of the frame"


def interval(track: Track, evidence: Evidence) -> str:
    """When an object moves, with a space before it."""
    start, end = track.moving
    if start < 0.15 * evidence.duration_s and end > 0.8 * evidence.duration_s:
        return " throughout the clip"
    if start < 0.15 * evidence.duration_s:
        return f" during the first {seconds(end)}"
    if end > 0.8 * evidence.duration_s:
        return f" from {start:.1f} seconds on"
    return f" between {start:.1f} and {end:.1f} seconds"


# Words.


def percent(share: float) -> str:
    """A share as a percentage, to what it is good for: half a percent below ten, whole ones, then fives."""
    value = 100 * share
    if value < 1:
        return f"{value:.1f}%"
    return f"{round(value)}%" if value < 20 else f"{5 * round(value / 5)}%"


def seconds(value: float) -> str:
    return plural(round(value), "second") if value >= 9.5 else plural(round(value, 1), "second")


def plural(count: float, noun: str) -> str:
    text = f"{count:g}"
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
