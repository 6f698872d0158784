"""What is known of every clip, compared with what the audit counts."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verdicts import CLIP_GATES, GatesConfig
from stages.audit.statistics import Tables, stats
from tests.tables import annotation, clip, plan_of, question, score, table, tables
from tests.unit.browse.made import index_of, select

GATES = GatesConfig.model_validate({"quality_max": 0.7, "near_duplicates": "drop"})


def counted(index: Any, facet: str) -> dict[str, int]:
    """How many clips have each value of a facet."""
    counts = select("", index).facets()[facet]
    return {value: count for value, count in zip(index.facets[facet].values, counts, strict=True) if count}


@given(tables())
def test_the_counts_are_those_of_the_audit(rows: dict[str, list[dict[str, Any]]]) -> None:
    index = index_of(rows, GATES)
    four = [table(name, rows.get(name, [])) for name in ("clips", "duplicates", "scores", "annotations")]
    plan = plan_of(rows["clips"], rows["scores"], rows["annotations"], rows["votes"], GATES)
    audit = stats(Tables(*four), plan, GATES, 0)
    funnel, outcome = audit["funnel"], counted(index, "outcome")
    assert outcome.get("kept", 0) == funnel["kept"]
    assert outcome.get("dropped", 0) == funnel["dropped"]
    assert outcome.get("failed", 0) == funnel["failed_score"]
    assert outcome.get("pending", 0) == funnel["pending_score"]
    assert counted(index, "gate") == audit["dropped"]["clips"]
    camera = counted(index, "camera")
    assert {name: camera.get(name, 0) for name in audit["camera_motion"]} == audit["camera_motion"]
    for name, expected in (("annotated", "annotated"), ("failed", "failed_annotation")):
        found = select(f"outcome=kept&annotation={name}", index)
        assert len(found.rows) == funnel[expected]
    assert len(select("outcome=kept&annotation=none", index).rows) == funnel["pending_annotation"]


@given(tables())
def test_the_split_is_that_of_the_dataset(rows: dict[str, list[dict[str, Any]]]) -> None:
    index = index_of(rows)
    plan = plan_of(rows["clips"], rows["scores"], rows["annotations"])
    assert [index.value("split", at) for at in range(len(index))] == plan.clips["split"].to_pylist()


@given(st.sampled_from([math.nan, None, 0.0, 0.5]), st.sampled_from([math.nan, None, 0.25, 1.0]))
def test_of_several_answers_the_smallest_number_counts(first: float | None, second: float | None) -> None:
    qa = [question(motion_check=value) for value in (first, second)]
    index = index_of({"clips": [clip("a")], "annotations": [annotation("a", *qa)]})
    known = [value for value in (first, second) if value is not None and not math.isnan(value)]
    found = index.numbers["motion_check"].values[0]
    assert found == min(known) if known else math.isnan(found)
    assert index.numbers["questions"].values[0] == 2


def test_a_clip_that_failed_has_no_numbers_and_no_labels() -> None:
    rows = {"clips": [clip("a")], "scores": [score("a", error="timeout", flow_mean=0.5)]}
    index = index_of(rows)
    assert math.isnan(index.numbers["flow_mean"].values[0])
    assert index.value("error", 0) == "timeout"
    assert index.value("gate", 0) is None


def test_a_camera_without_a_label_can_be_found_and_one_of_several_labels_too() -> None:
    rows = {
        "clips": [clip(name) for name in "abc"],
        "scores": [score("a", camera_motion=[]), score("b", camera_motion=["pan_left", "zoom_in"])],
    }
    index = index_of(rows)
    assert [index.labels(at) for at in range(3)] == [[], ["pan_left", "zoom_in"], []]
    assert select("camera=", index).rows.tolist() == [0]
    assert select("camera=zoom_in", index).rows.tolist() == [1]


def test_every_gate_on_a_number_has_that_number() -> None:
    index = index_of({"clips": [clip("a")], "scores": [score("a")]})
    for gate in CLIP_GATES:
        if gate.limits():
            number = index.numbers[index.limited[gate.name]]
            assert number.title == gate.title
            assert number.values[0] == pytest.approx(
                gate.values(table("scores", [score("a")]))[0], nan_ok=True
            )


def test_an_empty_workspace_has_an_index() -> None:
    index = index_of({})
    assert len(index) == 0
    assert select("sort=-flow_mean&text=a", index).rows.tolist() == []
    assert all(not any(counts) for counts in select("", index).histograms().values())
