import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.evidence import CameraMotion, Evidence
from pipeline.errors import CallError
from stages.evaluate.benchmarks import LETTERS, Item, read, split_options
from stages.evaluate.choose import choose, probability
from stages.evaluate.parse import letter, yes_or_no
from stages.evaluate.predict import rows, visible
from stages.evaluate.results import answered, average_precision, compare, markdown, summary

OPTIONS = ("Pan left", "Pan right", "Zoom in", "Static")


def lines(path: Path, *found: Any) -> Path:
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in found), encoding="utf-8")
    return path


def motionbench(uid: str, answer: str, **more: Any) -> dict[str, Any]:
    question = "Which way does it go? 左\nA. Up\nB. Down\nC. (Left) or right."
    qa = {"uid": uid, "question": question, "answer": answer, "start": None, "end": None}
    return {"video_path": "a.mp4", "question_type": "Camera Motion", "qa": [qa | more], "video_info": {}}


def test_motionbench_options_stand_in_the_question_and_na_hides_the_answer(tmp_path: Path) -> None:
    (tmp_path / "public-dataset").mkdir()
    (tmp_path / "public-dataset/a.mp4").touch()
    file = lines(tmp_path / "video_info.meta.jsonl", motionbench("1", "C"), motionbench("2", "NA", start=1.5))
    first, hidden = read("motionbench", str(file), str(tmp_path))
    assert (first.question, first.options) == ("Which way does it go? 左", ("Up", "Down", "(Left) or right."))
    assert (first.id, first.right, first.category) == ("1", "C", "Camera Motion")
    assert first.video == str(tmp_path / "public-dataset/a.mp4")
    assert first.text.splitlines()[1:] == ["A. Up", "B. Down", "C. (Left) or right."]
    assert (hidden.right, hidden.start_s) == (None, 1.5)


def test_motionbench_options_may_take_several_lines_or_stand_apart(tmp_path: Path) -> None:
    broken = {"question": "Which?\nA. Up\nand away\nB. Down\nthe hill", "answer": "B"}
    apart = {"question": "Which?", "options": ["B", " A"], "answer": "B"}
    row = motionbench("1", "A") | {"qa": [broken, apart]}
    first, second = read("motionbench", str(lines(tmp_path / "q.jsonl", row)), str(tmp_path))
    assert (first.options, first.right) == (("Up and away", "Down the hill"), "B")
    assert (second.question, second.options, second.right) == ("Which?", ("B", "A"), "B"), "a letter, no text"
    assert first.id != second.id, "the files of others may have no uid"


def test_what_stands_below_the_options_is_how_to_answer() -> None:
    asked = "Watch it.\nWhich way?\nOptions:\n(A) Up\n(B) Down\n\nOnly give the best option.\n"
    options = ("Up", "Down")
    assert split_options(asked) == ("Watch it.\nWhich way?\nOptions:", options, "Only give the best option.")
    assert split_options("Which way?\nB. Up") == ("Which way?\nB. Up", (), ""), "no A, no options"
    assert split_options("") == ("", (), "")


def test_favor_answers_are_texts_of_options(tmp_path: Path) -> None:
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
    with pytest.raises(CallError, match="should hold a list of videos"):
        read("favor", str(file), str(tmp_path))
    file.write_text('[{"video_name": "b", "questions": ["x"]}]')
    with pytest.raises(CallError, match="video 1 has no list in 'options'"):
        read("favor", str(file), str(tmp_path))


