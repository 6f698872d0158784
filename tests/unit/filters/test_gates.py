import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.gates.near_duplicates import near_duplicates
from filters.verdicts import LIMITS, GatesConfig, clip_verdicts, kept, qa_verdict, verdict
from pipeline.schema import SCORES, empty_row
from tests.tables import question, score, table

LIMITED = GatesConfig(
    quality_max=80, flow_min=0, flow_max=1, duration_min_s=1, duration_max_s=120, side_min=128, cuts_max=0
)


def gate(config: GatesConfig | None = None, **numbers: Any) -> str | None:
    found = verdict(score("a", **numbers), config or GatesConfig())
    return found.gate if found else None


def qa_gate(config: GatesConfig | None = None, **more: Any) -> str | None:
    found = qa_verdict(question(**more), config or GatesConfig())
    return found.gate if found else None


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, None),
        ({"quality": 80.0}, None),
        ({"quality": 80.1}, "quality_max"),
        ({"flow_mean": 0.0}, None),
        ({"flow_mean": 1.0}, None),
        ({"flow_mean": 1.5}, "flow_max"),
        ({"duration_s": 0.9}, "duration_min_s"),
        ({"duration_s": 1.0}, None),
        ({"duration_s": 120.0}, None),
        ({"duration_s": 121.0}, "duration_max_s"),
        ({"width": 1920, "height": 128}, None),
        ({"width": 1920, "height": 127}, "side_min"),
        ({"width": 127, "height": 1920}, "side_min"),
        ({"cuts": [1.5]}, "cuts_max"),
    ],
)
def test_a_number_is_dropped_by_its_gate_beyond_the_limit_and_not_at_it(
    numbers: dict[str, Any], expected: str | None
) -> None:
    assert gate(LIMITED, **numbers) == expected


def test_the_reason_has_the_number_and_the_limit() -> None:
    found = verdict(score("a", flow_mean=1.5), LIMITED)
    assert found is not None
    assert found.reason == "mean flow 1.5, not at most 1 diagonals/s"


@pytest.mark.parametrize("missing", [None, math.nan])
@pytest.mark.parametrize(
    ("column", "expected"),
    [("quality", "quality_max"), ("flow_mean", "flow_max"), ("duration_s", "duration_min_s")],
)
def test_what_was_not_measured_does_not_pass(missing: float | None, column: str, expected: str) -> None:
    found = verdict(score("a", **{column: missing}), GatesConfig())
    assert found is not None
    assert found.gate == expected
    assert found.reason.endswith("was not measured")


@pytest.mark.parametrize(("column", "expected"), [("width", "side_min"), ("cuts", "cuts_max")])
def test_a_missing_count_does_not_pass(column: str, expected: str) -> None:
    assert gate(**{column: None}) == expected


def test_a_gate_that_is_off_lets_what_was_not_measured_pass() -> None:
    assert gate(GatesConfig(quality_max=None), quality=None) is None


def test_quality_points_either_way() -> None:
    clipiqa = GatesConfig(quality_min=0.4, quality_max=None)
    assert gate(clipiqa, quality=0.3) == "quality_min"
    assert gate(clipiqa, quality=0.5) is None


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError):
        GatesConfig.model_validate({"flow_maximum": 1})


def test_an_empty_table_has_no_verdicts() -> None:
    for alike in ("keep", "drop"):
        verdicts = clip_verdicts(SCORES.empty_table(), GatesConfig(near_duplicates=alike))
        assert verdicts.type == pa.string()
        assert len(verdicts) == 0


def test_failed_clips_are_not_kept() -> None:
    rows = [score("a"), empty_row("scores") | {"clip_id": "b", "error": "timeout"}, score("c", quality=99.0)]
    everything_off = GatesConfig.model_validate(dict.fromkeys(name for name, _, _ in LIMITS))
    assert kept(table("scores", rows), GatesConfig())["clip_id"].to_pylist() == ["a"]
    assert kept(table("scores", rows), everything_off)["clip_id"].to_pylist() == ["a", "c"]


