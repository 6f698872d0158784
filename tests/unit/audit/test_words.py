import pytest

from filters.claims import claims
from filters.verdicts import ANSWER_LIMITS, LIMITS, GatesConfig
from pipeline.schema import CAMERA_LABELS
from stages.audit import words
from stages.audit.distributions import CLIP_NUMBERS, QA_NUMBERS


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("camera:roll_counterclockwise", "camera rolls counterclockwise"),
        ("not camera:roll_counterclockwise", "camera does not roll counterclockwise"),
        ("camera:dolly_in", "camera dollies in"),
        ("not camera:dolly_in", "camera does not dolly in"),
        ("camera:static", "camera is static"),
        ("not camera:static", "camera is not static"),
        ("camera:view_left", "view moves left"),
        ("not camera:view_left", "view does not move left"),
        ("object:moves_left_then_right", "an object moves left then right"),
        ("not object:speeds_up", "an object does not speed up"),
        ("object:none_moves", "no object moves"),
        ("not object:none_moves", "it is not so that no object moves"),
    ],
)
def test_a_claim_is_shown_in_words(code: str, said: str) -> None:
    assert words.claim(code) == said


def test_words_for_a_claim_make_the_same_claim_again() -> None:
    for label in (label for label in CAMERA_LABELS if label != "shake"):
        for code in (f"camera:{label}", f"not camera:{label}"):
            said = words.claim(code).replace("camera", "The camera")
            assert [str(claim) for claim in claims(f"{said}.")] == [code], said


def test_every_number_and_gate_has_a_name_a_unit_and_a_direction() -> None:
    for name in (*CLIP_NUMBERS, *QA_NUMBERS):
        reading = words.READINGS[name]
        assert reading.title
        assert reading.unit
        assert reading.higher
    limited = [(name, title, unit) for name, title, unit in LIMITS]
    limited += [(name, gate.title, gate.unit) for name, gate in ANSWER_LIMITS]
    for name, title, unit in limited:
        reading = words.limited(title, unit, ["piqe"])
        assert reading.unit
        assert "=" in reading.higher
        assert "_" not in words.gate(name, {name: 3})
    for name in GatesConfig.model_fields:
        assert "_" not in words.gate(name, {})


def test_a_gate_says_where_it_stands() -> None:
    assert words.gate("duration_min_s", {"duration_min_s": 1.0}) == "duration, at least 1 s"
    assert words.gate("flow_max", {"flow_max": 0.25}) == "mean flow, at most 0.25"
    assert words.gate("motion_check_required", {}) == "no checkable claim"


@pytest.mark.parametrize(
    ("metrics", "higher"),
    [
        (["piqe"], "lower = better"),
        (["niqe_matlab", "piqe"], "lower = better"),
        (["clipiqa"], "higher = better"),
        (["piqe", "musiq"], "which way is better depends on the metric"),
        ([], "which way is better depends on the metric"),
    ],
)
def test_which_quality_is_better_is_known_from_the_metric(metrics: list[str], higher: str) -> None:
    assert words.quality(metrics).higher == higher
