import io
import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from filters.verdicts import GatesConfig
from pipeline.schema import CAMERA_LABELS
from stages.audit.statistics import BINS, bar, histogram, look_alikes, render_text, sparkline, stats
from stages.split.plan import build
from stages.split.settings import SplitConfig
from tests.tables import annotation, clip, plan_of, question, score, table, tables, vote

Rows = dict[str, list[dict[str, Any]]]
TWIN = {"uri": "/videos/twin.mp4", "clip_id": "a"}


def audit(
    rows: Rows, gates: GatesConfig | None = None, plan_gates: GatesConfig | None = None
) -> dict[str, Any]:
    gates = gates or GatesConfig()
    return stats(
        table("clips", rows["clips"]),
        table("duplicates", rows.get("duplicates", [])),
        table("scores", rows["scores"]),
        table("annotations", rows["annotations"]),
        plan_of(rows["clips"], rows["scores"], rows["annotations"], rows.get("votes"), plan_gates or gates),
        gates,
        look_alikes(table("scores", rows["scores"]), gates),
    )


def text(told: dict[str, Any], width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render_text(told))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def rows() -> Rows:
    """A clip in each state, and a duplicate."""
    return {
        "clips": [clip(i) for i in "abcdefgh"],
        "duplicates": [TWIN],
        "scores": [
            score("b", error="timeout"),
            score("c", duration_s=0.5),
            score("d", phash="f" * 48),
            *(score(i) for i in "efgh"),
        ],
        "annotations": [
            annotation("c", question()),
            annotation("e", error="mllm_error"),
            annotation("f", question(motion_check=0.0)),
            annotation("g", question(), question("What moves?", category="object")),
            annotation("h", question()),
        ],
        "votes": [vote("h", "right")],
    }


def test_the_text_names_clips_that_failed_and_why(rows: Rows) -> None:
    rows["scores"][0] |= {"error_detail": "took longer than 60 s"}
    lines = [" ".join(line.split()) for line in text(audit(rows)).splitlines()]
    assert f"timeout {clip('b')['uri']} took longer than 60 s" in lines
    assert any(line.startswith(f"mllm_error {clip('e')['uri']}") for line in lines)
    assert "Failed" not in text(audit({"clips": [clip("e")], "scores": [], "annotations": []}))


def test_every_count_of_a_small_workspace(rows: Rows) -> None:
    told = audit(rows)
    assert told["adds_up"]
    assert told["broken"] == []
    assert told["funnel"] == {
        "inputs": 9,
        "clips": 8,
        "duplicates": 1,
        "score_rows": 7,
        "scored": 6,
        "failed_score": 1,
        "pending_score": 1,
        "kept": 5,
        "dropped": 1,
        "annotation_rows": 5,
        "annotated": 3,
        "failed_annotation": 1,
        "pending_annotation": 1,
        "annotated_but_not_kept": 1,
        "sft_clips": 1,
        "dpo_clips": 1,
        "no_qa_left": 1,
        "questions": 4,
        "sft_rows": 2,
        "dpo_rows": 1,
        "dropped_questions": 1,
    }
    assert told["errors"] == {"scores": {"timeout": 1}, "annotations": {"mllm_error": 1}}
    assert told["dropped"] == {"clips": {"duration_min_s": 1}, "questions": {"motion_check_min": 1}}
    assert told["near_duplicates"] == 4
    assert told["camera_motion"] == dict.fromkeys(CAMERA_LABELS, 0) | {"pan_left": 6}
    assert told["chosen_source"] == {"human": 1}
    assert told["categories"] == {
        "sft": {"camera": 1, "object": 1},
        "dpo": {"camera": 1},
        "dropped": {"camera": 1},
    }
    assert sum(part["rows"] for part in told["dataset"]["sft"].values()) == 2
    assert told["histograms"]["quality"]["count"] == 6
    assert told["histograms"]["motion_check"]["count"] == 4
    assert told["histograms"]["vqascore"] == {
        "count": 0, "missing": 4, "min": None, "median": None, "mean": None, "max": None, "bins": [],
    }  # fmt: skip