def test_near_duplicates_are_dropped_after_the_first_that_is_kept() -> None:
    one, other = "0" * 48, "f" * 48
    rows = [
        score("d", phash=one),
        score("c", phash=one),
        score("b", phash=other),
        score("a", phash=one, quality=99.0),
        score("e", phash=None),
    ]
    assert clip_verdicts(table("scores", rows), GatesConfig(near_duplicates="drop")).to_pylist() == [
        "near_duplicates",
        None,
        None,
        "quality_max",
        "near_duplicates",
    ]


numbers = st.none() | st.sampled_from([math.nan, -1.0, 0.0, 0.5, 1.0, 100.0, math.inf])
rows_ = st.lists(
    st.fixed_dictionaries(
        {
            "quality": numbers,
            "flow_mean": numbers,
            "duration_s": numbers,
            "width": st.none() | st.integers(0, 300),
            "height": st.none() | st.integers(0, 300),
            "cuts": st.none() | st.lists(st.floats(0, 9), max_size=2),
        }
    ),
    max_size=8,
)


@settings(deadline=None)
@given(rows_, numbers.filter(lambda x: x is None or x >= 0), st.none() | st.integers(0, 2))
def test_a_row_in_a_table_is_judged_as_it_is_alone_and_only_within_limits_passes(
    rows: list[dict[str, Any]], flow_min: float | None, cuts_max: int | None
) -> None:
    config = GatesConfig(flow_min=None if flow_min is None else np.nan_to_num(flow_min), cuts_max=cuts_max)
    scores = [score(f"{n}", **row) for n, row in enumerate(rows)]
    together = clip_verdicts(table("scores", scores), config).to_pylist()
    alone = [verdict(row, config) for row in scores]
    assert together == [found and found.gate for found in alone]
    for row, dropped in zip(scores, together, strict=True):
        if dropped is None:
            assert row["quality"] <= 80
            assert 1 <= row["duration_s"] <= 120
            assert min(row["width"], row["height"]) >= 128


def test_a_good_answer_passes_and_a_bad_one_is_named() -> None:
    assert qa_gate() is None
    assert qa_gate(error="mllm_error") == "answer_error"
    assert qa_gate(answer=None) == "answer_empty"
    assert qa_gate(answer=" \n") == "answer_empty"
    assert qa_gate(question="") == "answer_empty"
    assert qa_gate(motion_check=0.5) == "motion_check_min"
    assert qa_gate(motion_check=math.nan) == "motion_check_min"


def test_an_answer_without_checkable_claims_passes_unless_they_are_required() -> None:
    assert qa_gate(motion_check=None) is None
    assert qa_gate(GatesConfig(motion_check_required=True), motion_check=None) == "motion_check_required"


def test_alignment_applies_where_there_is_a_score() -> None:
    strict = GatesConfig(alignment_min=0.5)
    assert qa_gate(strict, vqascore=None) is None
    assert qa_gate(strict, vqascore=0.5) is None
    assert qa_gate(strict, vqascore=0.4) == "alignment_min"
    assert qa_gate(strict, vqascore=math.nan) == "alignment_min"
    assert qa_gate(vqascore=0.0) is None


def test_near_duplicates_point_to_the_first_that_is_none_itself() -> None:
    assert near_duplicates(["00", "01", "03", "ff", None, "", "000", "fe"], 1).tolist() == [
        -1, 0, -1, -1, -1, -1, -1, 3,
    ]  # fmt: skip
    assert near_duplicates([], 5).tolist() == []
    assert near_duplicates(["0f", "f0"], 8).tolist() == [-1, 0]


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**24 - 1) | st.integers(0, 15), max_size=30), st.integers(0, 30))
def test_banding_finds_what_comparing_all_pairs_finds(values: list[int], distance: int) -> None:
    expected: list[int] = []
    for n, value in enumerate(values):
        near = [m for m in range(n) if expected[m] < 0 and (value ^ values[m]).bit_count() <= distance]
        expected.append(near[0] if near else -1)
    assert near_duplicates([f"{value:06x}" for value in values], distance).tolist() == expected
