"""Sentences about the measured motion of objects."""

import random
import re
from collections.abc import Sequence

import numpy as np

from filters.claims import claims
from filters.evidence import Evidence, Track
from filters.motion_check import judge
from filters.objects import PAUSE_S
from stages.models.mllm.words import article, listed, lowered, part, seconds

DESCRIBED = 3  # objects described one by one, the most salient
MINOR = 0.5  # of the salience of the most salient: a lesser object is not described beside it
PART = 0.5  # of the smaller box inside the other: it may be a part of what is described already
STIR_S = 1.0  # seconds for which both measurements see what is said to be in motion,
STIR = 0.012  # and frame diagonals per second that it does at least
OBJECT_PACE = (0.05, 0.2)  # frame diagonals per second up to which an object is slow, and from which quick
GROWTH = 0.12  # e-folds per second above which an object visibly grows or shrinks
CHANGED_AREA = 0.01  # share of the frame up to which nothing may be said to move
FASTER = 1.3  # ratio of speeds above which one object is called faster
ABOUT = 0.5  # cosine of the angle within which two directions are about the same
ALONG = 0.9  # cosine of the angle within which two directions are called the same
STRETCHES = 4  # of a path that are told

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
NUMBERS = ("none", "one", "two", "three")


def about_objects(evidence: Evidence, question: str, rng: random.Random) -> str:
    """Describe what moves on its own, beginning with what the question asks for.

    Args:
        evidence: What was measured.
        question: In lower case; "" for none.
        rng: Where the wording is drawn from.

    Returns:
        One to six sentences; "" where too little is certain for an answer.
    """
    told = told_of(evidence)
    if not told:
        if not nothing_moves(evidence):
            return ""
        some = re.match(r"(does|is|are) any", question)
        return "No, nothing was found that clearly moves on its own." if some else _nothing(evidence, rng)
    fastest = re.search(r"\b(fastest|quickest|faster|quicker)\b", question)
    if (fastest or question.startswith("how many")) and not (told[0].phases or told[0].sway):
        return ""
    names = names_of(told)
    sentences = [_about_track(told[k], name, evidence, rng, not k) for k, name in enumerate(names)]
    if "its size" in question and all(abs(track.growth) < GROWTH / 2 for track in told):
        sentences.append("The size in the frame hardly changes.")
    if not fastest:
        sentences += _comparisons(told, (evidence.width, evidence.height))
    text = " ".join(sentences)
    if question.startswith("how many"):
        many = NUMBERS[len(told)]
        return f"At least {many} {'object moves' if len(told) == 1 else 'objects move'}. {text}"
    if fastest:
        if len(told) == 1:
            return f"Only one moving object could be followed. {text}"
        quickest = max(told, key=lambda track: track.speed)
        where, speed = place(quickest, evidence), speed_of(quickest, evidence)
        return f"The fastest movement begins {where}, at {speed} per second. {text}"
    yes = object_verdict(evidence, question)
    return text if yes is None else f"{'Yes' if yes else 'No'}, {lowered(text)}"


def told_of(evidence: Evidence) -> list[Track]:
    """Choose what to describe: up to three objects with a certain path, none minor and none part of another.

    Where the main one has no certain path, it may still certainly move; and where even that is not certain,
    a lesser one with a path is described.
    """
    paths = [track for track in evidence.tracks if track.phases or track.sway]
    stirring = [track for track in evidence.tracks if stirs(track, evidence)]
    told = _distinct(paths, MINOR * max(map(_salience, evidence.tracks), default=0.0))
    return told or sorted(stirring, key=_salience)[-1:] or _distinct(paths, 0.0)[:1]


def _distinct(tracks: Sequence[Track], least: float) -> list[Track]:
    """Up to three tracks of at least this salience, none part of one before it, or of one that does more."""
    tracks = [track for track in tracks if _salience(track) >= least]
    told: list[Track] = []
    for k, track in enumerate(tracks):
        fuller = (it for it in tracks[k + 1 :] if not _belongs(it, track))
        if not any(_belongs(track, it) for it in (*told, *fuller)):
            told.append(track)
    return told[:DESCRIBED]


def stirs(track: Track, evidence: Evidence) -> bool:
    """Whether both measurements see an object move for a while, wherever it goes.

    Behind a camera that moves, both must also see it go about the same way.
    """
    other = track.second
    if not other or min(track.speed, other.speed) < STIR:
        return False
    if evidence.camera.labels not in (("static",), ("shake",)):
        one, two = (np.array(it.velocity) * (evidence.width, evidence.height) for it in (track, other))
        if one @ two < ABOUT * np.hypot(*one) * np.hypot(*two):
            return False
    common = min(track.moving[1], other.moving[1]) - max(track.moving[0], other.moving[0])
    return common >= min(STIR_S, evidence.duration_s / 2)


