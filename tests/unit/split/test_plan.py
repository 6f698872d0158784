"""What becomes of every clip and every question, by the tables and the settings."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.verdicts import GatesConfig
from stages.split.plan import DatasetPlan
from stages.split.schema import CLIP_STATES, PLAN_CLIPS, PLAN_ROWS, SPLITS
from stages.split.settings import Shares, SplitConfig
from stages.split.splits import split_of
from tests.tables import QUESTION, annotation, clip, plan_of, question, score, tables, vote


def done(*ids: str, qa: list[dict[str, Any]] | None = None, **settings: Any) -> DatasetPlan:
    """The plan of clips that went all the way, each with the same questions."""
    qa = [question()] if qa is None else qa
    return plan_of(
        [clip(i) for i in ids], [score(i) for i in ids], [annotation(i, *qa) for i in ids], **settings
    )


def states(plan: DatasetPlan) -> dict[str, tuple[str, str | None]]:
    return {row["clip_id"]: (row["state"], row["reason"]) for row in plan.clips.to_pylist()}


IDS = [f"{n:016x}" for n in range(40)]


def test_empty_tables_give_an_empty_plan_with_warnings() -> None:
    plan = plan_of([], [], [])
    assert (plan.clips.num_rows, plan.qa.num_rows, plan.sft.num_rows, plan.dpo.num_rows) == (0, 0, 0, 0)
    assert plan.clips.schema == PLAN_CLIPS
    assert plan.sft.schema == PLAN_ROWS["sft"]
    assert plan.dpo.schema == PLAN_ROWS["dpo"]
    assert plan.warnings == ("SFT has no rows", "DPO has no rows")


def test_every_clip_is_in_the_state_that_its_rows_say() -> None:
    ids = dict(zip(CLIP_STATES, "abcdefgh", strict=True))
    plan = plan_of(
        [clip(i) for i in ids.values()],
        [
            score("b", error="timeout"),
            score("c", duration_s=0.5),
            *(score(i) for i in "defg"),
            score("h", quality=1.0),
        ],
        [
            annotation("e", error="mllm_error"),
            annotation("f", question(motion_check=0.0)),
            annotation("g", question()),
            annotation("h", question()),
        ],
        preference_share=0.5,
    )
    expected: dict[str, tuple[str, str | None]] = {i: (state, None) for state, i in ids.items()}
    expected |= {"b": ("failed_score", "timeout"), "c": ("dropped", "duration_min_s")}
    expected |= {"e": ("failed_annotation", "mllm_error")}
    assert states(plan) == expected


def test_a_tighter_gate_drops_a_clip_that_was_annotated_already() -> None:
    plan = done("a", gates=GatesConfig(flow_max=0.01))
    assert states(plan) == {"a": ("dropped", "flow_max")}
    assert plan.qa.num_rows == 0


def test_an_annotation_without_questions_leaves_no_qa() -> None:
    rows = [clip("a"), clip("b")], [score("a"), score("b")]
    plan = plan_of(*rows, [annotation("a"), {"clip_id": "b", "qa": None}])
    assert {state for state, _ in states(plan).values()} == {"no_qa_left"}


def test_one_clip_with_a_checkable_pair_is_preference_data() -> None:
    plan = done("a")
    assert plan.dpo.to_pylist() == [
        {
            "id": "a-00",
            "clip_id": "a",
            "split": split_of("a", 0, Shares()),
            "question": QUESTION,
            "chosen": "The camera pans left.",
            "rejected": "The camera pans right.",
            "category": "camera",
            "chosen_source": "motion_check",
            "kind": "motion",
            "verifier": "supports",
        }
    ]


def test_a_preference_clip_gives_its_other_questions_to_sft_of_the_same_split() -> None:
    plan = done("a", qa=[question(), question("And now?", baseline_check=1.0)])
    assert [row["id"] for row in plan.dpo.to_pylist()] == ["a-00"]
    assert [row["id"] for row in plan.sft.to_pylist()] == ["a-01"]
    assert plan.sft["split"].to_pylist() == plan.dpo["split"].to_pylist()


@pytest.mark.parametrize(
    "qa",
    [
        {"baseline_check": None},
        {"motion_check": None},
        {"baseline_check": 0.9},
        {"baseline_check": math.nan},
        {"baseline": "The camera  pans left. "},
        {"baseline": None},
        {"baseline": ""},
    ],
)
def test_no_pair_is_made_of_texts_without_a_clear_difference(qa: dict[str, Any]) -> None:
    plan = done("a", qa=[question(**qa)])
    assert (plan.sft.num_rows, plan.dpo.num_rows) == (1, 0)


def test_questions_of_other_categories_are_left_out() -> None:
    plan = done("a", qa=[question(), question("What moves?", category="object")], categories=["object"])
    assert plan.qa["reason"].to_pylist() == ["categories", None]


def test_questions_and_answers_can_be_picked_by_pattern_and_length() -> None:
    asked = [question("How does the camera move?"), question("Which way does the dog run?", answer="Left.")]

    def reasons(**settings: Any) -> list[str | None]:
        return done("a", qa=asked, **settings).qa["reason"].to_pylist()

    assert reasons() == [None, None]
    assert reasons(question_pattern="(?i)CAMERA") == [None, "question_pattern"]
    assert reasons(answer_words_min=2) == [None, "answer_words_min"]
    assert reasons(answer_words_max=3) == ["answer_words_max", None]
    with pytest.raises(ValidationError, match="not a regular expression"):
        SplitConfig(question_pattern="(")


def pair(chosen: str, rejected: str, **qa: Any) -> dict[str, Any]:
    """The preference row of a clip on which a person chose, of two texts, the first."""
    votes = [vote("a", "left", left=chosen, right=rejected)]
    plan = plan_of([clip("a")], [score("a")], [annotation("a", question(**qa))], votes)
    (row,) = plan.dpo.to_pylist()
    return row


def test_a_pair_that_differs_in_no_checkable_claim_is_no_motion_preference() -> None:
    assert pair("The camera pans left.", "The camera pans right.")["kind"] == "motion"
    assert pair("The camera pans left.", "The camera slowly pans to the left.")["kind"] == "other"
    assert pair("A lovely day.", "A dull day.")["kind"] == "other"


def test_the_verifier_supports_contradicts_or_cannot_judge_what_people_chose() -> None:
    left, right = "The camera pans left.", "The camera pans right."
    assert pair(left, right)["verifier"] == "supports"
    assert pair(right, left)["verifier"] == "contradicts"
    assert pair("It is another text.", right)["verifier"] == "cannot_judge"
    assert pair(left, right, baseline_check=1.0)["verifier"] == "cannot_judge"
    assert pair(left, right, baseline_check=None)["verifier"] == "cannot_judge"


def test_the_best_clips_are_preference_data() -> None:
    ids = IDS[:16]
    plan = plan_of(
        [clip(i) for i in ids],
        [score(i, quality=90.0 - n, flow_mean=n / 100) for n, i in enumerate(ids)],
        [annotation(i, question()) for i in ids],
        gates=GatesConfig(quality_max=None),
    )
    assert sorted(plan.dpo["clip_id"].to_pylist()) == ids[-2:]


def test_a_metric_where_more_is_better_ranks_the_other_way() -> None:
    rows = [
        score("a", quality=0.9, quality_metric="clipiqa"),
        score("b", quality=0.1, quality_metric="clipiqa"),
    ]
    plan = plan_of([clip("a"), clip("b")], rows, [annotation(i, question()) for i in "ab"])
    assert plan.dpo["clip_id"].to_pylist() == ["a"]


def test_equal_clips_are_ranked_by_clip_id() -> None:
    assert done("b", "a", "c").dpo["clip_id"].to_pylist() == ["a"]


def test_a_human_choice_goes_before_the_check_and_before_better_clips() -> None:
    plan = plan_of(
        [clip(i) for i in "ab"],
        [score("a", quality=1.0), score("b", quality=70.0)],
        [annotation(i, question()) for i in "ab"],
        [vote("b", "right")],
    )
    (row,) = plan.dpo.to_pylist()
    assert (row["clip_id"], row["chosen"], row["rejected"]) == (
        "b",
        "The camera pans right.",
        "The camera pans left.",
    )
    assert row["chosen_source"] == "human"


def test_a_human_choice_is_also_the_sft_answer() -> None:
    plan = plan_of(
        [clip("a")], [score("a")], [annotation("a", question())], [vote("a", "right")], preference_share=0
    )
    assert plan.sft["answer"].to_pylist() == ["The camera pans right."]


def test_a_tie_makes_no_pair_and_both_bad_drops_the_question() -> None:
    tables = [clip("a")], [score("a")], [annotation("a", question())]
    tie = plan_of(*tables, [vote("a", "tie")])
    assert (tie.sft.num_rows, tie.dpo.num_rows) == (1, 0)
    bad = plan_of(*tables, [vote("a", "both_bad")])
    assert states(bad) == {"a": ("no_qa_left", None)}
    assert bad.qa["reason"].to_pylist() == ["both_bad"]


def test_a_bad_question_goes_and_with_a_bad_clip_all_of_its_questions() -> None:
    tables = (
        [clip(i) for i in "ab"],
        [score(i) for i in "ab"],
        [annotation(i, question(), question("Which way?")) for i in "ab"],
    )
    plan = plan_of(*tables, [vote("a", "bad_question"), vote("b", "bad_clip")], preference_share=0)
    assert plan.sft.select(["clip_id", "question"]).to_pylist() == [
        {"clip_id": "a", "question": "Which way?"}
    ]
    reasons = [(row["clip_id"], row["reason"]) for row in plan.qa.to_pylist() if row["state"] == "dropped"]
    assert reasons == [("a", "bad_question"), ("b", "bad_clip"), ("b", "bad_clip")]
    assert states(plan)["b"] == ("no_qa_left", None)


@pytest.mark.parametrize("said", ["tie", "both_bad"])
def test_votes_on_texts_that_have_since_been_replaced_do_not_count(said: str) -> None:
    again = question() | {"answer": "The camera pans to the left."}
    tables = ([clip("a")], [score("a")], [annotation("a", again)])
    assert plan_of(*tables, [vote("a", said)]).dpo.equals(plan_of(*tables).dpo)
    assert plan_of(*tables).dpo.num_rows == 1


def test_a_correction_of_both_texts_is_chosen_over_the_baseline() -> None:
    plan = plan_of(
        [clip("a")],
        [score("a")],
        [annotation("a", question())],
        [vote("a", "both_bad", edited="It tilts up.")],
    )
    (row,) = plan.dpo.to_pylist()
    assert (row["chosen"], row["rejected"]) == ("It tilts up.", "The camera pans right.")


shares_ = (
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
    .filter(any)
    .map(lambda t: {name: part / sum(t) for name, part in zip(SPLITS, t, strict=True)})
)


@settings(deadline=None)
@given(
    tables(),
    st.integers(),
    shares_,
    st.sampled_from([0.0, 0.125, 0.5, 1.0]),
    st.sampled_from(["keep", "drop"]),
)
def test_whatever_the_tables_hold_nothing_leaks_and_everything_is_accounted_for(
    rows: dict[str, list[dict[str, Any]]], seed: int, shares: dict[str, float], share: float, alike: Any
) -> None:
    plan = plan_of(
        rows["clips"],
        rows["scores"],
        rows["annotations"],
        rows["votes"],
        GatesConfig(near_duplicates=alike),
        seed=seed,
        shares=shares,
        preference_share=share,
    )
    clips = plan.clips.to_pylist()
    assert [row["clip_id"] for row in clips] == [row["clip_id"] for row in rows["clips"]]
    assert {row["state"] for row in clips} <= set(CLIP_STATES)
    video = {row["clip_id"]: row["video_id"] for row in clips}
    split: dict[str, str] = {}
    for row in plan.sft.to_pylist() + plan.dpo.to_pylist():
        assert split.setdefault(video[row["clip_id"]], row["split"]) == row["split"]
    qa = Counter(plan.qa["state"].to_pylist())
    assert (qa["sft"], qa["dpo"]) == (plan.sft.num_rows, plan.dpo.num_rows)
    assert qa.total() == plan.qa.num_rows
    ids = plan.sft["id"].to_pylist() + plan.dpo["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    by_state = Counter(row["state"] for row in clips)
    assert by_state["dpo"] <= math.ceil(share * (by_state["sft"] + by_state["dpo"]))
    assert set(plan.dpo["clip_id"].to_pylist()) == {row["clip_id"] for row in clips if row["state"] == "dpo"}
    for row in plan.dpo.to_pylist():
        assert row["chosen"].strip()
        assert row["chosen"] != row["rejected"]


@settings(deadline=None)
@given(tables(), tables(), st.integers())
def test_added_clips_never_move_old_ones_to_another_split(
    rows: dict[str, list[dict[str, Any]]], more: dict[str, list[dict[str, Any]]], seed: int
) -> None:
    def splits(parts: list[dict[str, Any]]) -> dict[str, str]:
        plan = plan_of(parts, [], [], seed=seed)
        return dict(zip(plan.clips["clip_id"].to_pylist(), plan.clips["split"].to_pylist(), strict=True))

    added = [row | {"clip_id": f"new{row['clip_id']}"} for row in more["clips"]]
    before, after = splits(rows["clips"]), splits(rows["clips"] + added)
    assert before.items() <= after.items()
