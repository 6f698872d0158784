import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from filters.verdicts import GatesConfig
from pipeline.schema import CAMERA_LABELS
from stages.audit.statistics import SOURCES_SHOWN, Tables, sources, stats
from stages.split.plan import build
from stages.split.settings import SplitConfig
from tests.tables import annotation, clip, question, score, table, tables, vote
from tests.unit.audit.counted import Rows, audited


def test_every_count_of_a_small_workspace(rows: Rows) -> None:
    counted = audited(rows)
    assert counted["adds_up"]
    assert counted["broken"] == []
    assert counted["funnel"] == {
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
    assert counted["errors"] == {"scores": {"timeout": 1}, "annotations": {"mllm_error": 1}}
    assert counted["dropped"] == {"clips": {"duration_min_s": 1}, "questions": {"motion_check_min": 1}}
    assert counted["near_duplicates"] == 4
    assert counted["camera_motion"] == dict.fromkeys(CAMERA_LABELS, 0) | {"pan_left": 6}
    assert counted["chosen_source"] == {"human": 1}
    assert counted["categories"] == {
        "sft": {"camera": 1, "object": 1},
        "dpo": {"camera": 1},
        "dropped": {"camera": 1},
    }
    assert sum(part["rows"] for part in counted["dataset"]["sft"].values()) == 2
    assert counted["histograms"]["quality"]["count"] == 6
    assert counted["histograms"]["motion_check"]["count"] == 4
    assert counted["histograms"]["vqascore"] == {
        "count": 0, "missing": 4, "min": None, "median": None, "mean": None, "max": None, "bins": [],
    }  # fmt: skip


def test_sources_failures_and_answers_are_counted(rows: Rows) -> None:
    rows["clips"][0]["source"] = None
    rows["scores"][0]["error_detail"] = "it took too long"
    rows["annotations"][3]["qa"] += [
        question("Why?", baseline="The camera pans left.", baseline_check=1.0),
        question("And?", motion_check=math.nan, claims=["object:still", "pan_left"]),
    ]
    counted = audited(rows)
    assert counted["sources"] == [
        {"source": "set", "clips": 7, "failed": 1, "pending": 0, "dropped": 1, "kept": 5, "in_dataset": 2}
        | {"rows": 4},
        {"source": "unknown", "clips": 1, "failed": 0, "pending": 1, "dropped": 0, "kept": 0}
        | {"in_dataset": 0, "rows": 0},
    ]
    assert counted["dropped_by_source"] == [{"source": "set", "gate": "duration_min_s", "clips": 1}]
    assert counted["error_examples"][0] == {
        "table": "scores", "error": "timeout", "clip_id": "b", "uri": "/videos/b.mp4",
        "detail": "it took too long",
    }  # fmt: skip
    assert [row["error"] for row in counted["error_examples"]] == ["timeout", "mllm_error"]
    camera = {"category": "camera", "questions": 5, "same_text": 1, "answer_better": 2, "equal": 2}
    assert counted["agreement"][0] == camera | {"baseline_better": 0, "cannot_judge": 1}
    assert counted["words"]["question"][0] == {"words": 1, "count": 2}
    assert counted["repeated_answers"] == [{"answer": "The camera pans left.", "count": 6}]
    assert counted["answers"] == {"all": 6, "distinct": 1}
    assert counted["claims"] == {"pan_left": 6, "object:still": 1}
    assert counted["motion_profile"] == [{"camera": "moves", "objects": "move", "clips": 6}]


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
    counted = stats(Tables(tables_[0], table("duplicates", []), *tables_[1:3]), plan, gates, 0)
    assert counted["pairs"] == {
        "verifier": {"cannot_judge": 1, "contradicts": 1, "supports": 1},
        "kind": {"motion": 2, "other": 1},
    }


def test_empty_tables_add_up_to_nothing() -> None:
    counted = audited({"clips": [], "scores": [], "annotations": []})
    assert counted["adds_up"]
    assert set(counted["funnel"].values()) == {0}


def test_a_clip_that_is_scored_twice_does_not_add_up(rows: Rows) -> None:
    rows["scores"].append(score("h"))
    counted = audited(rows)
    assert not counted["adds_up"]
    assert counted["broken"][0] == "clips = scored + failed_score + pending_score: 8 = 9 + 1 + 1"


def test_a_row_of_a_clip_that_was_never_ingested_does_not_add_up(rows: Rows) -> None:
    rows["scores"].append(score("stranger"))
    assert audited(rows)["broken"] == ["score_rows = scored + failed_score: 8 = 6 + 1"]


def test_a_plan_made_with_other_gates_does_not_add_up(rows: Rows) -> None:
    assert not audited(rows, GatesConfig(), GatesConfig(flow_max=0.01))["adds_up"]


@settings(deadline=None)
@given(
    tables(),
    st.sampled_from([GatesConfig(), GatesConfig(quality_max=None, flow_max=0.5, near_duplicates="drop")]),
)
def test_whatever_the_tables_hold_the_audit_adds_up_and_is_plain_json(rows: Rows, gates: GatesConfig) -> None:
    counted = audited(rows, gates)
    assert counted["adds_up"], counted["broken"]
    shuffled = {name: part if name == "votes" else part[::-1] for name, part in rows.items()}
    assert json.dumps(counted, allow_nan=False) == json.dumps(audited(shuffled, gates), allow_nan=False)


def test_only_the_largest_sources_go_by_name() -> None:
    names = ["few", None, ""] + [f"set {n:02d}" for n in range(20) for _ in range(2 + n)]
    shown = sources(table("clips", [clip(str(k), source=name) for k, name in enumerate(names)])["source"])
    assert len(shown) == len(names)
    assert len(set(shown.to_pylist())) == SOURCES_SHOWN
    assert shown[0].as_py() == shown[1].as_py() == "(others)"
    assert shown[len(names) - 1].as_py() == "set 19"
    few = sources(table("clips", [clip("a", source=None), clip("b", source="x")])["source"])
    assert few.to_pylist() == ["unknown", "x"]
