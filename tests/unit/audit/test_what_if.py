import base64
import gzip
import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.verdicts import GatesConfig
from stages.audit.what_if import ABSENT, FAILS, PASSES, coded, offered
from stages.split.plan import DatasetPlan
from tests.tables import annotation, clip, plan_of, question, score, tables, vote
from tests.unit.audit.counted import Rows, asked_what_if


def unpacked(part: dict[str, Any]) -> dict[str, np.ndarray]:
    data = gzip.decompress(base64.b64decode(part["data"]))
    found, at = {}, 0
    for name, width in part["columns"].items():
        end = at + width * part["rows"]
        found[name] = np.frombuffer(data[at:end], f"<u{width}")
        at = end
    assert at == len(data)
    return found


def left(what: dict[str, Any], gates: GatesConfig) -> dict[str, int]:
    """What remains with these gates, counted from the codes as a page does."""
    clips, questions = unpacked(what["clips"]), unpacked(what["questions"])

    def stay(columns: dict[str, np.ndarray]) -> np.ndarray:
        passing = np.ones(len(columns["source"]), bool)
        for gate in what["gates"]:
            codes, limit = columns.get(f"m{gate['measure']}"), getattr(gates, gate["name"])
            if codes is None or limit is None or limit is False:
                continue
            if gate["kind"] == "required":
                passing &= codes != ABSENT
                continue
            edge = 2 * what["measures"][gate["measure"]]["positions"].index(limit) + 1
            inside = codes >= edge if gate["kind"] == "min" else codes <= edge
            passing &= np.isin(codes, (ABSENT, PASSES)) | (inside & (codes != FAILS))
        return passing

    asked = stay(questions)
    clip_of = np.cumsum(questions["first"])
    return {
        "clips": int(clips["count"][stay(clips)].sum()),
        "asked": len(set(clip_of[asked].tolist())),
        "questions": int(asked.sum()),
    }


def of_split(plan: DatasetPlan) -> dict[str, int]:
    states = plan.clips["state"].to_pylist()
    gone = ("pending_score", "failed_score", "dropped")
    return {
        "clips": sum(state not in gone for state in states),
        "asked": sum(state in ("sft", "dpo") for state in states),
        "questions": plan.sft.num_rows + plan.dpo.num_rows,
    }


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, 0.1 + 0.2, 0.3, -0.0])


@settings(deadline=None)
@given(
    st.lists(numbers, max_size=30),
    st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0, 0.3]), max_size=20, unique=True),
)
def test_a_code_tells_exactly_how_a_value_compares_to_every_position(
    values: list[float], positions: list[float]
) -> None:
    positions = sorted(positions)
    for value, code in zip(values, coded(np.array(values, float), positions).tolist(), strict=True):
        if math.isnan(value):
            assert code == FAILS
            continue
        for at, position in enumerate(positions):
            assert (value >= position) == (code >= 2 * at + 1)
            assert (value <= position) == (code <= 2 * at + 1)


@settings(deadline=None)
@given(st.lists(numbers, max_size=300), st.lists(st.floats(-10, 10), max_size=2))
def test_positions_rise_hold_the_settings_and_leave_room_for_the_marks(
    values: list[float], limits: list[float]
) -> None:
    found = offered(np.array(values, float), [*limits, None])
    assert found == sorted(set(found))
    assert set(limits) <= set(found)
    assert 2 * len(found) < PASSES


@settings(deadline=None)
@given(
    tables(),
    st.sampled_from([GatesConfig(), GatesConfig(quality_max=None, flow_max=0.5, motion_check_min=0.5)]),
    st.data(),
)
def test_wherever_the_gates_are_moved_the_counts_are_those_of_split(
    rows: Rows, gates: GatesConfig, data: st.DataObject
) -> None:
    what = asked_what_if(rows, gates)
    moved: dict[str, Any] = {}
    for gate in what["gates"]:
        positions = what["measures"][gate["measure"]]["positions"]
        values = [positions[at] for at in gate["offered"]]
        required = gate["kind"] == "required"
        moved[gate["name"]] = data.draw(st.booleans() if required else st.sampled_from([None, *values]))
    for chosen in (gates, GatesConfig.model_validate(moved)):
        plan = plan_of(rows["clips"], rows["scores"], rows["annotations"], rows["votes"], chosen)
        assert left(what, chosen) == of_split(plan)


def test_a_questions_votes_outweigh_its_gates_and_missing_numbers_follow_their_gate() -> None:
    rows: Rows = {
        "clips": [clip(i) for i in "abc"],
        "scores": [score("a"), score("b"), score("c", quality=None)],
        "annotations": [
            annotation("a", question(motion_check=0.0)),
            annotation("b", question(motion_check=None), question("What?", vqascore=math.nan)),
            annotation("c", question()),
        ],
        "votes": [vote("a", "left")],
    }
    what = asked_what_if(rows, GatesConfig(alignment_min=0.5))
    for gates, counted in (
        (GatesConfig(alignment_min=0.5), {"clips": 2, "asked": 2, "questions": 2}),
        (GatesConfig(), {"clips": 2, "asked": 2, "questions": 3}),
        (GatesConfig(motion_check_required=True), {"clips": 2, "asked": 2, "questions": 2}),
        (GatesConfig(quality_max=None), {"clips": 3, "asked": 3, "questions": 4}),
    ):
        plan = plan_of(rows["clips"], rows["scores"], rows["annotations"], rows["votes"], gates)
        assert left(what, gates) == of_split(plan) == counted


def test_many_alike_clips_take_few_bytes() -> None:
    ids = [f"{n:05d}" for n in range(5000)]
    rows = {"clips": [clip(i) for i in ids], "scores": [score(i) for i in ids], "annotations": []}
    what = asked_what_if(rows, GatesConfig())
    assert what["clips"]["rows"] == 1
    assert left(what, GatesConfig())["clips"] == 5000
