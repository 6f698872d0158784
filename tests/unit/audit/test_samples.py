import math

from filters.verdicts import GatesConfig
from stages.audit.samples import EACH, MOST, samples
from tests.tables import annotation, question, score, table

NONE: dict[str, dict[str, int]] = {"clips": {}, "questions": {}}


def test_samples_are_the_nearest_on_both_sides_of_each_gate_each_once() -> None:
    qualities = {"a": 10.0, "b": 79.0, "c": 78.0, "d": 80.5, "e": 99.0, "f": 82.0, "g": math.nan}
    gates = GatesConfig(duration_min_s=None, duration_max_s=None, side_min=None, cuts_max=None, flow_max=None)
    scored = [score(name, quality=value) for name, value in qualities.items()] + [score("z", error="timeout")]
    answers = [annotation("a", question(motion_check=0.5)), annotation("b", question())]
    dropped = {"clips": {"quality_max": 3}, "questions": {"motion_check_min": 1}}
    found = samples(table("scores", scored), table("annotations", answers), gates, dropped)
    assert [(s.clip_id, s.gate, s.kept) for s in found] == [
        ("d", "quality_max", False),
        ("f", "quality_max", False),
        ("b", "quality_max", True),
        ("c", "quality_max", True),
        ("a", "motion_check_min", False),
    ]
    assert len(found[:2]) == EACH
    assert samples(table("scores", []), table("annotations", []), GatesConfig(), NONE) == []
    many = [score(f"{n}", duration_s=0.1 * n, quality=40.0 + n, flow_mean=0.01 * n) for n in range(300)]
    assert len(samples(table("scores", many), table("annotations", []), GatesConfig(), NONE)) <= MOST


def test_the_gates_that_drop_most_clips_come_first() -> None:
    scored = [score("a", quality=90.0), *(score(name, flow_mean=2.0) for name in "bc")]
    scored += [score("d", quality=79.0), score("e", duration_s=0.5)]
    dropped = {"clips": {"quality_max": 1, "flow_max": 2, "duration_min_s": 1}, "questions": {}}
    found = samples(table("scores", scored), table("annotations", []), GatesConfig(), dropped)
    gates = list(dict.fromkeys(sample.gate for sample in found))
    assert gates[:3] == ["flow_max", "duration_min_s", "quality_max"]
    kept = {sample.gate: [one.kept for one in found if one.gate == sample.gate] for sample in found}
    assert all(sorted(sides) == sides for sides in kept.values())
    assert len(gates) == len([1 for n, one in enumerate(found) if not n or one.gate != found[n - 1].gate])