def _salience(track: Track) -> float:
    """How much of an object's motion there is to see: mean side of its boxes times its way."""
    width, height = (track.boxes[:, 2:] - track.boxes[:, :2]).T
    side = float(np.sqrt(np.nanmean(width * height))) if np.isfinite(width).any() else 0.0
    return side * track.speed * (track.moving[1] - track.moving[0])


def _belongs(track: Track, other: Track) -> bool:
    """Whether an object may be a part of another, its shadow or reflection: it is there, or goes along."""
    if track.label != other.label:
        return False
    return _overlap(track, other) > PART or (bool(track.phases) and _goes_with(track, other))


def _goes_with(track: Track, other: Track) -> bool:
    """Whether each stretch of an object's path runs beside one of another's, at the same time."""
    return all(
        any(
            min(end, it[1]) - max(start, it[0]) > PART * (end - start)
            and x * it[2] + y * it[3] > ALONG * np.hypot(x, y) * np.hypot(it[2], it[3])
            for it in other.phases
        )
        for start, end, x, y in track.phases
    )


def _overlap(one: Track, other: Track) -> float:
    """The share of the smaller of two boxes that lies in the other, where both are seen; else 0."""
    low, high = np.maximum(one.boxes, other.boxes)[:, :2], np.minimum(one.boxes, other.boxes)[:, 2:]
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = [np.prod(track.boxes[:, 2:] - track.boxes[:, :2], axis=1) for track in (one, other)]
    both = np.isfinite(shared) & np.isfinite(areas[0]) & np.isfinite(areas[1])
    return float(np.mean(shared[both] / np.maximum(np.minimum(*areas), 1)[both])) if both.any() else 0.0


def nothing_moves(evidence: Evidence) -> bool:
    """Decide whether it is certain that nothing moves apart from the camera."""
    quiet = evidence.object_area < CHANGED_AREA and evidence.unexplained < CHANGED_AREA
    return bool(evidence.camera.labels) and not evidence.tracks and quiet


def object_verdict(evidence: Evidence, question: str) -> bool | None:
    """Decide a yes-no question about any object, or about one that the detector named.

    Args:
        evidence: What was measured, with at least one track.
        question: In lower case.

    Returns:
        The answer; None for other questions, and where the measurements do not decide.
    """
    if re.match(r"(does|is|are) any\w*( objects?)?( in [\w ]+)? (mov|in motion)", question):
        return True
    asked = re.match(r"(?:does|do|is|are) (.+?)[?. ]*$", question)
    labels = [track.label.lower() for track in evidence.tracks if track.label]
    known = "|".join(map(re.escape, ["object", "anything", "something", *labels]))
    if not asked or not re.search(rf"\b(?:{known})s?\b", asked[1]):
        return None
    said = [claim for claim in claims(asked[1]) if claim.subject == "object"]
    return judge(said[0], evidence) if len(said) == 1 else None


def _nothing(evidence: Evidence, rng: random.Random) -> str:
    """A sentence on a clip in which nothing moves apart from the camera."""
    still = evidence.camera.labels == ("static",)
    none = "No clear" if still else "Apart from the camera, no clear"
    return rng.choice(
        (
            "No object was found that clearly moves on its own.",
            "No object's own movement stands out in this clip.",
            f"{none} movement was found in the scene.",
        )
    )


def names_of(tracks: Sequence[Track]) -> list[str]:
    """Name each of up to three tracks: "an object", "another moving region", "a dog", "a second dog"."""
    names: list[str] = []
    for k, track in enumerate(tracks):
        name = track.label.strip() or "object"
        before = sum((other.label.strip() or "object") == name for other in tracks[:k])
        if name == "object" and before:  # without a name, it may be a part of an object described before
            names.append(("another moving region", "a third moving region")[before - 1])
        else:
            names.append(
                f"a {('second', 'third')[before - 1]} {name}" if before else f"{article(name)} {name}"
            )
    return names


