"""Questions, decoupling, answers and the claims in them."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.claims import claims
from filters.evidence import CameraMotion, Evidence, Track
from filters.motion_check import check
from pipeline.schema import CAMERA_LABELS
from stages.annotate.questions import BANK, choose
from stages.models.mllm.kinematic import KinematicMllm
from stages.models.mllm.words import article, percent
from stages.models.protocols import Category, Request
from stages.motionsight.decouple import decouple

TIMES = np.arange(8.0) / 2

# Questions written apart from the rules.
ASKED: tuple[tuple[str, Category], ...] = (
    ("Does the red car turn left while we zoom in?", "both"),
    ("Which way is the woman walking?", "object"),
    ("Is the camera panning?", "camera"),
    ("What is the dog doing?", "object"),
    ("Was this filmed from a moving vantage?", "camera"),
    ("Does the shot tilt upwards at the end?", "camera"),
    ("How many times does the man raise his arm?", "object"),
    ("Is the footage shaky?", "camera"),
    ("What happens to the ball after it bounces?", "object"),
    ("Does the lens zoom towards the building?", "camera"),
    ("Do the players run faster than the camera pans?", "both"),
    ("In what order do the actions occur?", "object"),
    ("Is it a tracking shot that follows the cyclist's bike?", "both"),
    ("Is there a dolly move?", "camera"),
    ("Who moves first?", "object"),
    ("What direction do the waves roll in?", "object"),
    ("Is the tripod steady?", "camera"),
    ("Does the viewpoint rise above the crowd?", "both"),
    ("How does the train travel?", "object"),
    ("What does the person behind the camera do?", "camera"),
    ("Speed?", "object"),
    ("How do the camera and the cup move?", "both"),
    ("How do the kite and the camera move?", "both"),
    ("Does the camera follow the mower?", "both"),
)


@pytest.mark.parametrize(("question", "category"), ASKED)
def test_a_question_is_about_what_its_words_name(question: str, category: Category) -> None:
    assert decouple(question) == category


@pytest.mark.parametrize("category", BANK)
def test_the_questions_of_the_bank_are_about_what_they_stand_under(category: Category) -> None:
    assert {decouple(text) for text in BANK[category]} == {category}
    assert all(text.endswith(("?", ".")) for text in BANK[category])


@given(st.text(max_size=20), st.integers(1, 12), st.integers(0, 5))
def test_no_question_is_asked_twice_and_the_choice_is_the_same_again(
    clip: str, count: int, seed: int
) -> None:
    chosen = choose(clip, count, seed)
    assert len({text for text, _ in chosen}) == len(chosen) == count
    assert chosen == choose(clip, count, seed)
    if count >= 2:
        assert [category for _, category in chosen[:2]] == ["object", "camera"]


def test_clips_are_asked_different_questions() -> None:
    assert len({tuple(choose(str(k), 2, 0)) for k in range(100)}) > 50


def cameras() -> st.SearchStrategy[CameraMotion]:
    rate = st.floats(0.02, 0.5)
    axes = {
        "pan": ("pan_left", "pan_right", 1.0),
        "tilt": ("tilt_up", "tilt_down", 1.0),
        "zoom": ("zoom_out", "zoom_in", 1.0),
        "roll": ("roll_counterclockwise", "roll_clockwise", 60.0),
    }

    @st.composite
    def moving(draw: st.DrawFn) -> CameraMotion:
        rates, names = {}, []
        for axis in draw(st.lists(st.sampled_from(sorted(axes)), min_size=1, max_size=3, unique=True)):
            negative, positive, scale = axes[axis]
            rates[axis] = draw(rate) * scale * draw(st.sampled_from([-1, 1]))
            names.append(positive if rates[axis] > 0 else negative)
            if draw(st.integers(0, 5)) == 0:
                names.append(negative if rates[axis] > 0 else positive)
        return CameraMotion(tuple(name for name in CAMERA_LABELS if name in names), **rates)

    fixed = [
        CameraMotion(("static",)),
        CameraMotion(("shake",), shake=0.01),
        CameraMotion((), fit=0.1, pan=0.2),
    ]
    return st.one_of(st.sampled_from(fixed), moving())


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    x, y = draw(st.floats(0, 250)), draw(st.floats(0, 170))
    boxes = np.tile(np.array([x, y, x + 60, y + 60], np.float32), (8, 1))
    boxes[: draw(st.integers(0, 8))] = np.nan
    ways = draw(
        st.lists(
            st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)).filter(lambda v: np.hypot(*v) > 0.02),
            max_size=3,
        )
    )
    phases = tuple((k, k + 1.0, *way) for k, way in enumerate(ways))
    net = tuple(np.mean(ways, axis=0)) if ways else (0.0, 0.0)
    label = draw(st.sampled_from(["", "", "dog", "umbrella", "red car"]))
    moving = (0.0, float(max(1, len(ways))))
    growth = draw(st.sampled_from([0.0, 0.2, -0.2]))
    return Track(
        label, TIMES, boxes, np.ones(8, np.float32), net, growth, draw(st.floats(0.01, 0.5)), moving, phases
    )


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    camera = draw(cameras())
    found = draw(st.lists(tracks(), max_size=4)) if camera.labels else []
    area = draw(st.floats(0.02, 0.5)) if found else draw(st.sampled_from([0.0, 0.005, 0.1]))
    return Evidence(320, 240, draw(st.floats(1, 60)), camera, tuple(found), area, 0.02)


def ask(evidence: Evidence | None, questions: list[tuple[str, Category]], seed: int) -> list[str]:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    requests = [Request("", text, kind, frames, TIMES[:2], evidence, seed) for text, kind in questions]
    return [reply.text for reply in KinematicMllm().generate(requests)]


@given(evidences(), st.integers(0, 10**6), st.text(max_size=5))
@settings(deadline=None, max_examples=300)
def test_every_claim_of_an_answer_is_read_back_and_holds(evidence: Evidence, seed: int, clip: str) -> None:
    for text in ask(evidence, choose(clip, 3, seed), seed):
        held, judged = check(text, evidence)
        assert held in (None, 1.0), (text, [(str(claim), verdict) for claim, verdict in judged])


@given(evidences(), st.integers(0, 10**6))
@settings(deadline=None)
def test_every_label_is_said_in_the_answer_about_the_camera(evidence: Evidence, seed: int) -> None:
    (text,) = ask(evidence, [("How does the camera move in this video?", "camera")], seed)
    said = {claim.predicate for claim in claims(text) if claim.subject == "camera" and not claim.negated}
    assert said >= set(evidence.camera.labels), text


@given(evidences(), st.integers(0, 10**6), st.text(max_size=5), st.integers(1, 9))
@settings(deadline=None, max_examples=300)
def test_answers_are_written_as_english_is(evidence: Evidence, seed: int, clip: str, count: int) -> None:
    texts = ask(evidence, choose(clip, count, seed), seed)
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert re.fullmatch(r"[A-Z].*[.]", text), text
        assert not re.search(r"  | [.,]|\.\.|,,|\bnan\b|\binf\b|None|\{|\}|_", text), text
        assert not re.search(
            r"\b[Aa] [aeio]|\b[Aa]n [^aeiou]|(?<![.\d])1 seconds\b|(?<![.\d])1 degrees\b", text
        ), text


def test_an_answer_names_no_one_whom_the_detector_did_not_name() -> None:
    track = Track(
        "",
        TIMES,
        np.tile([10.0, 10, 50, 50], (8, 1)),
        np.ones(8),
        (0.1, 0),
        0,
        0.1,
        (0, 4),
        ((0, 4, 0.1, 0),),
    )
    evidence = Evidence(320, 240, 4.0, CameraMotion(("static",)), (track,), 0.05, 0.02)
    for seed in range(50):
        (text,) = ask(evidence, [("What moves in this scene?", "object")], seed)
        assert not re.search(r"\b(person|man|woman|car|animal|ball|dog)\b", text)


def test_without_evidence_nothing_is_claimed() -> None:
    (text,) = ask(None, [("How does the camera move in this video?", "camera")], 0)
    assert claims(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The camera pans left.", ["camera:pan_left"]),
        ("The camera slowly sweeps to the right while tilting up.", ["camera:pan_right", "camera:tilt_up"]),
        ("The shot zooms in on the house, then it pulls back.", ["camera:zoom_in", "camera:zoom_out"]),
        ("The camera does not pan left.", ["not camera:pan_left"]),
        ("The camera remains static and the dog runs to the left.", ["camera:static", "object:moves_left"]),
        (
            "A car drives from left to right. It does not move up.",
            ["object:moves_right", "not object:moves_up"],
        ),
        ("The camera may pan right.", []),
        ("The background stays still.", []),
        ("The handheld camera shakes.", ["camera:shake"]),
        ("The view is panned leftward.", ["camera:pan_left"]),
        ("The camera rolls counter-clockwise.", ["camera:roll_counterclockwise"]),
        ("The man stands on the left side of the frame.", []),
        ("A red truck drives by, passing from left to right.", ["object:moves_right"]),
        ("He walks towards the right side of the room.", ["object:moves_right"]),
        ("The sky is blue and the grass is green.", []),
        ("", []),
    ],
)
def test_claims_are_read_from_sentences(text: str, said: list[str]) -> None:
    assert [str(claim) for claim in claims(text)] == said


def test_the_opposite_of_what_was_measured_is_caught() -> None:
    evidence = Evidence(320, 240, 3.0, CameraMotion(("pan_right",), pan=0.1))
    assert check("The camera pans left.", evidence)[0] == 0
    assert check("The camera pans right.", evidence)[0] == 1
    assert check("The camera pans right and zooms in.", evidence)[0] == 0.5
    assert check("It is a lovely day.", evidence)[0] is None
    moving = Evidence(320, 240, 3.0, CameraMotion((), fit=0.1))
    assert check("The camera pans left.", moving)[0] is None
    assert check("The camera is static.", moving)[0] == 0


@pytest.mark.parametrize(("share", "text"), [(0.004, "0.4%"), (0.05, "5%"), (0.123, "12%"), (0.43, "45%")])
def test_numbers_are_rounded_to_what_they_are_good_for(share: float, text: str) -> None:
    assert percent(share) == text


def test_the_article_fits_the_word() -> None:
    assert [article(word) for word in ("object", "quick pan", "upward tilt")] == ["an", "a", "an"]


def test_reading_the_tests_of_others_never_fails() -> None:
    for path in Path(__file__).parents[1].rglob("*.py"):
        claims(path.read_text())
