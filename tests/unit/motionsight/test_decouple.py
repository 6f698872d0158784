"""What a question is about, by its words. The questions were written apart from the rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.annotate.questions import BANK
from stages.models.protocols import Category
from stages.motionsight.decouple import bare, decouple

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


FAVOR = (
    "Carefully watch the video and pay attention to temporal dynamics in this video, focusing on the camera"
    " motions, actions, activities, and interactions. Based on your observations, select the best option that"
    " accurately addresses the question.\n{}\n"
    "You can only response with the answer among ['The camera pans', 'He runs.']"
)
MVBENCH = (
    "Carefully watch the video and pay attention to the cause and sequence of events, the detail and movement"
    " of objects, and the action and pose of persons. Based on your observations, select the best option that"
    " accurately addresses the question.\nQuestion: {}\nOptions:\n(A) The man\n(B) The camera\n"
    "Only give the best option."
)
TOMATO = (
    "You will be provided with 16 separate frames uniformly sampled from a video. Analyze these frames and"
    " provide the answer to the question about the video content.\n\n<question> \n{} \n</question>\n\n"
    "<options> \n{{'A': 'The camera'}} \n</options>\n\nEven if the information is not enough, GUESS."
)
VIDEOMME = (
    "Select the best answer to the following multiple-choice question based on the video. Respond with only"
    " the letter (A, B, C, or D) of the correct option.\n{}\nA. The camera.\nB. The man.\nThe best answer is:"
)
SHORT = "{}\nA. The camera\nB. The man\nAnswer with the option's letter from the given choices directly."
YES_NO = "{} Please only answer Yes or No."


@pytest.mark.parametrize("form", ["{}", FAVOR, MVBENCH, TOMATO, VIDEOMME, SHORT, YES_NO])
@pytest.mark.parametrize(("category", "asked"), ASKED.items())
def test_what_a_benchmark_puts_around_a_question_does_not_change_what_it_is_about(
    form: str, category: Category, asked: tuple[str, ...]
) -> None:
    for question in asked:
        assert bare(form.format(question)) == question
        assert decouple(form.format(question)) == category


def test_a_text_without_instructions_or_with_nothing_else_is_taken_whole() -> None:
    for text in (
        "The man runs to the left. How does the camera move?",
        "Watch the video and tell me how the camera moves.",
        "Describe the motion of the camera. Then describe what the people do.",
        "Select the best answer.",
        "Please describe how the camera moves in this video",
        "",
    ):
        assert bare(text) == text
