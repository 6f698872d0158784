import json
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.review.label_studio import LABELING_CONFIG, from_label_studio, to_label_studio
from stages.review.queue import JUDGMENTS, Comparison, Vote
from tests.unit.review.votes import comparisons, vote

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def addresses(asked: list[Comparison]) -> dict[str, str]:
    return {one.clip_id: f"/videos/{one.clip_id}.mp4" for one in asked}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), texts, st.sampled_from(["answer", "baseline", *JUDGMENTS[2:]]), texts, texts
        ),
        max_size=12,
        unique_by=lambda one: one[:2],
    )
)
def test_votes_survive_the_round_trip_through_label_studio(
    given_: list[tuple[int, str, str, str, str]],
) -> None:
    asked = comparisons(5)
    votes = [
        vote(asked[n], who, what, minute, edited=edited.strip() or None, note=note.strip() or None)
        for minute, (n, who, what, edited, note) in enumerate(given_)
    ]
    tasks = to_label_studio(asked, votes, addresses(asked))
    assert len(tasks) == len(asked)
    back = from_label_studio(json.loads(json.dumps(tasks)))

    def shown(some: list[Vote]) -> list[Any]:
        return sorted(
            (
                v.clip_id,
                sorted(v.subject[2]),
                v.outcome,
                v.edited or "",
                v.note or "",
                v.annotator,
                v.at,
                v.seconds,
            )
            for v in some
        )

    assert shown(back) == shown(votes)


def test_a_task_does_not_reveal_which_answer_is_the_models() -> None:
    asked = comparisons(40)
    tasks = to_label_studio(asked, [], addresses(asked))
    assert {tuple(sorted(task["data"])) for task in tasks} == {
        ("clip_id", "left", "question", "right", "video")
    }
    assert 8 < sum("goes left" in task["data"]["left"] for task in tasks) < 32


def exported(**more: Any) -> dict[str, Any]:
    """A task as Label Studio exports it, annotated by its own users."""
    result = [
        {
            "id": "Dx",
            "from_name": "choice",
            "to_name": "video",
            "type": "choices",
            "origin": "manual",
            "value": {"choices": ["right"]},
        },
        {
            "id": "Dy",
            "from_name": "edited",
            "to_name": "video",
            "type": "textarea",
            "origin": "manual",
            "value": {"text": [" Better so. "]},
        },
    ]
    one = {
        "id": 7,
        "completed_by": 3,
        "result": result,
        "was_cancelled": False,
        "created_at": "2026-03-09T22:16:08.728353Z",
        "lead_time": 4.288,
    }
    data = {"clip_id": "c", "video": "x", "question": "Where to?", "left": "Left.", "right": "Right."}
    return {"id": 1, "data": data, "annotations": [one | more], "predictions": []}


def test_annotations_made_in_label_studio_are_votes() -> None:
    at = datetime(2026, 3, 9, 22, 16, 8, 728353, tzinfo=UTC)
    (made,) = from_label_studio([exported()])
    assert made == Vote(
        "c", "Where to?", "Left.", "Right.", "right", "Better so.", "label-studio-3", at, 4.288
    )
    (named,) = from_label_studio([exported(completed_by={"id": 3, "email": "ada@example.org"})])
    assert named.annotator == "ada@example.org"
    assert from_label_studio([exported(was_cancelled=True), exported(result=[])]) == []


@pytest.mark.parametrize("text", [" Better so. ", [" Better so. "], ["Better so."]])
def test_a_text_area_may_be_a_string_or_a_list(text: Any) -> None:
    task = exported()
    task["annotations"][0]["result"][1]["value"]["text"] = text
    (made,) = from_label_studio([task])
    assert made.edited == "Better so."


def test_a_clip_without_a_video_has_no_tasks() -> None:
    first, second = asked = comparisons(2)
    (task,) = to_label_studio(asked, [vote(first, "ada", "tie")], addresses([second]))
    assert task["data"]["clip_id"] == second.clip_id
    assert task["data"]["video"] == addresses([second])[second.clip_id]


def test_a_vote_that_was_changed_in_label_studio_is_as_old_as_the_change() -> None:
    created, changed = datetime(2026, 3, 9, 22, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC)
    times = {"created_at": created.isoformat(), "updated_at": created.isoformat()}
    meta = {"annotator": "ada", "at": "2026-01-01T00:00:00+00:00"}
    result = [{"from_name": "choice", "value": {"choices": ["tie"]}, "meta": meta}]
    (kept,) = from_label_studio([exported(result=result, **times)])
    times["updated_at"] = changed.isoformat()
    (other,) = from_label_studio([exported(result=result, **times)])
    (own,) = from_label_studio([exported(**times)])
    assert (kept.annotator, kept.at) == ("ada", datetime(2026, 1, 1, tzinfo=UTC))
    assert (other.annotator, other.at) == ("ada", changed)
    assert (own.annotator, own.at) == ("label-studio-3", changed)


def test_every_choice_of_the_interface_is_a_judgment_and_has_a_key() -> None:
    choices = ElementTree.fromstring(LABELING_CONFIG).findall(".//Choice")
    assert tuple(choice.get("alias") for choice in choices) == JUDGMENTS
    assert len({choice.get("hotkey") for choice in choices}) == len(JUDGMENTS)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, "not a list"),
        ([exported(), {"id": 2}], "task 2 lacks 'data'"),
        ([{"data": {"clip_id": "c"}}], "task 1 lacks 'question'"),
        ([{"clip_id": "c", "annotation_id": 1}], "task 1 lacks 'data'; export as JSON, not JSON-MIN"),
        (["text"], "task 1"),
        ([exported(created_at="yesterday")], "task 1"),
        ([exported(), exported(created_at="9999-12-31T23:59:59Z")], "task 2: its time 9999.* in the future"),
        ([exported(created_at="9999-12-31T23:59:59-12:00")], "task 1"),
        ([exported() | {"data": exported()["data"] | {"left": 5}}], "5 is not a text"),
        (
            [exported(result=[{"from_name": "choice", "value": {"choices": ["A"]}}])],
            "'A' is not one of left, right",
        ),
        ([exported(result=[{"from_name": "choice", "value": {"choices": []}}])], "task 1"),
    ],
)
def test_an_export_that_cannot_be_read_is_refused_with_the_number_of_the_task(
    tasks: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        from_label_studio(tasks)
