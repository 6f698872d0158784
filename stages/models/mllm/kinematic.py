"""An answerer without weights: puts the measured motion of camera and objects into English.

It says nothing that the evidence does not hold: no names of things unless the detector gave them, numbers
rounded to what they are good for, and where nothing can be said for sure, that.
"""

import random
import re
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from filters.claims import claims
from filters.evidence import CameraMotion, Evidence, Track
from filters.motion_check import judge
from stages.models.backend import MllmBackend
from stages.models.protocols import Reply, Request

# Rates from which a move is called steady, and from which quick, in the units of CameraMotion.
PACE = {"pan": (0.06, 0.2), "tilt": (0.06, 0.2), "zoom": (0.1, 0.25), "roll": (6.0, 15.0)}
OBJECT_PACE = (0.05, 0.2)  # frame diagonals per second
GROWTH = 0.12  # e-folds per second from which an object visibly grows
CHANGED_AREA = 0.01  # share of the frame under which nothing else is said to move
ROUGH = 0.004  # rms jitter, share of the frame width, from which a move is not smooth
FIT = 0.35  # share of the scene that the camera explains, under which nothing is said of objects left out

# Each move as finite verb, participle and noun.
VERBS = {
    "pan_left": ("pans to the left", "panning to the left", "pan to the left"),
    "pan_right": ("pans to the right", "panning to the right", "pan to the right"),
    "tilt_up": ("tilts up", "tilting up", "tilt upward"),
    "tilt_down": ("tilts down", "tilting down", "tilt downward"),
    "roll_clockwise": ("rolls clockwise", "rolling clockwise", "clockwise roll"),
    "roll_counterclockwise": ("rolls counterclockwise", "rolling counterclockwise", "counterclockwise roll"),
    "zoom_in": ("zooms in", "zooming in", "zoom in"),
    "zoom_out": ("zooms out", "zooming out", "zoom out"),
}
BOTH_WAYS = {
    ("pan_left", "pan_right"): ("pans back and forth", "panning back and forth", "pan back and forth"),
    ("tilt_up", "tilt_down"): ("tilts up and down", "tilting up and down", "tilt up and down"),
    ("zoom_in", "zoom_out"): ("zooms in and out", "zooming in and out", "zoom in and out"),
    ("roll_clockwise", "roll_counterclockwise"): (
        "rolls clockwise and counterclockwise in turn",
        "rolling clockwise and counterclockwise in turn",
        "roll clockwise and counterclockwise in turn",
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
OPENINGS = ("All in all,", "Seen as a whole,", "To sum up,", "In short,", "Taken together,", "On the whole,")
ADVERBS = {"": "", "slow": "slowly ", "steady": "steadily ", "quick": "quickly "}
NUMBERS = ("None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
FRACTIONS = (
    (2 / 3, "two thirds of"),
    (1 / 2, "half"),
    (1 / 3, "a third of"),
    (1 / 4, "a quarter of"),
    (1 / 5, "a fifth of"),
    (1 / 10, "a tenth of"),
)


class KinematicConfig(MllmBackend):
    """Answers from the measurements, without a model."""

    measures: ClassVar[bool] = True

    backend: Literal["kinematic"] = "kinematic"

    def build(self) -> "KinematicMllm":
        """Make the describer."""
        return KinematicMllm()


class KinematicMllm:
    """Answers from the evidence that a request carries; the frames are accepted and not looked at."""

    name = "kinematic"
    version = "1"

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request; two different questions of one call never get the same text."""
        given: dict[str, str] = {}
        replies = []
        for request in requests:
            for attempt in range(200):
                rng = random.Random(f"{request.seed} {request.question} {attempt}")
                text = answer(request, rng)
                if attempt >= 20:  # all plain ways to say it are taken
                    text = f"{rng.choice(OPENINGS)} {lowered(text)}"
                if given.setdefault(text, request.question) == request.question:
                    break
            replies.append(Reply(text))
        return replies


def answer(request: Request, rng: random.Random) -> str:
    """The answer to a request, its wording drawn from `rng`."""
    evidence, question = request.evidence, request.question.lower()
    if evidence is None:
        return "Nothing was measured of this clip, so nothing can be said about its motion."
    if request.category == "camera":
        return about_camera(evidence, question, rng)
    if request.category == "object":
        return about_objects(evidence, question, rng)
    asked = re.match(r"do(es)? the (camera|shot) (follow|track|keep)", question)
    follows = followed(evidence) if asked else None
    return f"{about_camera(evidence, '', rng, follows)} {about_objects(evidence, '', rng)}"


# Camera.


def about_camera(evidence: Evidence, question: str, rng: random.Random, yes: bool | None = None) -> str:
    """One to three sentences on the camera that begin with what the question (lower case) asks for.

    yes: how they begin where that is known.
    """
    labels = evidence.camera.labels
    kinds = re.search(r"\b(fixed|still|steady|static|moving)\b.*\bor\b", question)
    if yes is None and not kinds:
        yes = camera_verdict(evidence, question)
    held = f"all {seconds(evidence.duration_s)} of the clip"
    if not labels:
        told = rng.choice(
            (
                "The camera is moving, but near and far parts of the scene shift so differently that no"
                " single direction can be named.",
                "The camera moves through the scene, whose parts shift by different amounts and not all in"
                " one direction.",
                "This is a moving shot, in which strong parallax between near and far parts hides any one"
                " direction.",
                "The camera is in motion, but nearer and farther parts of the scene shift in different"
                " directions.",
            )
        )
    elif labels == ("static",):
        told = rng.choice(
            (
                f"The camera stays still for {held}.",
                "The camera does not move, and the framing is the same from the first frame to the last.",
                "This is a fixed shot: the background keeps its place in the frame throughout.",
                f"The camera holds its position for {held}.",
                "The camera is stationary from beginning to end.",
                "The shot is static, with no pan, tilt, zoom or roll.",
            )
        )
    elif labels == ("shake",):
        size = f"about {percent(max(evidence.camera.shake, 0.001))} of the frame width"
        told = rng.choice(
            (
                f"The camera shakes by {size} but goes nowhere.",
                "The camera jitters in place like a handheld one, without a pan, tilt or zoom.",
                f"The view jitters by {size} around one position.",
                "The shot trembles slightly around the same spot for the length of the clip.",
            )
        )
    else:
        told = moving_camera(evidence, rng, plain=bool(kinds) or yes is not None)
    if kinds:
        kind = {"static": "a fixed shot", "shake": "a shaky shot"}.get((*labels, "")[0], "a moving shot")
        return f"It is {kind}: {lowered(told)}" if " shot" not in told else told
    return told if yes is None else f"{'Yes' if yes else 'No'}, {lowered(told)}"


def camera_verdict(evidence: Evidence, question: str) -> bool | None:
    """Yes or no to a question (lower case) that asks for it; None for others, and where neither is sure."""
    asked = re.match(r"(?:does|do|did|is|are|was|were) (.+?)[?. ]*$", question)
    labels = evidence.camera.labels
    if not asked:
        return None
    stated = (
        re.sub(r"^(the [\w-]+|this [\w-]+|it)\b", r"\1 is", asked[1]) if question[0] in "iaw" else asked[1]
    )
    said = [claim for claim in claims(stated) if claim.subject == "camera"]
    if len(said) == 1:
        return judge(said[0], evidence)
    axes = set(re.findall(r"\b(pan|tilt|zoom|roll)", asked[1]))
    return any(label.split("_")[0] in axes for label in labels) if labels and axes else None


def moving_camera(evidence: Evidence, rng: random.Random, plain: bool) -> str:
    """Sentences for a camera whose labels name at least one move. plain: beginning with the camera."""
    moves = merged(evidence.camera)
    first, *rest = [(ADVERBS[pace], words) for words, pace, *_ in moves]
    also = f" while {listed([adverb + words[1] for adverb, words in rest])}" if rest else ""
    does = f"{first[0]}{first[1][0]}{also}"
    if len(moves) == 1 and moves[0][3]:
        does += f", {moves[0][3]}"
    nouns = listed(
        [f"{article(pace or words[2])} {pace} {words[2]}".replace("  ", " ") for words, pace, *_ in moves]
    )
    told = f"The camera {does}."
    forms = [told, f"Over {seconds(evidence.duration_s)}, {lowered(told)}"]
    if not evidence.tracks and evidence.object_area < CHANGED_AREA and evidence.camera.fit >= FIT:
        forms.append(f"The whole scene shifts because {lowered(told)}")
    k = 0 if plain else rng.randrange(len(forms) + 2)
    named = k >= len(forms)  # with nouns, and so far without numbers
    told = (
        (f"The camera movement is {nouns}.", f"The shot is made with {nouns}.")[k - len(forms)]
        if named
        else forms[k]
    )
    amounts = [f"the {axis} {finite(amount)}" for _, _, axis, amount in moves if amount]
    if amounts and (named or rest):
        told += f" {listed(amounts, ', and ').capitalize()}."
    return f"{told} The move is not quite smooth." if evidence.camera.shake > ROUGH else told


def merged(camera: CameraMotion) -> list[tuple[tuple[str, str, str], str, str, str]]:
    """The moves of a camera, opposite ones as one: words, pace, axis, amount (none where both ways)."""
    labels = list(camera.labels)
    moves = []
    for pair, words in BOTH_WAYS.items():
        if set(pair) <= set(labels):
            labels = [label for label in labels if label not in pair]
            moves.append((words, "", pair[0].split("_")[0], ""))
    for label in labels:
        axis = label.split("_")[0]
        rate = float(getattr(camera, axis))
        pace = ("slow", "steady", "quick")[int(np.searchsorted(PACE[axis], abs(rate), "right"))]
        moves.append((VERBS[label], pace, axis, amount_of(axis, rate)))
    return moves


def amount_of(axis: str, rate: float) -> str:
    """A signed rate in words: "covering about a fifth of the frame width per second"."""
    if axis == "zoom":
        does = "enlarging" if rate > 0 else "shrinking"
        return f"{does} the scene by about {percent(abs(float(np.expm1(rate))))} per second"
    if axis == "roll":
        return f"turning by about {plural(max(1, round(abs(rate))), 'degree')} per second"
    return f"covering {part(abs(rate), 'frame width' if axis == 'pan' else 'frame height')} per second"


def finite(amount: str) -> str:
    """What `amount_of` says, as a finite verb: "covers about a fifth of the frame width per second"."""
    verb, rest = amount.split(" ", 1)
    return f"{verb.removesuffix('ing')}{'es' if verb == 'enlarging' else 's'} {rest}"


def followed(evidence: Evidence) -> bool | None:
    """Whether the camera goes along with the most salient object; None where that is not clear."""
    if evidence.camera.labels in (("static",), ("shake",)):
        return False
    if not evidence.tracks or not evidence.camera.labels:
        return None
    x, y = evidence.tracks[0].velocity
    own, camera = np.array([x, y]), np.array([evidence.camera.pan, evidence.camera.tilt])
    length = float(np.hypot(*own) * np.hypot(*camera))
    return (
        True
        if length and own @ camera > 0.7 * length and np.hypot(*(own - camera)) < 0.5 * np.hypot(*own)
        else None
    )


# Objects.


def about_objects(evidence: Evidence, question: str, rng: random.Random) -> str:
    """One to six sentences on what moves by itself, first what the question (lower case) asks for."""
    tracks = evidence.tracks[:3]
    if not tracks:
        told = without_objects(evidence, rng)
        none = (
            evidence.object_area < CHANGED_AREA
            and bool(evidence.camera.labels)
            and evidence.camera.fit >= FIT
        )
        some = re.match(r"(does|is|are) any", question)
        return "No, nothing was found that clearly moves on its own." if none and some else told
    sentences = [about_track(tracks[k], name, evidence, rng, not k) for k, name in enumerate(named(tracks))]
    if "its size" in question and all(abs(track.growth) < GROWTH / 2 for track in tracks):
        sentences.append("The size in the frame hardly changes.")
    fastest = re.search(r"\b(fastest|quickest|faster|quicker)\b", question)
    if not fastest:
        sentences += compared(tracks, (evidence.width, evidence.height))
    told = " ".join(sentences)
    count = len(evidence.tracks)
    if question.startswith("how many"):
        many = NUMBERS[count] if count < len(NUMBERS) else str(count)
        more = ", of which the largest three are described here" if count > 3 else ""
        return f"{many} moving {'object' if count == 1 else 'objects'} could be followed{more}. {told}"
    if fastest:
        if count == 1:
            return f"Only one moving object could be followed. {told}"
        quickest = max(evidence.tracks, key=lambda track: track.speed)
        where, speed = place(quickest, evidence), speed_of(quickest, evidence)
        return f"The fastest movement begins {where}, at {speed} per second. {told}"
    yes = object_verdict(evidence, question)
    return told if yes is None else f"{'Yes' if yes else 'No'}, {lowered(told)}"


def object_verdict(evidence: Evidence, question: str) -> bool | None:
    """Yes or no to a question (lower case) about any object, or about one that the detector named."""
    if re.match(r"(does|is|are) any\w*( objects?)?( in [\w ]+)? (mov|in motion)", question):
        return True
    asked = re.match(r"(?:does|do|is|are) (.+?)[?. ]*$", question)
    known = [
        "object",
        "anything",
        "something",
        *(track.label.lower() for track in evidence.tracks if track.label),
    ]
    if not asked or not re.search(rf"\b(?:{'|'.join(map(re.escape, known))})s?\b", asked[1]):
        return None
    said = [claim for claim in claims(asked[1]) if claim.subject == "object"]
    return judge(said[0], evidence) if len(said) == 1 else None


def without_objects(evidence: Evidence, rng: random.Random) -> str:
    if not evidence.camera.labels or evidence.camera.fit < FIT:
        return rng.choice(
            (
                "The whole picture shifts with the camera, and unevenly, so what the objects do by themselves"
                " cannot be told from it.",
                "Near and far parts of the scene shift so differently that no object's own motion can be"
                " singled out.",
            )
        )
    if evidence.object_area < CHANGED_AREA:
        still = evidence.camera.labels == ("static",)
        return rng.choice(
            (
                "No object was found that clearly moves on its own.",
                "No object's own movement stands out in this clip.",
                f"{'' if still else 'Apart from the camera, '}no clear movement was found in the scene.",
            )
        ).replace("no clear", "No clear" if still else "no clear")
    area = f"about {percent(evidence.object_area)} of the picture"
    return rng.choice(
        (
            f"There is movement in {area}, but no single object could be followed.",
            f"Something changes in {area}, though no one object stands out.",
        )
    )


def named(tracks: Sequence[Track]) -> list[str]:
    """What to call each track: "an object", "a second object", "a dog"."""
    names: list[str] = []
    for k, track in enumerate(tracks):
        name = track.label.strip() or "object"
        before = sum((other.label.strip() or "object") == name for other in tracks[:k])
        if name == "object" and before:  # what has no name may be a part of what was told of before
            names.append(("another moving region", "a third moving region")[before - 1])
        else:
            names.append(
                f"a {('second', 'third')[before - 1]} {name}" if before else f"{article(name)} {name}"
            )
    return names


def about_track(track: Track, name: str, evidence: Evidence, rng: random.Random, scene: bool) -> str:
    """A sentence or two on one object. scene: say that a direction is over the scene, not the frame."""
    where, last, when = place(track, evidence), place(track, evidence, -1), interval(track, evidence)
    pace = ("slowly ", "", "quickly ")[int(np.searchsorted(OBJECT_PACE, track.speed))]
    still = evidence.camera.labels in (("static",), ("shake",))
    over = " across the scene" if scene and not still else ""
    speed = speed_of(track, evidence)
    ways = headings(track, evidence)
    if len(ways) > 1:
        told = f"{name} {where} first moves {ways[0]}{over}, then {ways[1]}"
        told += f", and finally {ways[2]}." if len(ways) > 2 else "."
    elif ways:
        told = rng.choice(
            (
                f"{name} {where} {pace}moves {ways[0]}{over}{when}, at {speed} per second.",
                f"{name} {where} travels {ways[0]}{over}{when}, covering {speed} each second.",
                f"{name} starts {where} and {pace}moves {ways[0]}{over}{when}.",
            )
        )
    else:
        told = rng.choice(
            (
                f"{name} {where} moves this way and that{when} without keeping to one direction.",
                f"{name} {where} keeps moving in place{when}, at {speed} per second.",
            )
        )
    told = told[0].upper() + told[1:]
    if abs(track.growth) > GROWTH:
        size = "larger" if track.growth > 0 else "smaller"
        told += f" It gets {size} in the frame{'' if last == where else f' and ends {last}'}."
    elif ways and last != where:
        told += f" It ends {last}."
    return told


def compared(tracks: Sequence[Track], size: tuple[int, int]) -> list[str]:
    """How up to three objects differ, in sentences. size: width and height of the frame, pixels."""
    if len(tracks) < 2:
        return []
    told = []
    order = sorted(range(len(tracks)), key=lambda k: -tracks[k].speed)
    if tracks[order[0]].speed > 1.3 * tracks[order[1]].speed:
        which = ("first", "second", "third")[order[0]]
        most = "moves the faster of the two" if len(tracks) == 2 else "is the fastest of the three"
        told.append(f"The {which} {most}.")
    if len(tracks) == 2 and all(len(track.phases) == 1 for track in tracks):
        one, other = (np.array(track.phases[0][2:]) * size for track in tracks)
        along = float(one @ other) / max(float(np.hypot(*one) * np.hypot(*other)), 1e-9)
        if abs(along) > 0.9:
            told.append(f"They move in {'the same direction' if along > 0 else 'opposite directions'}.")
    return told


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


def place(track: Track, evidence: Evidence, which: int = 0) -> str:
    """Where an object is when first (0) or last (-1) seen: one of nine parts of the frame."""
    seen = track.boxes[~np.isnan(track.boxes).any(1)]
    if not len(seen):
        return "in the frame"
    box = seen[which]
    x, y = (box[0] + box[2]) / 2 / evidence.width, (box[1] + box[3]) / 2 / evidence.height
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
    if end <= start:
        return ""
    if start < 0.15 * evidence.duration_s and end > 0.8 * evidence.duration_s:
        return " throughout the clip"
    if start < 0.15 * evidence.duration_s:
        return f" during the first {seconds(end)}"
    if end > 0.8 * evidence.duration_s:
        return f" from {start:.1f} seconds on"
    return f" between {start:.1f} and {end:.1f} seconds"


def speed_of(track: Track, evidence: Evidence) -> str:
    """An object's own speed in words, without "per second": in frame heights if it goes up or down."""
    x, y = track.velocity[0] * evidence.width, track.velocity[1] * evidence.height
    pixels = track.speed * float(np.hypot(evidence.width, evidence.height))
    if abs(y) > abs(x):
        return part(pixels / evidence.height, "frame height")
    return part(pixels / evidence.width, "frame width")


# Words.


def part(share: float, of: str) -> str:
    """A share of something in words: "about a fifth of the frame width"."""
    for value, words in FRACTIONS:
        if abs(share / value - 1) < 0.08:
            return f"about {words} the {of}"
    return (
        f"about {share:.1f} times the {of}"
        if share > 1.2
        else f"about {percent(max(share, 0.01))} of the {of}"
    )


def percent(share: float) -> str:
    """A share as a percentage, to what it is good for: tenths below one, whole ones, then fives."""
    value = 100 * share
    if value < 1:
        return f"{value:.1f}%"
    return f"{round(value)}%" if value < 20 else f"{5 * round(value / 5)}%"


def seconds(value: float) -> str:
    return plural(round(value), "second") if value >= 9.5 else plural(round(value, 1), "second")


def plural(count: float, noun: str) -> str:
    text = f"{count:g}"
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def listed(words: Sequence[str], last: str = " and ") -> str:
    """ "a", "a and b", "a, b and c"."""
    return last.join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def lowered(text: str) -> str:
    return text[0].lower() + text[1:]


def article(word: str) -> str:
    return "an" if word[0].lower() in "aeiou" else "a"
