"""What a question is about, by its words. The questions were written apart from the rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.annotate.questions import BANK
from stages.models.protocols import Category
from stages.motionsight.decouple import decouple

ASKED: dict[Category, tuple[str, ...]] = {
    "object": (
        "What is the woman in red doing with her hands?",
        "In which direction does the truck drive?",
        "How many push-ups does he do?",
        "Does the ball bounce before it is caught?",
        "Which of the two dancers spins first?",
        "What happens after the door opens?",
        "Is the dog running or walking?",
        "Do the birds take off to the left?",
        "Describe what the children do.",
        "How quickly does the boat turn?",
        "Which hand lifts the cup?",
        "Does anybody enter the room?",
        "Where does the cat jump to?",
        "What moves?",
        "Does the man turn around?",
        "Why does the crowd move back?",
        "Is the machine rotating clockwise?",
        "Does the player shoot the ball into the net?",
        "What does the chef put into the pan?",
        "Does she tilt her head?",
        "Which way is the woman walking?",
        "What is the dog doing?",
        "How many times does the man raise his arm?",
        "What happens to the ball after it bounces?",
        "In what order do the actions occur?",
        "Who moves first?",
        "What direction do the waves roll in?",
        "How does the train travel?",
        "Speed?",
    ),
    "camera": (
        "Does the camera zoom in?",
        "Is the camera moving?",
        "What kind of camera movement is this?",
        "Is this a handheld shot?",
        "Does the view move forward or backward?",
        "How does the viewpoint change?",
        "Is it a pan or a tilt?",
        "Does the frame move to the left?",
        "Was a tripod used?",
        "Do we zoom out at the end?",
        "In what direction does the shot pan?",
        "Is the footage stable?",
        "Which technique does the cinematographer use?",
        "Is there a dolly shot?",
        "How shaky is the recording?",
        "Does the perspective rotate?",
        "Is there any panning?",
        "Does the framing stay the same?",
        "Is the camera panning?",
        "Was this filmed from a moving vantage?",
        "Does the shot tilt upwards at the end?",
        "Is the footage shaky?",
        "Does the lens zoom towards the building?",
        "Is there a dolly move?",
        "Is the tripod steady?",
        "What does the person behind the camera do?",
    ),
    "both": (
        "Does the car turn left while we zoom in?",
        "Does the camera follow the runner?",
        "When the dog jumps, does the shot tilt up?",
        "How do the camera and the people move?",
        "Is the camera moving faster than the train?",
        "While the camera pans, what does the boy do?",
        "Do the objects move, or is it only the camera?",
        "As the viewpoint rises, do the cars stop?",
        "Does the view zoom out when the players run?",
        "Is it the person or the camera that turns?",
        "Does the red car turn left while we zoom in?",
        "Do the players run faster than the camera pans?",
        "Is it a tracking shot that follows the cyclist's bike?",
        "Does the viewpoint rise above the crowd?",
        "How do the camera and the cup move?",
        "How do the kite and the camera move?",
        "Does the camera follow the mower?",
    ),
}


@pytest.mark.parametrize(
    ("question", "category"), [(text, category) for category, texts in ASKED.items() for text in texts]
)
def test_a_question_is_about_what_its_words_name(question: str, category: Category) -> None:
    assert decouple(question) == category


def test_the_camera_is_known_in_other_languages() -> None:
    for question in (
        "Comment bouge la caméra ?",
        "Wie bewegt sich die Kamera?",
        "相机在动吗",
        "カメラはどう動くか",
    ):
        assert decouple(question) == "camera"
    assert decouple("Was bewegt sich?") == "object"


@pytest.mark.parametrize("category", BANK)
def test_the_bank_is_decoupled_as_it_is_sorted(category: Category) -> None:
    assert {text: decouple(text) for text in BANK[category]} == dict.fromkeys(BANK[category], category)


@given(st.text())
def test_whatever_is_asked_has_a_category(question: str) -> None:
    assert decouple(question) in ("object", "camera", "both")
    assert decouple(question.upper()) == decouple(question.upper().strip())
