import math

from filters.verdicts import GatesConfig
from stages.audit.samples import EACH, MOST, samples
from tests.tables import annotation, question, score, table


def test_samples_are_the_nearest_on_both_sides_of_each_gate_each_once() -> None:
    qualities = {"a": 10.0, "b": 79.0, "c": 78.0, "d": 80.5, "e": 99.0, "f": 82.0, "g": math.nan}
    gates = GatesConfig(duration_min_s=None, duration_max_s=None, side_min=None, cuts_max=None, flow_max=None)
    scored = [score(name, quality=value) for name, value in qualities.items()] + [score("z", error="timeout")]
    answers = [annotation("a", question(motion_check=0.5)), annotation("b", question())]
    found = samples(table("scores", scored), table("annotations", answers), gates)
    assert [(s.clip_id, s.gate, s.kept) for s in found] == [
        ("d", "quality_max", False),
        ("f", "quality_max", False),
        ("a", "motion_check_min", False),
        ("b", "quality_max", True),
        ("c", "quality_max", True),
    ]
    assert len(found[:2]) == EACH
    assert samples(table("scores", []), table("annotations", []), GatesConfig()) == []
    many = [score(f"{n}", duration_s=0.1 * n, quality=40.0 + n, flow_mean=0.01 * n) for n in range(300)]
    assert len(samples(table("scores", many), table("annotations", []), GatesConfig())) <= MOST