def test_what_is_told_of_sources_errors_and_answers(rows: Rows) -> None:
    rows["clips"][0]["source"] = None
    rows["scores"][0]["error_detail"] = "it took too long"
    rows["annotations"][3]["qa"] += [
        question("Why?", baseline="The camera pans left.", baseline_check=1.0),
        question("And?", motion_check=math.nan, claims=["object:still", "pan_left"]),
    ]
    told = audit(rows)
    assert told["sources"] == [
        {"source": "set", "clips": 7, "failed": 1, "pending": 0, "dropped": 1, "kept": 5, "in_dataset": 2}
        | {"rows": 4},
        {"source": "unknown", "clips": 1, "failed": 0, "pending": 1, "dropped": 0, "kept": 0}
        | {"in_dataset": 0, "rows": 0},
    ]
    assert told["dropped_by_source"] == [{"source": "set", "gate": "duration_min_s", "clips": 1}]
    assert told["error_examples"][0] == {
        "table": "scores", "error": "timeout", "clip_id": "b", "uri": "/videos/b.mp4",
        "detail": "it took too long",
    }  # fmt: skip
    assert [row["error"] for row in told["error_examples"]] == ["timeout", "mllm_error"]
    camera = {"category": "camera", "questions": 5, "same_text": 1, "answer_better": 2, "equal": 2}
    assert told["agreement"][0] == camera | {"baseline_better": 0, "cannot_judge": 1}
    assert told["words"]["question"][0] == {"words": 1, "count": 2}
    assert told["repeated_answers"] == [{"answer": "The camera pans left.", "count": 6}]
    assert told["answers"] == {"all": 6, "distinct": 1}
    assert told["claims"] == {"pan_left": 6, "object:still": 1}
    assert told["motion_profile"] == [{"camera": "moves", "objects": "move", "clips": 6}]


def test_pairs_are_counted_by_what_the_verifier_makes_of_them() -> None:
    """People chose against the measurements, with them, and between texts without a claim."""
    pairs = {
        "a": question(motion_check=0.0, baseline_check=1.0),
        "b": question(),
        "c": question(answer="Yes.", baseline="No.", motion_check=None, baseline_check=None),
    }
    rows: Rows = {
        "clips": [clip(i) for i in pairs],
        "scores": [score(i) for i in pairs],
        "annotations": [annotation(i, pairs[i]) for i in pairs],
        "votes": [vote(i, "left", left=pairs[i]["answer"], right=pairs[i]["baseline"]) for i in pairs],
    }
    names = ("clips", "scores", "annotations", "preferences")
    tables_ = [table(name, rows["votes" if name == "preferences" else name]) for name in names]
    gates = GatesConfig()
    plan = build(*tables_, gates, SplitConfig(preference_share=1.0))
    told = stats(tables_[0], table("duplicates", []), *tables_[1:3], plan, gates, 0)
    assert told["pairs"] == {
        "verifier": {"cannot_judge": 1, "contradicts": 1, "supports": 1},
        "kind": {"motion": 2, "other": 1},
    }


def test_empty_tables_add_up_to_nothing() -> None:
    told = audit({"clips": [], "scores": [], "annotations": []})
    assert told["adds_up"]
    assert set(told["funnel"].values()) == {0}
    assert "sums add up" in text(told)


def test_a_clip_that_is_scored_twice_does_not_add_up(rows: Rows) -> None:
    rows["scores"].append(score("h"))
    told = audit(rows)
    assert not told["adds_up"]
    assert told["broken"][0] == "clips = scored + failed_score + pending_score: 8 = 9 + 1 + 1"
    assert "does not add up: clips = " in text(told)


def test_a_row_of_a_clip_that_was_never_ingested_does_not_add_up(rows: Rows) -> None:
    rows["scores"].append(score("stranger"))
    assert audit(rows)["broken"] == ["score_rows = scored + failed_score: 8 = 6 + 1"]


def test_a_plan_made_with_other_gates_does_not_add_up(rows: Rows) -> None:
    assert not audit(rows, GatesConfig(), GatesConfig(flow_max=0.01))["adds_up"]


@settings(deadline=None)
@given(
    tables(),
    st.sampled_from([GatesConfig(), GatesConfig(quality_max=None, flow_max=0.5, near_duplicates="drop")]),
)
def test_whatever_the_tables_hold_the_audit_adds_up_and_is_plain_json(rows: Rows, gates: GatesConfig) -> None:
    told = audit(rows, gates)
    assert told["adds_up"], told["broken"]
    shuffled = {name: part if name == "votes" else part[::-1] for name, part in rows.items()}
    assert json.dumps(told, allow_nan=False) == json.dumps(audit(shuffled, gates), allow_nan=False)
    for line in text(told).splitlines():
        assert len(line) <= 100


def test_the_text_says_what_became_of_the_clips(rows: Rows) -> None:
    told = text(audit(rows))
    assert "timeout 1, pending 1" in told
    assert "duration_min_s 1" in told
    assert "motion_check_min 1" in told
    assert "all 8 sums add up" in told


def test_a_histogram_counts_what_is_finite() -> None:
    told = histogram(pa.chunked_array([[0.0, 1.0, 1.0, None, math.nan, math.inf]]))
    assert (told["count"], told["missing"]) == (3, 3)
    assert (told["min"], told["median"], told["max"]) == (0.0, 1.0, 1.0)
    assert told["bins"] == [1, *[0] * (BINS - 2), 2]


def test_bars_and_sparklines_show_small_counts_and_leave_out_none() -> None:
    assert bar(0, 100) == ""
    assert bar(1, 100000) == "▏"
    assert bar(100, 100, width=4) == "████"
    assert bar(0, 0) == ""
    assert sparkline([0, 1, 1000]) == " ▁█"
    assert sparkline([]) == ""
