"""The published files of benchmarks, and what is said of those that are not as published."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import CallError
from pipeline.registry import Registry
from stages.evaluate import benchmark, benchmarks
from stages.evaluate.benchmark import Benchmark, read, split_options


def lines(path: Path, *found: Any) -> Path:
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in found), encoding="utf-8")
    return path


def motionbench(uid: str, answer: str, **more: Any) -> dict[str, Any]:
    question = "Which way does it go? 左\nA. Up\nB. Down\nC. (Left) or right."
    qa = {"uid": uid, "question": question, "answer": answer, "start": None, "end": None}
    return {"video_path": "a.mp4", "question_type": "Camera Motion", "qa": [qa | more], "video_info": {}}


def test_motionbench_options_follow_the_question_and_na_stands_for_an_unpublished_answer(
    tmp_path: Path,
) -> None:
    (tmp_path / "public-dataset").mkdir()
    (tmp_path / "public-dataset/a.mp4").touch()
    file = lines(tmp_path / "video_info.meta.jsonl", motionbench("1", "C"), motionbench("2", "NA", start=1.5))
    first, hidden = read("motionbench", str(file), str(tmp_path))
    assert (first.question, first.options) == ("Which way does it go? 左", ("Up", "Down", "(Left) or right."))
    assert (first.id, first.right, first.category) == ("1", "C", "Camera Motion")
    assert first.video == str(tmp_path / "public-dataset/a.mp4")
    assert first.text.splitlines()[1:] == ["A. Up", "B. Down", "C. (Left) or right."]
    assert (hidden.right, hidden.start_s) == (None, 1.5)


def test_motionbench_options_may_take_several_lines_or_have_a_list_of_their_own(tmp_path: Path) -> None:
    broken = {"question": "Which?\nA. Up\nand away\nB. Down\nthe hill", "answer": "B"}
    apart = {"question": "Which?", "options": ["B", " A"], "answer": "B"}
    row = motionbench("1", "A") | {"qa": [broken, apart]}
    first, second = read("motionbench", str(lines(tmp_path / "q.jsonl", row)), str(tmp_path))
    assert (first.options, first.right) == (("Up and away", "Down the hill"), "B")
    assert (second.question, second.options, second.right) == ("Which?", ("B", "A"), "B"), "a letter, no text"
    assert first.id != second.id, "files made by others may lack the uid"


def test_what_follows_the_options_is_split_off() -> None:
    asked = "Watch it.\nWhich way?\nOptions:\n(A) Up\n(B) Down\n\nOnly give the best option.\n"
    options = ("Up", "Down")
    assert split_options(asked) == ("Watch it.\nWhich way?\nOptions:", options, "Only give the best option.")
    assert split_options("Which way?\nB. Up") == ("Which way?\nB. Up", (), ""), "no A, no options"
    assert split_options("") == ("", (), "")


def test_favor_answers_are_the_texts_of_options(tmp_path: Path) -> None:
    asked = {"question": "Q", "options": ["x", "y"], "correct_answer": "y", "task_type": "CM"}
    swapped = asked | {"options": ["B", "A"], "correct_answer": "B"}
    file = tmp_path / "video_perspective.json"
    file.write_text(json.dumps([{"video_name": "b", "questions": [asked, swapped]}]))
    (tmp_path / "videos/FAVOR-Bench").mkdir(parents=True)
    (tmp_path / "videos/FAVOR-Bench/b.mp4").touch()
    found = read("favor", str(file), str(tmp_path))
    assert [(item.id, item.right) for item in found] == [("b:0", "B"), ("b:1", "A")], "texts, no letters"
    assert found[0].video == str(tmp_path / "videos/FAVOR-Bench/b.mp4")
    file.write_text("{}")
    with pytest.raises(CallError, match="should contain a list of videos"):
        read("favor", str(file), str(tmp_path))
    file.write_text('[{"video_name": "b", "questions": ["x"]}]')
    with pytest.raises(CallError, match="video 1 has no list in 'options'"):
        read("favor", str(file), str(tmp_path))


def test_camerabench_is_a_folder_of_yes_no_questions(tmp_path: Path) -> None:
    row = {"image": "/their/disk/x.0.mp4", "question": "Does the camera pan left?", "label": "Yes"}
    lines(tmp_path / "Pan_Left.jsonl", row, row | {"label": "no"})
    lines(tmp_path / "Static.jsonl", row | {"task": "Static"})
    found = read("camerabench", str(tmp_path), str(tmp_path / "videos"))
    assert [(item.category, item.right) for item in found] == [
        ("Pan Left", "Yes"),
        ("Pan Left", "No"),
        ("Static", "Yes"),
    ]
    assert {item.video for item in found} == {str(tmp_path / "videos/x.0.mp4")}, (
        "a missing one is where it was expected"
    )


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{", "line 1 is not valid JSON"),
        ("[]", "line 1 should be an object"),
        (json.dumps(motionbench("1", "D")), "the answer 'D' is none of 'A', 'B', 'C'"),
        (json.dumps(motionbench("1", "A") | {"qa": 3}), "no list in 'qa'"),
        (json.dumps({"qa": []}), "no text in 'question_type'"),
        (json.dumps(motionbench("1", "A", start="0:01")), "start should be a time in seconds, not '0:01'"),
        (json.dumps(motionbench("1", "A", start=float("nan"))), "start should be a time in seconds, not nan"),
        (json.dumps(motionbench("1", "A", end=-1)), "end should be a time in seconds, not -1"),
        (json.dumps(motionbench("1", "A", start=3, end=2)), "the part of question 1 ends before it starts"),
        pytest.param("[" * 200_000, "line 1 is not valid JSON", id="deep"),
        ("", "has no questions"),
    ],
)
def test_a_file_that_is_not_as_published_is_refused_with_the_line(
    tmp_path: Path, row: str, says: str
) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(row)
    with pytest.raises(CallError, match=says):
        read("motionbench", str(file), str(tmp_path))
    with pytest.raises(CallError, match="cannot read"):
        read("motionbench", str(tmp_path / "none"), str(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_questions_of_any_encoding_end_at_newlines_alone(tmp_path: Path, encoding: str) -> None:
    odd = "é" if encoding == "latin-1" else "é\u2028\x85"
    rows = [motionbench(uid, "A", question=f"Where{odd}to?\nA. Here{odd}\nB. There") for uid in ("007", 7, 0)]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "q.jsonl").write_bytes(text.encode(encoding))
    found = read("motionbench", str(tmp_path / "q.jsonl"), str(tmp_path))
    assert [item.id for item in found] == ["007", "7", "0"]
    assert found[0].question == f"Where{odd}to?"
    assert found[0].options[1] == "There"


def test_two_questions_with_one_id_are_refused(tmp_path: Path) -> None:
    file = lines(tmp_path / "q.jsonl", motionbench("7", "A"), motionbench("7", "B"))
    with pytest.raises(CallError, match="two questions with the id 7"):
        read("motionbench", str(file), str(tmp_path))


PLUG_IN = """
from stages.evaluate.benchmark import Benchmark, BenchmarkQuestion, get_text, read_jsonl

class Mine(Benchmark):
    name = "mine"
    help = "a question per line"
    folders = ("clips",)

    def read(self, path, find):
        for where, row in read_jsonl(path):
            yield BenchmarkQuestion(where, find(get_text(row, "clip", where)), "Q?", (), "Yes", "all")
"""


def test_a_new_benchmark_is_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine.py").write_text(PLUG_IN)
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path / "folder")])
    registry = Registry("benchmark", benchmarks.__name__, Benchmark)
    monkeypatch.setattr(benchmark, "BENCHMARKS", registry)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.mp4").touch()
    (found,) = read("mine", str(lines(tmp_path / "q.jsonl", {"clip": "a"})), str(tmp_path))
    assert found.video == str(tmp_path / "clips/a.mp4")
    assert {"mine", "motionbench"} <= set(registry.names)
    del sys.modules[f"{benchmarks.__name__}.mine"]


def test_an_unknown_benchmark_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="did you mean 'motionbench'"):
        read("motionbnech", str(tmp_path), str(tmp_path))


def test_every_benchmark_says_what_it_is_in_one_line() -> None:
    for each in benchmark.BENCHMARKS:
        assert each.help.strip()
        assert "\n" not in each.help
