"""One video, one question, no workspace."""

from pathlib import Path

import cv2
import pytest

from stages.demo.recipe import Camera, Mover, Recipe
from stages.demo.render import render
from stages.motionsight.prompt import VISUAL_PROMPTS
from tests import videos
from tests.chat_server import Endpoint, completion
from tests.cli import UNUSED_MODELS, motionsight, sets


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ask") / "a clip.mp4"
    mover = Mover((-0.12, 0.0), 0.25, "cup")
    render(Recipe("a", "astronaut", Camera(tilt=0.1), (mover,), width=320, height=240), path)
    return path


@pytest.mark.parametrize(
    ("question", "category", "said"),
    [
        ("How does the camera move?", "camera", ("view", "down")),
        ("Which way does the cup go?", "object", ("to the left",)),
        ("How do the camera and the cup move?", "both", ("down", "to the left")),
    ],
)
def test_the_answer_is_on_standard_output_and_what_led_to_it_beside(
    clip: Path, question: str, category: str, said: tuple[str, ...]
) -> None:
    run = motionsight("ask", clip, question, *UNUSED_MODELS)
    assert run.returncode == 0, run.stderr
    assert all(word in run.stdout for word in said), run.stdout
    assert f"about {category}" in run.stderr
    for step in ("decode", "measure", "refer", "focus", "enhance", "answer", "tokens"):
        assert step in run.stderr


def test_without_a_model_it_says_yes_or_no_or_that_it_tells_of_motion(clip: Path) -> None:
    for question, first in (
        ("Does the camera tilt down?", "Yes, "),
        ("Does the camera tilt up?", "No, "),
        ("What colour is the cup?", "This tool tells of motion"),
    ):
        run = motionsight("ask", clip, question)
        assert run.returncode == 0
        assert run.stdout.startswith(first), run.stdout


def test_a_model_is_told_to_answer_in_the_language_of_the_question(clip: Path) -> None:
    with Endpoint() as server:
        model = sets(f"mllm={{backend: openai, base_url: '{server.url}', model: m}}")
        run = motionsight("ask", clip, "Comment bouge la caméra ?", *model)
    assert run.returncode == 0, run.stderr
    told = server.bodies[-1]["messages"][0]["content"][-1]["text"]
    assert "in the language of the question" in told
    assert "this tool tells of motion" in told
    assert "trails" in told  # it is about the camera


@pytest.mark.parametrize("prompt", VISUAL_PROMPTS)
def test_the_frames_that_the_model_saw_are_saved(clip: Path, tmp_path: Path, prompt: str) -> None:
    run = motionsight(
        "ask", clip, "Which way does the cup go?", "--prompt", prompt, "--save-prompt", tmp_path / "seen"
    )
    assert run.returncode == 0, run.stderr
    files = sorted(path.name for path in (tmp_path / "seen").iterdir())
    assert len(files) == 17
    assert files[-1] == "sheet.png"
    height, width = cv2.imread(str(tmp_path / "seen" / files[0])).shape[:2]
    assert (width < 320) if prompt == "crop" else ((width, height) == (320, 240))


def test_a_question_about_both_is_shown_both_ways(clip: Path, tmp_path: Path) -> None:
    run = motionsight("ask", clip, "How do the camera and the cup move?", "--save-prompt", tmp_path)
    assert "spotlight, motion_blur" in run.stderr
    assert len(list(tmp_path.glob("*s.png"))) == 32


def test_a_wrong_call_is_one_line(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for arguments, told in (
        ((tmp_path / "gone.mp4", "What?"), "missing_file"),
        ((tmp_path / "text.mp4", "What?"), "not_a_video"),
        ((clip, " "), "empty"),
        ((videos.__file__, "What?"), "not_a_video"),
    ):
        run = motionsight("ask", *arguments)
        assert run.returncode == 2
        assert told in run.stderr
        assert len(run.stderr.strip().splitlines()) == 1


def test_at_the_ceiling_there_is_no_answer_and_it_says_so(clip: Path) -> None:
    with Endpoint() as server:
        server.answer = lambda prompt, attempt: completion("")  # type: ignore[method-assign]
        model = sets(f"mllm={{backend: openai, base_url: '{server.url}', model: m}}", "mllm.max_requests=2")
        run = motionsight("ask", clip, "How does the camera move?", *model)
    assert (run.returncode, run.stdout, len(server.bodies)) == (3, "", 2)
    (line,) = run.stderr.strip().splitlines()
    assert line == "ask: the ceiling is reached: 2 of mllm.max_requests=2 spent, without an answer"
