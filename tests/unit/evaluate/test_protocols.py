"""Published protocols: how they put a question, what their readers make of a reply, and what counts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import CallError
from stages.evaluate.benchmark import BENCHMARKS, protocol_of, read
from stages.evaluate.protocols.scoring import interval
from stages.evaluate.question import BenchmarkQuestion
from stages.evaluate.results import answered, judged, summary
from stages.evaluate.stage import shown_to, to_ask, with_protocol
from stages.motionsight.settings import MotionSightConfig

OPTIONS = ("Left", "Left, then right", "Up", "Down")


def question(id: str, right: str | None, category: str, options: tuple[str, ...] = OPTIONS) -> Any:
    return BenchmarkQuestion(id, "v.mp4", "Which way?", options, right, category)


def results(benchmark: str, protocol: str, asked: list[tuple[Any, str | None]]) -> dict[str, Any]:
    """The summary of a run with these replies; None: the clip failed, "-": never asked."""
    rules = protocol_of(benchmark, protocol)
    rows = [
        {
            "answers": [
                {"id": one.id, "answer": said or "", "score": None, "error": None if said else "timeout"}
            ]
        }
        for one, said in asked
        if said != "-"
    ]
    questions = [one for one, _ in asked]
    return summary(questions, answered(questions, rows, rules), rules)


def accepted(benchmark: str, protocol: str, reply: str, options: tuple[str, ...] = OPTIONS) -> str:
    return "".join(protocol_of(benchmark, protocol).read(reply, question("1", "A", "x", options)).accepted)


def test_motionbench_skips_hidden_answers_only_where_they_are_answered() -> None:
    told = results(
        "motionbench",
        "official",
        [
            (question("1", "A", "Camera Motion"), "A"),
            (question("2", "B", "Camera Motion"), "A"),
            (question("3", None, "Camera Motion"), "A"),
            (question("4", None, "Camera Motion"), None),
            (question("5", "A", "Action Order"), "-"),
        ],
    )
    assert told["accuracy"]["categories"] == {"Camera Motion": 0.5, "Action Order": None}
    assert told["accuracy"]["overall"] == 1 / 4, "1, 2, 4 and 5 count"
    assert told["accuracy"]["answered"] == 1 / 3, "1, 2 and 3 are answered"
    assert (told["failed"], told["unclear"]) == (1, 1)


def test_motionbench_takes_one_character_of_a_reply() -> None:
    assert accepted("motionbench", "official", "(B) Up") == "B"
    assert accepted("motionbench", "official", "B. Up") == "B"
    assert accepted("motionbench", "official", "Answer: B") == "A", "the first character"
    assert accepted("motionbench", "official", "The answer is B") == ""


def test_motionsight_accepts_every_letter_that_a_reply_contains() -> None:
    assert accepted("motionbench", "motionsight", "Because of Ben") == "B"
    assert accepted("motionbench", "motionsight", "A or D") == "AD"


def test_favor_accepts_the_text_of_an_option_unless_a_longer_option_with_that_text_is_there() -> None:
    assert accepted("favor", "official", "It moves left.") == "A"
    assert accepted("favor", "official", "It moves left, then right.") == "B"
    assert accepted("favor", "motionsight", "It moves left, then right.") == "AB"
    assert accepted("favor", "official", "UP or down") == "CD"
    assert accepted("favor", "official", "B") == ""
    assert accepted("favor", "motionchat", "b. Left") == "B"


def test_favor_divides_by_the_numbers_of_the_whole_benchmark() -> None:
    told = results("favor", "official", [(question(str(k), "C", "NSM"), "up") for k in range(16)])
    assert told["accuracy"]["categories"] == {"NSM": 16 / 64}
    assert told["accuracy"]["overall"] == 16 / 8184


def test_lmms_eval_reads_letters_in_its_own_ways() -> None:
    assert accepted("motionbench", "lmms_eval", "The answer is: B, not A") == "B"
    assert accepted("motionbench", "lmms_eval", "A man goes up") == "A", "the article too"
    assert accepted("motionbench", "lmms_eval", "<think>A</think>C") == "C"
    reading = protocol_of("tomato", "lmms_eval").read("I am lost", question("1", "A", "x"))
    assert (reading.accepted, reading.clear) == (("A",), False), "a guess, which counts as unclear"
    assert accepted("tomato", "lmms_eval", "(A) is wrong, (B) is right") == "B"
    assert accepted("tvbench", "lmms_eval", "it goes left, then right") == "", "texts of two options"
    assert accepted("tvbench", "lmms_eval", "it goes up") == "C"


def test_tvbench_counts_an_empty_reply_as_right_and_that_is_shown_as_unclear() -> None:
    reading = protocol_of("tvbench", "official").read("", question("1", "A", "x"))
    assert (reading.accepted, reading.clear) == (("A", "B", "C", "D"), False)
    assert accepted("tvbench", "official", "(B) Left, then right") == "B"
    assert accepted("tvbench", "official", "Left") == ""


def test_camerabench_leaves_out_what_failed_and_counts_a_kind_with_one_answer_as_nothing() -> None:
    def about(id: str, right: str, category: str) -> BenchmarkQuestion:
        return BenchmarkQuestion(id, "v.mp4", "Does it?", (), right, category)

    asked = [
        about("1", "Yes", "Pan"),
        about("2", "No", "Pan"),
        about("3", "Yes", "Pan"),
        about("4", "Yes", "Up"),
    ]
    scores: list[float | None] = [0.9, 0.6, None, 0.7]
    rows = [
        {"answers": [{"id": one.id, "answer": "Yes", "score": score, "error": None}]}
        for one, score in zip(asked, scores, strict=True)
    ]
    official, strict = protocol_of("camerabench", "official"), protocol_of("camerabench", "strict")
    told = summary(asked, answered(asked, rows, official), official)
    assert told["average_precision"] == {"categories": {"Pan": 1.0, "Up": 0.0}, "average": 0.5}
    careful = summary(asked, answered(asked, rows, strict), strict)
    assert careful["average_precision"]["categories"]["Pan"] == pytest.approx((1 + 2 / 3) / 2)


def test_prompts_are_the_published_ones() -> None:
    one = question("1", "A", "CM", ("Left", "It's up"))
    said = protocol_of("favor", "official").ask(one, 8)  # type: ignore[misc]
    assert said.endswith("\nWhich way?\nYou can only response with the answer among ['Left', \"It's up\"]")
    said = protocol_of("tomato", "official").ask(one, 16)  # type: ignore[misc]
    assert "with 16 separate frames uniformly" in said
    assert "<options> \n{'A': 'Left', 'B': \"It's up\"} \n</options>" in said
    said = protocol_of("camerabench", "official").ask(replace(one, options=()), 8)  # type: ignore[misc]
    assert said == "Which way? Please only answer Yes or No."


def test_frames_that_a_protocol_fixes_replace_those_of_the_settings() -> None:
    config = MotionSightConfig.model_validate({"frames": {"count": 32}})
    assert with_protocol(config, protocol_of("favor", "strict")) == config
    frames = with_protocol(config, protocol_of("favor", "official")).frames
    assert (frames.fps, frames.spread, frames.max_pixels) == (1.0, "ends", 360 * 420)
    assert with_protocol(config, protocol_of("motionbench", "motionsight")).frames.count == 16


def test_hidden_answers_and_parts_of_videos_are_left_out_where_the_rules_say_so() -> None:
    asked = [replace(question("1", "A", "x"), start_s=1.0, end_s=2.0), question("2", None, "x")]
    assert to_ask(asked, protocol_of("motionbench", "official")) == asked
    (left,) = to_ask(asked, protocol_of("motionbench", "motionsight"))
    assert (left.id, left.start_s, left.end_s) == ("1", None, None)


def test_motionsight_branches_by_the_label_and_crops_for_repetitions() -> None:
    class Fake:
        def prompts(self, category: str) -> tuple[str, ...]:
            return ("motion_blur",) if category == "camera" else ("spotlight",)

    class Planned:
        def __init__(self, category: str) -> None:
            self.plan = self
            self.category = category

    rules = protocol_of("motionbench", "motionsight")
    for category, shown in (
        ("Camera Motion", "motion_blur"),
        ("Repetition Count", "crop"),
        ("Action Order", "spotlight"),
    ):
        one = question("1", "A", category)
        assert rules.category
        about = Planned(rules.category(one))
        assert shown_to(Fake(), about, rules.swap(one)) == [shown]  # type: ignore[arg-type]


def test_a_measured_choice_is_put_into_the_words_that_the_protocol_reads() -> None:
    one = question("1", "B", "CM")
    for benchmark in BENCHMARKS:
        for name, protocol in benchmark.protocols.items():
            if benchmark.name != "camerabench":
                assert "B" in protocol.read(protocol.reply(one, "B"), one).accepted, (benchmark.name, name)


def test_every_benchmark_has_the_default_protocol_and_an_unknown_one_is_refused_with_those_it_has() -> None:
    for benchmark in BENCHMARKS:
        assert next(iter(benchmark.protocols)) == "strict"
    with pytest.raises(CallError, match="favor has no protocol 'lmms_eval'; choose from strict, official"):
        protocol_of("favor", "lmms_eval")


def test_the_interval_contains_the_score_and_narrows_with_more_questions() -> None:
    def width(count: int) -> float:
        asked = [question(str(k), "A", "CM" if k % 3 else "AO") for k in range(count)]
        rows = [
            {"answers": [{"id": one.id, "answer": "AB"[k % 2], "score": None, "error": None}]}
            for k, one in enumerate(asked)
        ]
        protocol = protocol_of("motionbench", "strict")
        run = judged(asked, answered(asked, rows, protocol))
        bounds = interval(protocol.scores["accuracy"], run, 200)
        assert bounds
        assert bounds[0] < 0.5 < bounds[1]
        return bounds[1] - bounds[0]

    assert width(400) < width(40) < 0.5
    nothing = judged([], {})
    assert interval(protocol_of("motionbench", "strict").scores["accuracy"], nothing) is None
    assert np.isnan(nothing.score).sum() == 0


def test_tomato_and_tvbench_are_read_as_published(tmp_path: Path) -> None:
    row = {"question": "How many?", "options": ["2", "1"], "answer": 1, "key": "0209-03"}
    (tmp_path / "count.json").write_text(json.dumps({"0": row | {"demonstration_type": "human"}}))
    (tmp_path / "videos/human").mkdir(parents=True)
    (tmp_path / "videos/human/0209-03.mp4").touch()
    (one,) = read("tomato", str(tmp_path / "count.json"), str(tmp_path))
    assert (one.id, one.right, one.category) == ("count+human:0", "B", "count")
    assert one.video == str(tmp_path / "videos/human/0209-03.mp4")
    (tmp_path / "wrong.json").write_text(
        json.dumps({"0": row | {"demonstration_type": "human", "answer": 2}})
    )
    with pytest.raises(CallError, match="answer should be the index of an option, not 2"):
        read("tomato", str(tmp_path / "wrong.json"), str(tmp_path))

    asked = {"video": "a.mp4", "question": "Q?", "candidates": ["Up", "Down"], "answer": "Down"}
    part = asked | {"start": 1.5, "end": 4.0}
    (tmp_path / "tv").mkdir()
    (tmp_path / "tv/action_sequence.json").write_text(json.dumps([part]))
    (tmp_path / "tv/moving_direction.json").write_text(json.dumps([part]))
    first, second = read("tvbench", str(tmp_path / "tv"), str(tmp_path))
    assert (first.right, first.category, first.start_s, first.end_s) == ("B", "Action Sequence", 1.5, 4.0)
    assert (second.start_s, second.end_s) == (None, None), "a task about whole videos"
    assert first.video.endswith("action_sequence/a.mp4")
