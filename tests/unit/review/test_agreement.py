import pytest

from stages.review.agreement import agreement, reported
from stages.review.queue import Comparison
from tests.unit.review.votes import comparisons, vote


def test_agreement_is_krippendorffs_alpha_over_texts_and_not_sides() -> None:
    a, b, c, d = asked = comparisons(4)
    said = [
        (a, "answer", "answer"),
        (b, "answer", "baseline"),
        (c, "baseline", "baseline"),
        (d, "tie", "tie"),
    ]
    votes = [
        vote(comparison, who, what)
        for comparison, *pair in said
        for who, what in zip("xy", pair, strict=True)
    ]
    whole, people = agreement(votes, asked)
    # By hand: observed disagreement 2/8, expected 1 - (3*2 + 3*2 + 2*1) / (8*7) = 3/4.
    assert whole.alpha == pytest.approx(1 - 0.25 / 0.75)
    assert (whole.votes, whole.questions, whole.shared, whole.observed) == (8, 4, 4, 0.75)
    assert [(one.name, one.votes, one.observed, one.seconds) for one in people] == [
        ("x", 4, 0.75, 5.0),
        ("y", 4, 0.75, 5.0),
    ]


def test_agreement_is_not_defined_where_nothing_can_disagree() -> None:
    a, b = asked = comparisons(2)
    assert agreement([], asked)[0].alpha is None
    assert agreement([vote(a, "x", "tie"), vote(b, "y", "answer")], asked)[0].alpha is None
    alike = [vote(comparison, who, "tie") for comparison in asked for who in "xy"]
    assert (agreement(alike, asked)[0].alpha, agreement(alike, asked)[0].observed) == (None, 1.0)
    full = [vote(a, w, "tie") for w in "xy"] + [vote(b, w, "answer") for w in "xyz"]
    assert agreement(full, asked)[0].alpha == 1.0


def test_only_the_last_vote_of_a_person_counts_and_only_on_what_is_asked_now() -> None:
    old, now = comparisons(2)
    votes = [vote(now, "x", "tie", 2), vote(now, "x", "answer", 1), vote(old, "x", "answer")]
    whole, (person,) = agreement(votes, [now])
    assert whole.votes == person.votes == 1
    assert person.left is None


def test_it_shows_who_favours_a_side_and_how_often_motion_check_supports_the_choice() -> None:
    asked = [
        Comparison(f"{n}", "Where to?", "It goes left.", "It goes right.", 1.0 if n < 15 else None)
        for n in range(20)
    ]
    votes = [vote(comparison, "x", "answer", choice="left") for comparison in asked]
    whole, (person,) = agreement(votes, asked)
    assert person.left == 1.0
    right = [comparison.sides("x")[0] == comparison.answer for comparison in asked[:15]]
    assert whole.supported == pytest.approx(sum(right) / 15)


def test_what_is_bad_or_noted_is_reported_by_clip() -> None:
    a, b, c = comparisons(3)
    votes = [
        vote(c, "x", "bad_clip", 1, note="a slide show"),
        vote(a, "x", "answer", 2, note="too fast to see"),
        vote(a, "y", "answer", 3),
        vote(b, "x", "bad_question", 4),
        vote(b, "y", "bad_question", 5),
        vote(b, "y", "tie", 6),  # she changed her mind
    ]
    told = [(one.clip_id, one.annotator, one.choice[:3], one.note) for one in reported(votes)]
    side = votes[1].choice[:3]
    assert told == [
        (a.clip_id, "x", side, "too fast to see"),
        (b.clip_id, "x", "bad", None),
        (c.clip_id, "x", "bad", "a slide show"),
    ]


def test_people_who_call_the_same_clip_bad_agree() -> None:
    a, b = asked = comparisons(2)
    votes = [vote(a, who, "bad_clip") for who in "xy"] + [vote(b, who, "answer") for who in "xy"]
    assert agreement(votes, asked)[0].alpha == 1.0