def test_camerabench_is_a_folder_of_yes_and_no(tmp_path: Path) -> None:
    row = {"image": "/their/disk/x.0.mp4", "question": "Does the camera pan left?", "label": "Yes"}
    lines(tmp_path / "Pan_Left.jsonl", row, row | {"label": "no"})
    lines(tmp_path / "Static.jsonl", row | {"task": "Static"})
    found = read("camerabench", str(tmp_path), str(tmp_path / "videos"))
    assert [(item.category, item.right) for item in found] == [
        ("Pan Left", "Yes"),
        ("Pan Left", "No"),
        ("Static", "Yes"),
    ]
    assert {item.video for item in found} == {str(tmp_path / "videos/x.0.mp4")}, "named where it would be"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "line 1 is not valid JSON"),
        ("[]", "line 1 should hold an object"),
        (json.dumps(motionbench("1", "D")), "the answer 'D' is none of its 3 options"),
        (json.dumps(motionbench("1", "A") | {"qa": 3}), "no list in 'qa'"),
        (json.dumps({"qa": []}), "no text in 'question_type'"),
        (json.dumps(motionbench("1", "A", start="0:01")), "start should be a time in seconds, not '0:01'"),
        ("", "has no questions"),
    ],
)
def test_a_file_that_is_not_as_published_is_refused_with_its_line(
    tmp_path: Path, row: str, told: str
) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(row)
    with pytest.raises(CallError, match=told):
        read("motionbench", str(file), str(tmp_path))
    with pytest.raises(CallError, match="cannot read"):
        read("motionbench", str(tmp_path / "none"), str(tmp_path))


@pytest.mark.parametrize(
    ("reply", "chosen"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("B.", "B"),
        ("**B**", "B"),
        ("Answer: B", "B"),
        ("The correct answer is (B).", "B"),
        ("Answer: B. Pan right", "B"),
        ("Answer: B, as the trees go left", "B"),
        ("Answer: B. Pan left", None),
        ("B. Pan right", "B"),
        ("pan right.", "B"),
        ("The camera moves.\nAnswer: C", "C"),
        ("C\nbecause the edges grow", "C"),
        ("It is option D, I think", None),
        ("A or B", None),
        ("B. Pan left", None),
        ("The camera pans right", None),
        ("A man walks", None),
        ("E", None),
        ("", None),
        ("\n \n", None),
        ("Either", None),
    ],
)
def test_a_letter_is_read_strictly(reply: str, chosen: str | None) -> None:
    assert letter(reply, OPTIONS) == chosen


def test_yes_and_no_are_read_at_the_beginning() -> None:
    assert [yes_or_no(text) for text in ("Yes.", " no, it", "Not", "It is yes", "")] == [
        "Yes",
        "No",
        None,
        None,
        None,
    ]


def item(name: str, right: str | None, category: str = "CM", options: tuple[str, ...] = OPTIONS) -> Item:
    return Item(name, "v.mp4", "Q?", options, right, category)


def given_letters(items: list[Item], letters: list[str | None]) -> list[dict[str, Any]]:
    answers = [
        {"id": it.id, "answer": "", "letter": one, "score": None, "error": None}
        for it, one in zip(items, letters, strict=True)
    ]
    return [{"answers": answers}]


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from(["x", "y", "z"])), min_size=1))
def test_who_always_answers_a_is_as_good_as_the_share_of_a(asked: list[tuple[str, str]]) -> None:
    items = [item(str(k), right, category) for k, (right, category) in enumerate(asked)]
    told = summary(items, answered(items, given_letters(items, ["A"] * len(items))))
    assert told["accuracy"]["overall"] == pytest.approx(np.mean([right == "A" for right, _ in asked]))
    for name, share in told["accuracy"]["categories"].items():
        assert share == pytest.approx(
            np.mean([right == "A" for right, category in asked if category == name])
        )
    assert told["accuracy"]["average"] == pytest.approx(np.mean([*told["accuracy"]["categories"].values()]))


def test_hidden_answers_are_not_scored_and_unread_or_missing_ones_are_wrong() -> None:
    items = [item("1", "A"), item("2", None), item("3", "A"), item("4", "B", "MR"), item("5", None, "AO")]
    answers = answered(items, given_letters(items[:4], ["A", "A", None, "B"]))
    told = summary(items, answers)
    assert [answers[it.id]["right"] for it in items] == [True, None, False, True, None]
    assert (told["questions"], told["hidden"], told["unclear"]) == (5, 2, 2)
    assert told["accuracy"]["categories"] == {"CM": 0.5, "MR": 1.0, "AO": None}
    table = markdown({"a | b": told})
    assert "| a / b | 50.0 | 100.0 | - | 75.0 | 66.7 | 3 | 2 | 0 |" in table


