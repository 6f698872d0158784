"""Decoupling and referring by a model: one call a clip, names for the detector, codes for what fails."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import validate

from configs.settings import Config, load
from stages.annotate.questions import choose
from stages.annotate.stage import Annotate
from stages.models.protocols import Detections, Reply, Request, View
from stages.motionsight.refer import QuestionPlan, names, plans, referring_prompt, schema
from stages.video.frames import Clip
from tests.videos import write

QUESTIONS = ["Does the dog jump?", "How does the camera move?", "Who throws the ball, and does the shot pan?"]


class Scripted:
    """Answers questions with words, and calls for a plan with the given replies, one after the other."""

    name, version = "scripted", "1"

    def __init__(self, *planned: Reply) -> None:
        self.planned = list(planned)
        self.seen: list[Request] = []

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        self.seen += requests
        return [self.planned.pop(0) if r.json_schema else Reply("It moves.", tokens=10) for r in requests]


class Naming:
    """A detector that is asked for names, finds nothing, and keeps what it was asked for."""

    name, version = "naming", "1"

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        self.asked.append(tuple(labels))
        return {}


def planned(*items: tuple[str, list[str]]) -> Reply:
    listed = [{"about": about, "objects": objects} for about, objects in items]
    return Reply(json.dumps({"plans": listed}), tokens=5)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write(path)
    return {"clip_id": "0" * 16, "uri": str(path), "start_s": None, "end_s": None}


def annotate(mllm: Scripted, questions: int = 3) -> tuple[Annotate, Naming]:
    config: Config = load("embedded", ["decouple.backend=mllm", f"annotate.questions={questions}"])
    made = Annotate(config)
    made.setup()
    made.motionsight.mllm = mllm
    observer = made.motionsight.observer
    observer.detector, observer.needs_labels = (naming := Naming()), True
    return made, naming


def test_a_plan_is_read_from_the_reply_and_follows_its_own_schema() -> None:
    reply = planned(("object", ["The Dog", "ball.", "the dog"]), ("camera", []), ("both", ["Person's  hand"]))
    validate(json.loads(reply.text), schema(3))
    assert plans(reply.text) == [
        QuestionPlan("object", ("ball", "the dog")),
        QuestionPlan("camera"),
        QuestionPlan("both", ("person's hand",)),
    ]


def test_names_hold_nothing_that_a_detector_would_take_for_a_separator() -> None:
    assert names(["a. b", "  A  B ", "…", "", "été", "7"]) == ("a b", "été")


def test_every_question_stands_in_the_prompt_by_its_number() -> None:
    text = referring_prompt(QUESTIONS)
    assert all(f"{number}. {question}" in text for number, question in enumerate(QUESTIONS, 1))


def test_one_decode_one_plan_and_one_detection_for_each_list_of_names(
    clip: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = Clip.read
    monkeypatch.setattr(Clip, "read", lambda self, *a: reads.append(self.source.uri) or read(self, *a))
    mllm = Scripted(planned(("object", ["dog"]), ("camera", []), ("both", ["dog"])))
    made, naming = annotate(mllm)
    row = made.work(clip)
    assert len(reads) == 1
    assert sum(1 for request in mllm.seen if request.json_schema) == 1
    assert sorted(naming.asked) == [(), ("dog",)]
    assert [(qa["category"], qa["objects"]) for qa in row["qa"]] == [
        ("object", ["dog"]),
        ("camera", []),
        ("both", ["dog"]),
    ]
    assert row["error"] is None
    assert row["notes"] == ["no_detection"]
    assert row["tokens"] == 5 + 6 * 10


def test_questions_with_the_same_enhancement_carry_the_very_same_frames(clip: dict[str, Any]) -> None:
    mllm = Scripted(planned(("object", ["dog"]), ("object", ["dog"]), ("camera", [])))
    made, _ = annotate(mllm)
    made.work(clip)
    _, first, second, third, *_ = mllm.seen
    assert first.frames is second.frames
    assert first.frames is not third.frames


def test_a_plan_that_cannot_be_read_is_asked_for_question_by_question(clip: dict[str, Any]) -> None:
    bad = Reply("", tokens=3, error="mllm_bad_output", detail="not JSON")
    mllm = Scripted(bad, planned(("object", ["dog"])), bad, planned(("camera", [])))
    made, _ = annotate(mllm)
    row = made.work(clip)
    assert [qa["error"] for qa in row["qa"]] == [None, "mllm_bad_output", None]
    assert [bool(qa["answer"]) for qa in row["qa"]] == [True, False, True]
    assert row["error"] is None
    assert row["error_detail"] == "not JSON"
    assert not mllm.planned


def test_a_model_that_is_away_fails_the_clip_after_one_call(clip: dict[str, Any]) -> None:
    mllm = Scripted(Reply("", error="mllm_error", detail="connection refused"))
    row = annotate(mllm)[0].work(clip)
    assert (row["error"], row["error_detail"]) == ("mllm_error", "connection refused")
    assert len(mllm.seen) == 1
    assert [qa["question"] for qa in row["qa"]] == [text for text, _ in choose("0" * 16, 3, 0)]


def test_by_rules_no_call_is_spent_on_plans(clip: dict[str, Any], tmp_path: Path) -> None:
    made = Annotate(load("embedded"))
    made.setup()
    made.motionsight.mllm = mllm = Scripted()
    made.work(clip)
    assert not any(request.json_schema for request in mllm.seen)
    assert all(isinstance(request.frames, np.ndarray) for request in mllm.seen)
