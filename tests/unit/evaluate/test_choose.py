"""Measured motion chooses between options, or says that it cannot."""

from filters.evidence import CameraMotion, Evidence
from stages.evaluate.choose import choose, probability

OPTIONS = ("Pan left", "Pan right", "Zoom in", "Static")
LEFT = Evidence(480, 320, 3.0, CameraMotion(("pan_left",), pan=-0.2))


HOW = "How does the camera move?"


def test_the_option_that_the_measurements_support_is_chosen() -> None:
    assert choose(HOW, OPTIONS, LEFT) == "A"
    assert choose(HOW, ("Zooms in and pans left", "Pans left"), LEFT) == "B", "A is half contradicted"
    assert choose(HOW, ("Pan right", "Static", "It spins"), LEFT) == "C", "the others are contradicted"


def test_an_option_of_one_word_is_about_what_the_question_is_about() -> None:
    assert choose("Which way does the camera pan?", ("right", "left"), LEFT) == "B"


def test_nothing_is_chosen_where_the_measurements_do_not_decide() -> None:
    assert choose(HOW, ("A red car", "A blue car"), LEFT) is None, "nothing to judge"
    assert choose(HOW, ("Pans left", "It pans to the left"), LEFT) is None, "both are right"
    assert choose(HOW, OPTIONS, Evidence(480, 320, 3.0, CameraMotion(()))) is None, "nothing measured"


def test_a_yes_no_question_gets_the_share_of_its_claims_that_is_supported() -> None:
    assert probability("Does the camera pan to the left?", LEFT) == 1.0
    assert probability("Is the camera completely still?", LEFT) == 0.0
    assert probability("What is this?", LEFT) is None
