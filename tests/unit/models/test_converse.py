"""What a person is told: yes or no first, what cannot be told, and that this tool tells of motion."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.evidence import CameraMotion, CameraMove, Evidence, Track
from stages.annotate.questions import BANK
from stages.models.mllm.kinematic import KinematicMllm
from stages.models.mllm.questions import read
from stages.models.protocols import Reply, Request
from stages.motionsight.decouple import decouple

TIMES = np.arange(8.0) / 2
STILL = CameraMotion(("static",))
PAN = CameraMotion(("pan_left",), pan=-0.1, moves=(CameraMove("pan_left", 0.0, 4.0, 0.4),))
ZOOM = CameraMotion(
    ("zoom_in",), zoom=0.3, moves=(CameraMove("zoom_in", 0.0, 2.0, 0.6),), rests=((2.0, 4.0),)
)


def track(x: float, label: str = "", top: float = 80.0) -> Track:
    """An object that moves sideways for all of 4 seconds, in frame widths per second to the right."""
    corner = np.array([100.0, top]) + TIMES[:, None] * np.array([320 * x, 0.0])
    boxes = np.concatenate([corner, corner + 40], axis=1).astype(np.float32)
    return Track(
        label,
        TIMES,
        boxes,
        np.ones(8, np.float32),
        (x, 0.0),
        speed=abs(320 * x) / 400,
        moving=(0.0, 4.0),
        phases=((0.0, 4.0, x, 0.0),),
    )


def clip(camera: CameraMotion, *tracks: Track, area: float = 0.0) -> Evidence:
    return Evidence(320, 240, 4.0, camera, tracks, 0.1 if tracks else area, 0.02)


CLIPS = {
    "still": clip(STILL),
    "pan": clip(PAN),
    "zoom": clip(ZOOM),
    "shake": clip(CameraMotion(("shake",), shake=0.004)),
    "unknown": clip(CameraMotion((), fit=0.1, reason="too little texture"), area=0.2),
    "object": clip(STILL, track(0.15)),
    "dog": clip(STILL, track(-0.15, "dog")),
    "two": clip(PAN, track(0.15), track(-0.05, top=10.0)),
    "doubtful": clip(STILL, area=0.05),
}


def ask(question: str, evidence: Evidence | None, to_person: bool = True) -> Reply:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    request = Request("", question, decouple(question), frames, TIMES[:2], evidence, to_person=to_person)
    return KinematicMllm().generate([request])[0]


@pytest.mark.parametrize(
    "question",
    [
        "What colour is the car?",
        "What shade of blue is the sky?",
        "Is the moving car red?",
        "Is the ball that rolls across the floor yellow?",
        "How many people are there?",
        "What breed is the running dog?",
        "What number is on the player's shirt as he runs?",
        "How tall is the building that the camera pans across?",
        "Where was this filmed?",
        "Which camera was used to shoot this?",
        "Who is the man?",
        "What does the sign say?",
        "Is there a cat?",
        "Does the man wear glasses?",
        "Is it daytime?",
        "What is behind the moving car?",
        "Read the sign.",
        "Tell me a joke.",
        "Hello",
        "Why does the camera pan?",
        "Comment bouge la caméra ?",
        "¿De qué color es el coche?",
        "Bewegt sich die Kamera?",
        "カメラは動いていますか",
    ],
)
def test_a_question_that_is_not_about_motion_gets_one_honest_sentence(question: str) -> None:
    for evidence in CLIPS.values():
        text = ask(question, evidence).text
        assert text.startswith("This tool tells of motion")
        assert text.count(".") == 1


@pytest.mark.parametrize(
    ("name", "question", "first"),
    [
        ("pan", "Does the camera pan left?", "Yes,"),
        ("pan", "Does the camera pan right?", "No,"),
        ("pan", "IS THE CAMERA MOVING RIGHT??", "No,"),
        ("pan", "is the camera moving left", "Yes,"),
        ("pan", "Does the shot move to the left?", "Yes,"),
        ("pan", "Doesn't the camera move?", "Yes,"),
        ("pan", "Is the camera moving fast?", "No,"),
        ("pan", "Does the camera pan, tilt, zoom or roll?", "Yes,"),
        ("pan", "Does the camera tilt up or down?", "No,"),
        ("pan", "Does the camera go left, right, up or down?", "Yes,"),
        ("pan", "Can you confirm that the camera is moving?", "Yes,"),
        ("pan", "Was this filmed with a fixed camera?", "No,"),
        ("pan", "Is the camera movement smooth?", "Yes,"),
        ("pan", "Is anything moving apart from the camera?", "No,"),
        ("pan", "Would you call this shot static?", "No,"),
        ("pan", "Does the camera truck left?", "Cannot tell:"),
        ("still", "Is the camera static?", "Yes,"),
        ("still", "Is this a tripod shot?", "Yes,"),
        ("still", "Does the camera ever move?", "No,"),
        ("still", "The camera never moves, right?", "Yes,"),
        ("still", "Does the camera move? Answer with yes or no.", "No,"),
        ("still", "Is there any movement in this shot?", "No,"),
        ("still", "Is everything still?", "Yes,"),
        ("still", "Is the man walking?", "No,"),
        ("still", "Does anyone run?", "No,"),
        ("still", "Is the camera locked off?", "Yes,"),
        ("zoom", "Has the camera zoomed in?", "Yes,"),
        ("zoom", "Does the view get wider?", "No,"),
        ("zoom", "Does the camera move the whole time?", "No,"),
        ("zoom", "Is the camera moving at the end?", "Cannot tell:"),
        ("shake", "Is there any camera shake?", "Yes,"),
        ("unknown", "Does the camera pan left?", "Cannot tell:"),
        ("unknown", "Could you tell me whether the camera tilts up?", "Cannot tell:"),
        ("object", "Is anything moving?", "Yes,"),
        ("object", "Does anything move left?", "No,"),
        ("object", "Is something travelling to the right?", "Yes,"),
        ("object", "Is there an object that moves to the right?", "Yes,"),
        ("object", "Is everything still?", "No,"),
        ("object", "Does the person walk to the left?", "No,"),
        ("object", "Is the bus driving to the right?", "Cannot tell:"),
        ("object", "Is the man dancing?", "Cannot tell:"),
        ("object", "Is the object on the left moving?", "Cannot tell:"),
        ("dog", "Is the dog moving left?", "Yes,"),
        ("dog", "Is the dog heading right?", "No,"),
        ("dog", "Does the dog stay still?", "No,"),
        ("dog", "Is the cat moving?", "Cannot tell:"),
        ("two", "Does one object move faster than another?", "Yes,"),
        ("doubtful", "Is anything moving?", "Cannot tell:"),
        ("doubtful", "Is the scene static?", "Cannot tell:"),
    ],
)
def test_yes_or_no_comes_first_or_that_it_cannot_be_told(name: str, question: str, first: str) -> None:
    text = ask(question, CLIPS[name]).text
    assert text.startswith(f"{first} "), text
    assert not text.removeprefix(f"{first} ").lower().startswith(("yes", "no,"))


@pytest.mark.parametrize(
    "question",
    [
        "Is the camera still or moving?",
        "Is it the camera that moves or the object?",
        "Which way is the object going?",
        "Where is the object headed?",
        "What is going on in this clip?",
        "Can you describe the motion of the object?",
        "I'd like to know how the camera moves.",
        "What kind of camera movement is this?",
        "Speed of the object?",
        "What is the man doing?",
    ],
)
def test_what_wants_neither_yes_nor_no_is_answered_as_before(question: str) -> None:
    text = ask(question, CLIPS["two"]).text
    assert text == ask(question, CLIPS["two"], to_person=False).text
    assert not text.startswith(("Yes", "No,", "Cannot tell", "This tool"))


def test_what_moves_is_told_first_where_anything_would_do() -> None:
    for question in ("Is there any motion?", "Is the scene static?"):
        text = ask(question, CLIPS["object"]).text
        assert "an object" in text.split(".")[0]
        assert "the camera" not in text
    assert "the view" in ask("Is there any motion?", CLIPS["two"]).text.split(".")[0]


def test_the_questions_of_datasets_are_about_motion() -> None:
    assert {read(text).topic for texts in BANK.values() for text in texts} == {"motion"}


def test_a_dataset_gets_no_answer_that_tells_nothing() -> None:
    for question in ("What colour is the car?", "Does the camera pan left?"):
        reply = ask(question, CLIPS["unknown"], to_person=False)
        assert (reply.text, reply.error) == ("", "withheld")


@pytest.mark.parametrize("way", ["left", "right"])
def test_opposite_questions_never_get_the_same_answer(way: str) -> None:
    other = {"left": "right", "right": "left"}[way]
    for evidence in CLIPS.values():
        one, two = (ask(f"Does the camera pan {each}?", evidence).text[:3] for each in (way, other))
        assert (one, two) != ("Yes", "Yes")


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_any_text_gets_some_answer(question: str) -> None:
    for name in ("two", "unknown"):
        reply = ask(question, CLIPS[name])
        assert reply.text or reply.error == "withheld"
    assert ask(question, None).text or ask(question, None).error == "withheld"


def test_a_long_question_does_not_take_long() -> None:
    for part in ("is the camera, ", "does it move left or ", "the the ", "what is the ", "is "):
        ask(part * 400, CLIPS["two"])


def test_numbers_of_movers_are_not_overstated() -> None:
    one = replace(CLIPS["two"], tracks=CLIPS["two"].tracks[:1])
    assert ask("Is there more than one moving object?", one).text.startswith("Cannot tell:")
