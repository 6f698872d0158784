"""Answers composed from measurements: true to them, to the question, and to English."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.claims import claims
from filters.evidence import CameraMotion, Evidence, Track
from filters.motion_check import check, opened
from pipeline.schema import CAMERA_LABELS
from stages.annotate.questions import BANK, choose
from stages.models.mllm.describe_objects import told_of
from stages.models.mllm.kinematic import KinematicMllm
from stages.models.protocols import Category, Request

TIMES = np.arange(8.0) / 2
STILL = CameraMotion(("static",))
NAMES = ["", "", "dog", "umbrella", "red car"]
AXES = {
    "pan": ("pan_left", "pan_right", 1.0),
    "tilt": ("tilt_up", "tilt_down", 1.0),
    "zoom": ("zoom_out", "zoom_in", 1.0),
    "roll": ("roll_counterclockwise", "roll_clockwise", 60.0),
}


@st.composite
def moving_cameras(draw: st.DrawFn) -> CameraMotion:
    rates, names = {}, set()
    for axis in draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=4, unique=True)):
        negative, positive, scale = AXES[axis]
        rates[axis] = draw(st.floats(0.02, 1.5)) * scale * draw(st.sampled_from([-1, 1]))
        both = draw(st.integers(0, 5)) == 0
        names |= {negative, positive} if both else {positive if rates[axis] > 0 else negative}
    labels = tuple(name for name in CAMERA_LABELS if name in names)
    return CameraMotion(labels, **rates, shake=draw(st.sampled_from([0.0, 0.01])))


def cameras() -> st.SearchStrategy[CameraMotion]:
    others = [STILL, CameraMotion(("shake",), shake=0.003), CameraMotion((), fit=0.1, pan=0.2)]
    return st.one_of(st.sampled_from(others), moving_cameras())


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    start = np.array([draw(st.floats(0, 250)), draw(st.floats(0, 170))])
    step = np.array([draw(st.floats(-20, 20)), draw(st.floats(-15, 15))])
    corner = start + np.arange(8)[:, None] * step
    boxes = np.concatenate([corner, corner + 60], axis=1).astype(np.float32)
    boxes[: draw(st.integers(0, 8))] = np.nan
    way = st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)).filter(lambda v: np.hypot(*v) > 0.02)
    ways = draw(st.lists(way, max_size=3))
    return Track(
        draw(st.sampled_from(NAMES)),
        TIMES,
        boxes,
        np.ones(8, np.float32),
        tuple(np.mean(ways, axis=0)) if ways else (0.0, 0.0),
        draw(st.sampled_from([0.0, 0.2, -0.2])),
        draw(st.floats(0.01, 0.5)),
        draw(st.sampled_from([(0.0, 4.0), (0.0, 1.0), (1.5, 4.0), (1.0, 2.5)])),
        tuple((k, k + 1.0, *way) for k, way in enumerate(ways)),
    )


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    camera = draw(cameras())
    found = draw(st.lists(tracks(), max_size=12)) if camera.labels else []
    area = draw(st.floats(0.02, 0.5)) if found else draw(st.sampled_from([0.0, 0.005, 0.1]))
    return Evidence(320, 240, draw(st.floats(1, 60)), camera, tuple(found), area, 0.02)


def ask(evidence: Evidence | None, questions: list[tuple[str, Category]], seed: int = 0) -> list[str]:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    requests = [Request("", text, kind, frames, TIMES[:2], evidence, seed) for text, kind in questions]
    return [reply.text for reply in KinematicMllm().generate(requests)]


def track(velocity: tuple[float, float], label: str = "", top: float = 80.0, **measured: float) -> Track:
    """An object that moves for all of 4 seconds, at a velocity in frame widths and heights per second."""
    corner = np.array([100.0, top]) + TIMES[:, None] * velocity * np.array([320, 240])
    speed = float(np.hypot(velocity[0] * 320, velocity[1] * 240)) / 400
    return Track(
        label,
        TIMES,
        np.concatenate([corner, corner + 40], axis=1).astype(np.float32),
        np.ones(8, np.float32),
        velocity,
        **{"speed": speed, **measured},
        moving=(0.0, 4.0),
        phases=((0.0, 4.0, *velocity),),
    )


@given(evidences(), st.integers(0, 10**6), st.text(max_size=5), st.integers(1, 9))
@settings(deadline=None, max_examples=300)
def test_answers_are_english_and_no_two_alike(evidence: Evidence, seed: int, clip: str, count: int) -> None:
    texts = ask(evidence, choose(clip, count, seed), seed)
    assert len(set(filter(None, texts))) == len([*filter(None, texts)])
    for text in filter(None, texts):
        assert re.fullmatch(r"[A-Z\d].*[.]", text), text
        assert not re.search(r"  | [.,;:]|[.,]{2}|\b(nan|inf|None)\b|[{}_]", text), text
        assert not re.search(r"\b[Aa] [aeio]|\b[Aa]n [^aeiou]", text), text
        assert not re.search(r"(?<![.\d])([01] (seconds|degrees)\b|0(\.0)?%)", text), text
        assert not re.search(r"\b(\w+) \1\b", text.lower()), text
        assert not re.search(r"[.:] [a-z]", text.replace(": the", "").replace(": over", "")), text


@given(evidences(), st.integers(0, 10**6), st.text(max_size=5))
@settings(deadline=None, max_examples=300)
def test_every_claim_of_an_answer_is_read_back_and_holds(evidence: Evidence, seed: int, clip: str) -> None:
    for text in ask(evidence, choose(clip, 9, seed), seed):
        held, judged = check(text, evidence)
        assert held in (None, 1.0), (text, [(str(claim), verdict) for claim, verdict in judged])


@given(evidences(), st.integers(0, 10**6), st.sampled_from(BANK["camera"]))
@settings(deadline=None, max_examples=300)
def test_an_answer_about_the_camera_says_every_label(evidence: Evidence, seed: int, question: str) -> None:
    (text,) = ask(evidence, [(question, "camera")], seed)
    said = {opened(it.predicate) for it in claims(text) if it.subject == "camera" and not it.negated}
    assert not text or said >= {opened(label) for label in evidence.camera.labels}, text


@given(evidences(), st.integers(0, 10**6), st.sampled_from(BANK["object"]))
@settings(deadline=None, max_examples=300)
def test_an_answer_says_which_way_each_object_goes(evidence: Evidence, seed: int, question: str) -> None:
    (text,) = ask(evidence, [(question, "object")], seed)
    said = {claim.predicate for claim in claims(text) if claim.subject == "object"}
    for one in told_of(evidence):
        length = one.moving[1] - one.moving[0]
        for start, end, x, y in one.phases:
            across, down = abs(x) * 320 > 1.01 * abs(y) * 240, abs(y) * 240 > 1.01 * abs(x) * 320
            if end - start < 0.2 * length or not (across or down):
                continue
            main = (
                ("moves_right" if x > 0 else "moves_left")
                if across
                else "moves_down"
                if y > 0
                else "moves_up"
            )
            assert main in said, text


@given(moving_cameras(), st.integers(0, 10**6), st.text(max_size=5))
@settings(deadline=None)
def test_the_answer_for_the_opposite_motion_does_not_hold(camera: CameraMotion, seed: int, clip: str) -> None:
    turned = {one: other for a, b, _ in AXES.values() for one, other in ((a, b), (b, a))}
    opposite = tuple(turned[label] for label in camera.labels)
    evidence = Evidence(320, 240, 4.0, camera)
    other = Evidence(
        320, 240, 4.0, CameraMotion(opposite, -camera.pan, -camera.tilt, -camera.zoom, -camera.roll)
    )
    (text,) = ask(other, choose(clip, 2, seed)[1:], seed)
    held, _ = check(text, evidence)
    assert held is not None
    assert (held < 1) == (set(opposite) != set(camera.labels)), text


def test_the_same_request_gets_the_same_answer_and_another_seed_other_words() -> None:
    evidence = Evidence(320, 240, 4.0, CameraMotion(("pan_left",), pan=-0.1))
    question: list[tuple[str, Category]] = [("How does the camera move in this video?", "camera")]
    assert ask(evidence, question, 5) == ask(evidence, question, 5)
    assert ask(evidence, question * 2, 5) == ask(evidence, question, 5) * 2
    assert len({ask(evidence, question, seed)[0] for seed in range(30)}) >= 4


ZOOM = CameraMotion(("pan_left", "zoom_in"), pan=-0.1, zoom=0.05)
SHAKE = CameraMotion(("shake",), shake=0.003)
LOST = CameraMotion((), fit=0.1)


@pytest.mark.parametrize(
    ("question", "camera", "begins"),
    [
        ("Does the camera zoom in?", ZOOM, "Yes, "),
        ("Does the camera zoom out?", ZOOM, "No, "),
        ("Does the camera zoom in or out at any time?", ZOOM, "Yes, "),
        ("Does the camera zoom in or out at any time?", STILL, "No, "),
        ("Does the camera pan, tilt, zoom or roll?", SHAKE, "No, "),
        ("Does the camera pan to the left?", ZOOM, "Yes, "),
        ("Does the shot pan right?", ZOOM, "No, "),
        ("Is the camera moving?", ZOOM, "Yes, "),
        ("Is the camera moving?", STILL, "No, "),
        ("Is the camera still?", ZOOM, "No, "),
        ("Is the camera static?", STILL, "Yes, "),
        ("Is the footage shaky?", SHAKE, "Yes, "),
        ("Is the footage shaky?", STILL, "No, "),
        ("Is this shot steady, shaky or moving?", SHAKE, "It is a shaky shot"),
    ],
)
def test_a_yes_or_no_question_gets_yes_or_no(question: str, camera: CameraMotion, begins: str) -> None:
    evidence = Evidence(320, 240, 4.0, camera)
    replies = {ask(evidence, [(question, "camera")], seed)[0] for seed in range(20)}
    assert all(text.startswith((begins, "The shot", "This is")) for text in replies), replies
    assert any(text.startswith(begins) for text in replies)


def test_the_camera_follows_what_goes_its_way() -> None:
    question: list[tuple[str, Category]] = [("Does the camera follow what moves in the scene?", "both")]
    right, left = track((0.2, 0.0)), track((-0.2, 0.0))
    camera = CameraMotion(("pan_right",), pan=0.18)
    assert ask(Evidence(320, 240, 4.0, camera, (right,), 0.1), question)[0].startswith("Yes, ")
    assert not ask(Evidence(320, 240, 4.0, camera, (left,), 0.1), question)[0].startswith("Yes")
    assert ask(Evidence(320, 240, 4.0, STILL, (right,), 0.1), question)[0].startswith("No, ")


def test_counts_and_comparisons_are_those_of_the_tracks() -> None:
    two = Evidence(320, 240, 4.0, STILL, (track((0.2, 0.0)), track((-0.3, 0.0), top=140.0)), 0.1)
    (many,) = ask(two, [("How many objects move?", "object")])
    assert many.startswith("At least two objects move.")
    assert "The second moves the faster of the two. They move in opposite directions." in many
    (fastest,) = ask(two, [("Which object moves the fastest, and where does it go?", "object")])
    assert "about 30% of the frame width per second" in fastest.split(". ")[0]
    (one,) = ask(
        Evidence(320, 240, 4.0, STILL, (track((0.1, 0.0)),), 0.1), [("Which is the fastest?", "object")]
    )
    assert one.startswith("Only one")


def test_no_part_of_an_object_nor_its_shadow_nor_what_hardly_shows_beside_it_is_described() -> None:
    one = track((0.2, 0.0))
    part, minor = track((0.2, 0.01)), track((0.05, 0.05), top=160.0)
    shadow = track((0.2, 0.0), top=140.0)
    for other in (part, minor, shadow):
        (text,) = ask(Evidence(320, 240, 4.0, STILL, (one, other), 0.1), [("What moves?", "object")])
        assert [claim.predicate for claim in claims(text) if claim.subject == "object"] == ["moves_right"]
    # A shadow that shows more than its object, but is lost sooner.
    briefly = replace(shadow, speed=0.25)
    onward = replace(one, phases=(*one.phases, (4.0, 6.0, 0.0, 0.2)))
    (told,) = told_of(Evidence(320, 240, 6.0, STILL, (briefly, onward), 0.1))
    assert told is onward
    named = replace(part, label="dog")
    assert len(told_of(Evidence(320, 240, 4.0, STILL, (one, named), 0.1))) == 2


def test_without_a_certain_path_an_object_is_only_said_to_be_in_motion() -> None:
    seen = replace(track((0.2, 0.0)), phases=())
    sure, across = replace(seen, second=seen), replace(seen, second=replace(track((0.0, 0.2)), phases=()))
    question: list[tuple[str, Category]] = [("What moves?", "object")]
    panned = CameraMotion(("pan_right",), pan=0.18)
    for one, camera in ((sure, STILL), (across, STILL), (sure, panned)):
        (text,) = ask(Evidence(320, 240, 4.0, camera, (one,), 0.1), question)
        assert text == "Something near the centre of the frame is in motion throughout the clip."
    for one, camera in ((seen, STILL), (seen, panned), (across, panned)):
        assert ask(Evidence(320, 240, 4.0, camera, (one,), 0.1), question) == [""]
    assert ask(Evidence(320, 240, 4.0, STILL, (sure,), 0.1), [("How many objects move?", "object")]) == [""]


def test_a_lesser_path_is_described_only_where_nothing_is_certain_of_the_main_object() -> None:
    main = replace(track((0.3, 0.0)), phases=())
    lesser = track((0.1, 0.0), top=160.0)
    sure = replace(main, second=main)
    assert told_of(Evidence(320, 240, 4.0, STILL, (main, lesser), 0.1)) == [lesser]
    assert told_of(Evidence(320, 240, 4.0, STILL, (sure, lesser), 0.1)) == [sure]


def test_only_what_the_detector_named_has_a_name() -> None:
    for seed in range(50):
        (plain,) = ask(
            Evidence(320, 240, 4.0, STILL, (track((0.1, 0.0)),), 0.1), [("What moves?", "object")], seed
        )
        assert not re.search(r"\b(person|man|woman|car|animal|ball|dog)\b", plain)
        dogs = (track((0.1, 0.0), "dog"), track((-0.1, 0.0), "dog", 140.0), track((0.1, 0.1), "owl"))
        (text,) = ask(Evidence(320, 240, 4.0, STILL, dogs, 0.1), [("What moves?", "object")], seed)
        assert {"A dog", "A second dog", "An owl"} <= {
            match[0] for match in re.finditer(r"\bAn? (second )?\w+", text)
        }


@pytest.mark.parametrize("camera", [STILL, CameraMotion(("pan_left",), pan=-0.1)])
def test_that_nothing_moves_is_read_back_in_any_wording(camera: CameraMotion) -> None:
    evidence = Evidence(320, 240, 4.0, camera, (), 0.0)
    texts = {ask(evidence, [("What moves?", "object")], seed)[0] for seed in range(30)}
    assert len(texts) > 2
    assert {check(text, evidence)[0] for text in texts} == {1.0}


@pytest.mark.parametrize(
    ("evidence", "question", "why"),
    [
        (None, ("How does the camera move?", "camera"), "nothing was measured"),
        (
            Evidence(320, 240, 4.0, STILL, (), 0.12),
            ("What moves?", "object"),
            "no path of it is beyond doubt",
        ),
        (Evidence(320, 240, 4.0, LOST, (), 0.0), ("What moves?", "object"), "no path of it is beyond doubt"),
        (
            Evidence(320, 240, 4.0, LOST, (), 0.0),
            ("Is the camera moving?", "camera"),
            "camera's motion is unknown",
        ),
        (
            Evidence(320, 240, 4.0, replace(LOST, reason="fog")),
            ("Does the camera follow what moves?", "both"),
            "camera's motion is unknown: fog",
        ),
    ],
)
def test_where_too_little_is_certain_the_answer_is_withheld_for_a_reason(
    evidence: Evidence | None, question: tuple[str, Category], why: str
) -> None:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    request = Request("", *question, frames, TIMES[:2], evidence)
    (reply,) = KinematicMllm().generate([request])
    assert (reply.text, reply.error) == ("", "withheld")
    assert why in reply.detail