def _about_track(track: Track, name: str, evidence: Evidence, rng: random.Random, scene: bool) -> str:
    """A sentence or two on one object. scene: say that a direction is across the scene, not the frame."""
    if not track.phases and not track.sway:
        where, when = place(track, evidence, track.moving[0]), interval(track.moving, evidence)
        text = f"{name if track.label.strip() else 'something'} {where} is in motion{when}."
        return text[0].upper() + text[1:]
    if track.sway:
        when = interval(track.sway, evidence)
        text = rng.choice(
            (
                f"{name} {place(track, evidence, track.sway[0])} moves to and fro{when}.",
                f"{name} {place(track, evidence, track.sway[0])} keeps moving back and forth{when}.",
            )
        )
        return text[0].upper() + text[1:]
    steps = stretches(track, evidence)
    (start, end, way), *rest = steps
    where, last = place(track, evidence, start), place(track, evidence, steps[-1][1])
    still = evidence.camera.labels in (("static",), ("shake",))
    over = " across the scene" if scene and not still else ""
    if rest:
        later = [f"then moves {way} from {begin:.1f} to {until:.1f} seconds" for begin, until, way in rest]
        text = f"{name} {where} moves {way}{over} from {start:.1f} to {end:.1f} seconds, {listed(later)}."
    else:
        pace = ("slowly ", "", "quickly ")[int(np.searchsorted(OBJECT_PACE, track.speed))]
        speed, when = speed_of(track, evidence), interval((start, end), evidence)
        text = rng.choice(
            (
                f"{name} {where} {pace}moves {way}{over}{when}, at {speed} per second.",
                f"{name} {where} travels {way}{over}{when}, covering {speed} each second.",
                f"{name} starts {where} and {pace}moves {way}{over}{when}.",
            )
        )
    text = text[0].upper() + text[1:]
    if abs(track.growth) > GROWTH:
        text += f" It gets {'larger' if track.growth > 0 else 'smaller'} in the frame."
    return f"{text} It ends {last}." if last != where and still else text


def _comparisons(tracks: Sequence[Track], size: tuple[int, int]) -> list[str]:
    """Sentences on how up to three objects differ. size: width and height of the frame, pixels."""
    if len(tracks) < 2:
        return []
    sentences = []
    order = sorted(range(len(tracks)), key=lambda k: -tracks[k].speed)
    if tracks[order[0]].speed > FASTER * tracks[order[1]].speed:
        which = ("first", "second", "third")[order[0]]
        most = "moves the faster of the two" if len(tracks) == 2 else "is the fastest of the three"
        sentences.append(f"The {which} {most}.")
    if len(tracks) == 2 and all(len(track.phases) == 1 for track in tracks):
        one, other = (np.array(track.phases[0][2:]) * size for track in tracks)
        along = float(one @ other) / max(float(np.hypot(*one) * np.hypot(*other)), 1e-9)
        if abs(along) > ALONG:
            way = "the same direction" if along > 0 else "opposite directions"
            sentences.append(f"They move in {way}.")
    return sentences


def stretches(track: Track, evidence: Evidence) -> list[tuple[float, float, str]]:
    """List the stretches of an object's path, at most four: start and end in seconds, and the direction.

    Stretches in the same direction are one if little time lies between them.
    """
    steps: list[tuple[float, float, str]] = []
    for start, end, x, y in track.phases:
        sector = round(np.degrees(np.arctan2(y * evidence.height, x * evidence.width)) / 45) % 8
        if steps and steps[-1][2] == DIRECTIONS[sector] and start - steps[-1][1] < PAUSE_S:
            start = steps.pop()[0]
        steps.append((start, end, DIRECTIONS[sector]))
    return steps[:STRETCHES]


def place(track: Track, evidence: Evidence, time: float | None = None) -> str:
    """Say in which of nine parts of the frame an object is at a time, or when first seen."""
    seen = np.flatnonzero(~np.isnan(track.boxes).any(1))
    if not len(seen):
        return "in the frame"
    box = track.boxes[seen[0] if time is None else seen[np.abs(track.times[seen] - time).argmin()]]
    x, y = (box[0] + box[2]) / 2 / evidence.width, (box[1] + box[3]) / 2 / evidence.height
    column = ("left", "", "right")[int(np.searchsorted((1 / 3, 2 / 3), x))]
    row = ("upper", "", "lower")[int(np.searchsorted((1 / 3, 2 / 3), y))]
    if not column and not row:
        return "near the centre of the frame"
    if column and row:
        return f"in the {row} {column} of the frame"
    return f"in the {row} part of the frame" if row else f"on the {column} side of the frame"


def interval(moving: tuple[float, float], evidence: Evidence) -> str:
    """Say when an object moves, with a leading space; "" for one that does not."""
    start, end = moving
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
    """Express an object's own speed, without "per second": in frame heights if it moves mainly vertically."""
    x, y = track.velocity[0] * evidence.width, track.velocity[1] * evidence.height
    pixels = track.speed * float(np.hypot(evidence.width, evidence.height))
    if abs(y) > abs(x):
        return part(pixels / evidence.height, "frame height")
    return part(pixels / evidence.width, "frame width")
