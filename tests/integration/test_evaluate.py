"""`motionsight evaluate` on rendered clips whose camera motion is known, and against a model over HTTP."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.demo.demo_clips import recipes
from stages.demo.render import render
from stages.evaluate.benchmark import BENCHMARKS, protocol_of, read
from stages.evaluate.stage import Clip, predict, to_ask, with_prompt
from stages.motionsight.service import MotionSight
from stages.motionsight.settings import MotionSightConfig
from tests.chat_server import Endpoint, completion
from tests.cli import UNUSED_MODELS, motionsight
from tests.videos import SHARED

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SAID = {
    "static": "The camera stays still",
    "pan_left": "Pan left",
    "pan_right": "It pans to the right",
    "tilt_up": "Tilting upward",
    "tilt_down": "Tilt down",
    "zoom_in": "The camera zooms in",
    "zoom_out": "Zooming out",
    "roll_clockwise": "A clockwise roll",
    "roll_counterclockwise": "A counterclockwise roll",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as MotionBench has it: demo clips, a missing video, a hidden answer."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "public-dataset").mkdir()
    labels, found = list(SAID), []
    for recipe in recipes()[::3]:
        if len(recipe.camera_labels) != 1 or recipe.camera_labels[0] not in SAID:
            continue
        render(recipe, folder / f"public-dataset/{recipe.name}.mp4")
        right = recipe.camera_labels[0]
        at = labels.index(right)
        others = [labels[(at + k) % len(labels)] for k in (1, 3, 6)]
        place = len(found) % 4
        options = [SAID[label] for label in (*others[:place], right, *others[place:])]
        text = "\n".join(["How does the camera move?", *map("{}. {}".format, "ABCD", options)])
        qa = [{"uid": str(len(found)), "question": text, "answer": "ABCD"[place]}]
        found.append({"video_path": f"{recipe.name}.mp4", "question_type": "Camera Motion", "qa": qa})
    text = "Which way does the person move?\nA. To the left\nB. To the right"
    gone = [{"uid": "gone", "question": text, "answer": "A"}]
    found.append({"video_path": "gone.mp4", "question_type": "Action Order", "qa": gone})
    if SHARED.is_dir():
        hidden = [{"uid": "hidden", "question": text, "answer": "NA"}]
        clip = sorted(SHARED.glob("*.mp4"))[0]
        found.append({"video_path": str(clip), "question_type": "Motion Recognition", "qa": hidden})
    path = folder / "video_info.meta.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in found))
    return folder


def arguments(bench: Path, out: Path, *prompts: str) -> list[object]:
    named = [word for prompt in prompts for word in ("--prompt", prompt)]
    file = bench / "video_info.meta.jsonl"
    return [
        "-b",
        "motionbench",
        "-q",
        file,
        "--videos",
        bench,
        "-o",
        out,
        "-s",
        "max_failed_share=0.5",
        *named,
        *UNUSED_MODELS,
    ]


def test_measured_motion_answers_camera_questions_and_the_prompts_differ(bench: Path, tmp_path: Path) -> None:
    told = motionsight("evaluate", *arguments(bench, tmp_path, "none", "motionsight"))
    assert told.returncode == 0, told.stderr
    results = json.loads((tmp_path / "results.json").read_text())["prompts"]
    camera = {name: one["accuracy"]["categories"]["Camera Motion"] for name, one in results.items()}
    assert camera["motionsight"] >= 0.9
    assert camera["none"] < 0.75
    assert {one["failed"] for one in results.values()} == {1}, "the missing video"
    assert results["none"]["accuracy"]["categories"]["Action Order"] == 0.0
    assert "| kinematic, motionsight |" in (tmp_path / "results.md").read_text()
    answers = json.loads((tmp_path / "motionsight/answers.json").read_text())
    assert answers["gone"]["error"] == "missing_file"
    submission = json.loads((tmp_path / "motionsight/submission.json").read_text())
    assert submission.keys() == answers.keys()
    if SHARED.is_dir():
        assert answers["hidden"]["right"] is None

    again = motionsight("evaluate", *arguments(bench, tmp_path, "motionsight"))
    assert "clips done" not in again.stderr, "nothing is asked twice"
    dry = motionsight("evaluate", *arguments(bench, tmp_path, "motionsight", "crop"), "--dry-run")
    assert "motionsight: 0 clips to ask about" in dry.stderr
    assert "crop: 0 clips" not in dry.stderr
    judged = motionsight("evaluate", "-o", tmp_path / "motionsight", "--rejudge")
    assert judged.returncode == 0, judged.stderr
    for protocol in ("strict", "official", "lmms_eval", "motionsight"):
        assert f"| {protocol} | accuracy |" in judged.stdout
    found = json.loads((tmp_path / "motionsight/rejudged.json").read_text())
    assert found["strict"]["accuracy"]["overall"] == results["motionsight"]["accuracy"]["overall"]
    letters = json.loads((tmp_path / "motionsight/leaderboard/submission.json").read_text())
    assert letters.keys() == answers.keys() - {"gone"}, "what failed is not handed in"
    (tmp_path / "motionsight/questions.json").unlink()  # as a run of an older version has left it
    refused = motionsight("evaluate", "-o", tmp_path / "motionsight", "--rejudge")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    source = arguments(bench, tmp_path / "motionsight")
    older = motionsight("evaluate", *source, "--rejudge")
    assert older.stdout.splitlines()[:6] == judged.stdout.splitlines()[:6]
    compared = motionsight("evaluate", "-o", tmp_path / "none", "--compare", tmp_path / "motionsight")
    assert compared.returncode == 0
    assert "| overall |" in compared.stdout
    refused = motionsight("evaluate", *arguments(bench, tmp_path, "motionsight"), "-s", "decode.fps=4")
    assert refused.returncode == 2
    assert "made with other settings: decode.fps was 8.0, is now 4.0" in refused.stderr


class AlwaysA(Endpoint):
    def answer(self, prompt: str, attempt: int) -> Any:
        return completion("A")


@pytest.fixture
def always_a() -> Iterator[Endpoint]:
    with AlwaysA() as server:
        yield server


def test_a_model_that_always_answers_a_scores_the_share_of_a(
    always_a: Endpoint, bench: Path, tmp_path: Path
) -> None:
    model = ["-s", f"mllm={{backend: openai, base_url: '{always_a.url}', model: a}}"]
    ceiling = ["-s", "mllm.max_requests=3"]
    told = motionsight("evaluate", *arguments(bench, tmp_path, "none"), *model, *ceiling, "--limit", 8)
    assert (told.returncode, len(always_a.bodies)) == (3, 3)
    assert "3 of mllm.max_requests=3 spent, 5 clips left; finished clips are kept" in told.stderr
    always_a.delay_s = lambda prompt: 0.5
    told = motionsight("evaluate", *arguments(bench, tmp_path, "none"), *model, "--limit", 8)
    assert told.returncode == 0, told.stderr
    assert always_a.most_in_flight > 1
    lines = (bench / "video_info.meta.jsonl").read_text().splitlines()
    right = [json.loads(line)["qa"][0]["answer"] for line in lines[:8]]
    result = json.loads((tmp_path / "results.json").read_text())["prompts"]["none"]
    assert result["accuracy"]["overall"] == pytest.approx(right.count("A") / 8)
    assert result["unclear"] == 0
    prompts = [body["messages"][0]["content"][-1]["text"] for body in always_a.bodies]
    assert len(prompts) == 8, "one call for a question"
    rest = motionsight("evaluate", *arguments(bench, tmp_path, "none"), *model, "--dry-run")
    assert f"none: {len(lines) - 8} clips to ask about, 8 already done" in rest.stderr
    assert all("letter of the right option" in prompt and "\nA. " in prompt for prompt in prompts)


def test_a_published_prompt_is_put_as_it_is_and_enhanced_frames_are_explained_before_it(
    always_a: Endpoint, bench: Path
) -> None:
    """In this process, without Ray."""
    model = {"backend": "openai", "base_url": always_a.url, "model": "a"}
    config = MotionSightConfig.model_validate({"mllm": model})
    (item,) = read("motionbench", str(bench / "video_info.meta.jsonl"), str(bench))[:1]
    (other,) = to_ask([replace(item, category="Repetition Count")], protocol_of("motionbench", "motionsight"))
    for prompt, one, protocol in (
        ("none", item, "lmms_eval"),
        ("motionsight", item, "lmms_eval"),
        ("motionsight", other, "motionsight"),
    ):
        motionsight = MotionSight(with_prompt(config, prompt))  # type: ignore[type-var]
        (answer,), _ = predict(motionsight, Clip(one.video), [one], [0], protocol_of("motionbench", protocol))
        assert answer["letter"] == "A"
    plain, blurred, cropped = [body["messages"][0]["content"][-1]["text"] for body in always_a.bodies]
    assert plain.startswith("How does the camera move?\nA. ")
    assert plain.endswith("\nAnswer with only the option letter (A, B, C, D, E, or F).")
    assert "trails of the static background" in blurred
    assert blurred.endswith(plain)
    assert "cut out of the whole picture" in cropped, "an object question, by its label"


def test_camerabench_is_scored_by_average_precision(tmp_path: Path) -> None:
    questions = {
        "Pan_Left": ("Does the camera pan to the left?", "pan_left"),
        "Static": ("Is the camera completely still?", "static"),
    }
    (tmp_path / "videos").mkdir()
    picked = [it for it in recipes() if it.camera_labels in (("pan_left",), ("static",), ("zoom_in",))][:6]
    for recipe in picked:
        render(recipe, tmp_path / f"videos/{recipe.name}.mp4")
    (tmp_path / "q").mkdir()
    for name, (question, label) in questions.items():
        rows = [
            {
                "image": f"/elsewhere/{recipe.name}.mp4",
                "question": question,
                "label": "Yes" if label in recipe.camera_labels else "No",
                "task": name,
            }
            for recipe in picked
        ]
        (tmp_path / f"q/{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    out = tmp_path / "out"
    told = motionsight(
        "evaluate", "-b", "camerabench", "-q", tmp_path / "q", "--videos", tmp_path / "videos", "-o", out
    )
    assert told.returncode == 0, told.stderr
    result = json.loads((out / "results.json").read_text())["prompts"]["motionsight"]
    assert result["average_precision"]["average"] > 0.9 > result["chance"]["average"]
    assert "Average precision" in (out / "results.md").read_text()


def test_a_call_that_makes_no_sense_is_refused_in_one_line(tmp_path: Path) -> None:
    told = motionsight("evaluate", "-o", tmp_path)
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    unknown = motionsight(
        "evaluate", "-b", "camarabench", "-q", tmp_path, "--videos", tmp_path, "-o", tmp_path
    )
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "did you mean 'camerabench'? (there are: camerabench, favor, motionbench, " in unknown.stderr
    wrong = motionsight(
        "evaluate",
        "-b",
        "favor",
        "-q",
        tmp_path / "x",
        "--videos",
        tmp_path,
        "-o",
        tmp_path,
        "--prompt",
        "blur",
    )
    assert wrong.returncode == 2
    assert "choose from none, spotlight" in wrong.stderr


def test_the_help_says_which_benchmarks_there_are() -> None:
    told = motionsight("evaluate", "--help")
    assert told.returncode == 0
    words = " ".join(told.stdout.replace("│", " ").split())
    for benchmark in BENCHMARKS:
        assert f"{benchmark.name} (" in words