def test_average_precision_is_that_of_the_definition() -> None:
    assert average_precision([(True, 0.9), (False, 0.8), (True, 0.7)]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([(False, 0.9), (False, None)]) is None
    assert average_precision([(True, None), (False, 0.1)]) == pytest.approx(0.5)


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_equal_scores_give_the_average_precision_of_chance(positive: list[bool]) -> None:
    found = average_precision([(yes, 0.5) for yes in positive])
    assert found == (pytest.approx(np.mean(positive)) if any(positive) else None)


def test_two_runs_are_compared_on_the_questions_that_both_were_asked() -> None:
    items = [item(str(k), "A", "CM" if k % 2 else "MR") for k in range(200)]
    a = answered(items, given_letters(items, ["A" if k % 4 < 2 else "B" for k in range(200)]))
    b = answered(items, given_letters(items, ["A" if k % 4 < 3 else "B" for k in range(200)]))
    told = compare(a, b)
    assert told["overall"]["difference"] == pytest.approx(0.25)
    assert 0 < told["overall"]["low"] < 0.25 < told["overall"]["high"] < 0.5
    assert told["CM"]["difference"] == told["CM"]["low"] == told["CM"]["high"] == 0.0
    assert compare(a, b) == told, "seeded"
    assert compare(a, dict(list(b.items())[:10]))["overall"]["questions"] == 10
    assert compare(a, {}) == {}


LEFT = Evidence(480, 320, 3.0, CameraMotion(("pan_left",), pan=-0.2))


def test_the_measurements_choose_the_option_that_they_support() -> None:
    asked = "How does the camera move?"
    assert choose(asked, OPTIONS, LEFT) == "A"
    assert choose("Which way does the camera pan?", ("right", "left"), LEFT) == "B"
    assert choose(asked, ("Zooms in and pans left", "Pans left"), LEFT) == "B"
    assert choose(asked, ("A red car", "A blue car"), LEFT) is None
    assert choose(asked, ("Pans left", "It pans to the left"), LEFT) is None, "both are right"
    assert choose(asked, OPTIONS, Evidence(480, 320, 3.0, CameraMotion(()))) is None
    assert choose(asked, ("Pan right", "Static", "It spins"), LEFT) == "C", "what is left over"
    assert probability("Does the camera pan to the left?", LEFT) == 1.0
    assert probability("Is the camera completely still?", LEFT) == 0.0
    assert probability("What is this?", LEFT) is None


def test_a_prompt_tells_of_what_it_shows_and_of_the_rest_only_what_plain_frames_tell() -> None:
    plain = Evidence(480, 320, 3.0, CameraMotion(("static",)), flow_mean=9.0)
    assert visible(LEFT, plain, ["none"]) == plain
    assert visible(LEFT, plain, ["motion_blur"]).camera == LEFT.camera
    assert visible(LEFT, plain, ["motion_blur"]).flow_mean == 9.0
    assert visible(LEFT, plain, ["spotlight"]).camera == plain.camera
    assert visible(LEFT, plain, ["spotlight", "motion_blur"]) == LEFT


def test_questions_about_one_part_of_a_video_are_one_row_and_its_id_hangs_on_all_of_them() -> None:
    a, b, c = item("1", "A"), item("2", "B"), Item("3", "v.mp4", "Q?", OPTIONS, "A", "CM", 1.0, 2.0)
    made = rows([a, c, b])
    assert [[one["id"] for one in row["items"]] for row in made] == [["1", "2"], ["3"]]
    assert rows([a, b]) == made[:1]
    assert rows([a])[0]["clip_id"] != made[0]["clip_id"]
    assert len(LETTERS) == 26
