import math

from hypothesis import given, settings
from hypothesis import strategies as st

from stages.review.queue import LEASE_S, Queue, Voted, comparisons_of
from stages.split.votes import Choice, choices
from tests.tables import annotation, question, table
from tests.unit.review.votes import comparisons, vote

NOBODY = Voted(1, {})


def test_uncertain_questions_come_first_and_those_without_a_choice_are_left_out() -> None:
    rows = [
        annotation("a", question("clear")),
        annotation("b", question("unsure", motion_check=0.6, baseline_check=0.5)),
        annotation("c", question("worse", motion_check=0.0, baseline_check=0.5)),
        annotation("d", question("unknown", baseline_check=None), question("nan", motion_check=math.nan)),
        annotation("e", question("same", baseline="The  camera pans left. ")),
        annotation("f", question("empty", baseline=" "), question("none", answer=None)),
        annotation("g", question("failed", error="mllm_error")),
        annotation("h", question("lost"), error="timeout"),
        annotation("i"),
        annotation("b", question("unsure", motion_check=0.6, baseline_check=0.5)),
    ]
    found = comparisons_of(table("annotations", rows))
    assert {comparison.question for comparison in found[:2]} == {"unknown", "nan"}
    assert [comparison.question for comparison in found[2:]] == ["unsure", "worse", "clear"]
    assert comparisons_of(table("annotations", rows), 3) == found[:3]
    assert comparisons_of(table("annotations", [])) == []


def test_sides_are_fixed_for_an_annotator_and_even_over_all() -> None:
    lefts = {
        (i, who): comparison.sides(who)[0] == comparison.answer
        for i, comparison in enumerate(comparisons(400))
        for who in "ab"
    }
    again = {
        (i, who): comparison.sides(who)[0] == comparison.answer
        for i, comparison in enumerate(comparisons(400))
        for who in "ab"
    }
    assert lefts == again
    for who in "ab":
        assert 150 < sum(lefts[i, who] for i in range(400)) < 250
    assert 150 < sum(lefts[i, "a"] == lefts[i, "b"] for i in range(400)) < 250


def test_a_question_is_reserved_for_a_while_and_then_goes_to_others() -> None:
    first, second = comparisons(2)
    queue = Queue([first, second])
    assert queue.next("ada", NOBODY, 0.0) == first
    assert queue.next("ada", NOBODY, 1.0) == first
    assert queue.next("bob", NOBODY, 2.0) == second
    assert queue.next("eve", NOBODY, 3.0) is None
    assert queue.next("eve", NOBODY, LEASE_S + 1.5) == first
    assert queue.next("ada", NOBODY, LEASE_S + 1.6) is None


def test_an_annotator_who_comes_back_gets_the_same_question_even_when_an_earlier_one_is_free() -> None:
    first, second = comparisons(2)
    queue = Queue([first, second])
    queue.next("ada", NOBODY, 0.0)
    assert queue.next("bob", NOBODY, 0.0) == second
    queue.skip(first.id, "ada")
    assert queue.next("bob", NOBODY, 1.0) == second


def test_what_was_skipped_goes_to_others_and_comes_back_on_request() -> None:
    (only,) = comparisons(1)
    queue = Queue([only])
    queue.next("ada", NOBODY, 0.0)
    queue.skip(only.id, "ada")
    assert queue.next("ada", NOBODY, 1.0) is None
    assert queue.skipped("ada") == 1
    assert queue.next("bob", NOBODY, 1.0) == only
    queue.unskip("ada")
    assert queue.next("ada", NOBODY, 2.0) is None
    assert queue.next("ada", NOBODY, LEASE_S + 2.0) == only


@settings(deadline=None)
@given(
    st.integers(0, 6),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["vote", "leave", "skip"])), max_size=60),
)
def test_whatever_people_do_each_question_gets_its_votes_and_no_more(
    count: int, overlap: int, actions: list[tuple[str, str]]
) -> None:
    asked = comparisons(count)
    queue = Queue(asked, overlap)
    voters: dict[str, set[str]] = {}
    voted = Voted(overlap, {})
    now = 0.0
    work = [*actions, *((who, "vote") for _ in range(count) for who in "abcd")]
    for who, action in work:
        now += 1.0
        comparison = queue.next(who, voted, now)
        if comparison is None:
            continue
        assert who not in voters.get(comparison.id, ())
        if action == "vote":
            voters.setdefault(comparison.id, set()).add(who)
            voted.add(comparison.id, who)
        elif action == "skip":
            queue.skip(comparison.id, who)
        assert len(voters.get(comparison.id, ())) <= overlap
        again = Voted(overlap, voters)
        assert (voted.by, voted.full, voted.votes) == (again.by, again.full, again.votes)
        asked_again = sum(
            who not in (names := voters.get(it.id, set())) and len(names) < overlap for it in asked
        )
        assert queue.left(who, voted, now + LEASE_S + 1) <= asked_again
    for who in "abcd":
        queue.unskip(who)
    now += LEASE_S  # so that what was left is free again
    for who in "abcd":
        while comparison := queue.next(who, voted, now):
            voters.setdefault(comparison.id, set()).add(who)
            voted.add(comparison.id, who)
    assert {comparison.id: len(voters[comparison.id]) for comparison in asked} == {
        comparison.id: overlap for comparison in asked
    }


def test_split_takes_the_text_of_a_vote_and_not_its_side() -> None:
    rows = [vote(comparison, "ada", "answer").row for comparison in comparisons(30)]
    assert {row["choice"] for row in rows} == {"left", "right"}
    decided = choices(table("preferences", rows))
    for comparison in comparisons(30):
        assert decided[comparison.clip_id, comparison.question] == Choice(
            comparison.answer, comparison.baseline
        )
