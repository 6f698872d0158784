"""The saved replies of one run, judged by every protocol."""

import json
from typing import Any

from stages.evaluate.question import BenchmarkQuestion
from stages.evaluate.rejudge import Run, comparison, leaderboard, rejudge

OPTIONS = ("Left", "Right")


def run(benchmark: str, *right: str | None) -> Run:
    questions = tuple(
        BenchmarkQuestion(f"v{k // 2}:{k}", f"/d/v{k}.mp4", "Which way?", OPTIONS, letter, "CM")
        for k, letter in enumerate(right)
    )
    return Run(benchmark, "strict", "some/model: 7B", questions)


def replies(made: Run, *said: str, scores: tuple[float, ...] = ()) -> list[dict[str, Any]]:
    return [
        {"answers": [{"id": one.id, "answer": text, "letter": None, "score": score, "error": None}]}
        for one, text, score in zip(made.questions, said, scores or [None] * len(said), strict=False)
    ]


def test_a_run_is_judged_by_every_protocol_of_its_benchmark() -> None:
    made = run("motionbench", "A", "B", None)
    found = rejudge(made, replies(made, "The answer is A.", "B", "A"))
    overall = {name: one["accuracy"]["overall"] for name, one in found.items()}
    assert overall == {"strict": 1.0, "official": 0.5, "lmms_eval": 1.0, "motionsight": 1.0}
    assert {name: one["unclear"] for name, one in found.items()}["official"] == 1
    assert found["official"]["accuracy"]["low"] == 0.0
    assert found["strict"]["accuracy"]["low"] == 1.0
    table = comparison(found)
    assert "| official | accuracy | 50.0 | 50.0 | 0.0 to 100.0 | 2 | 1 | 0 |" in table
    assert Run.of_json(made.to_json()) == made


def test_the_leaderboards_files_are_those_that_the_authors_scripts_read() -> None:
    made = run("motionbench", "A", "B", None)
    (text,) = leaderboard(made, replies(made, "The answer is A.", "I cannot tell")).values()
    assert json.loads(text) == {"v0:0": "A", "v0:1": ""}, "the last was never answered"

    made = run("favor", "A", "B", "B")
    ((name, text),) = leaderboard(made, replies(made, "left", "A", "Right")).items()
    assert name == "some_model_7B.jsonl"
    first, second = (json.loads(line) for line in text.splitlines())
    assert [one["judge"] for one in first["v0"]] == [True, False]
    assert second["v1"] == [{"task_type": "CM", "correct_answer": "Right", "output": "Right", "judge": True}]

    made = run("tvbench", "A")
    (text,) = leaderboard(made, replies(made, "A) Left")).values()
    assert json.loads(text) == {
        "acc_dict": {"CM": [1, 1]},
        "res_list": [{"pred": "(A) Left", "gt": "(A) Left"}],
    }

    made = run("tomato", "A")
    ((name, text),) = leaderboard(made, replies(made, "A")).items()
    assert name == "results/v0/16/some_model_7B.jsonl"
    assert json.loads(text)["gt"] == "A. Left"

    yes = BenchmarkQuestion("Pan_Left:1", "/d/a.mp4", "Does it?", (), "Yes", "Pan Left")
    made = Run("camerabench", "strict", "m", (yes, BenchmarkQuestion(**vars(yes) | {"id": "Pan_Left:2"})))
    ((name, text),) = leaderboard(made, replies(made, "Yes", scores=(0.75,))).items()
    assert name == "classification_scores_m_Pan_Left.json"
    scores = json.loads(text)["scores"]
    assert [(one["score"], one["error"]) for one in scores] == [(0.75, None), (0.0, "no score")]
    assert scores[0]["video_path"] == "a.mp4"
