"""Verdicts on claims, by what was measured."""

import numpy as np
import pytest

from filters.evidence import CameraMotion, Evidence, Track
from filters.motion_check import check


def track(*ways: tuple[float, float], speed: float = 0.1) -> Track:
    """An object that moves in these directions, a second each, in frame widths and heights per second."""
    phases = tuple((float(k), k + 1.0, *way) for k, way in enumerate(ways))
    mean = np.mean(ways, axis=0) if ways else (0.0, 0.0)
    one = np.array([[0.0, 0, 10, 10]])
    return Track("", np.zeros(1), one, np.ones(1), (mean[0], mean[1]), speed=speed, phases=phases)


@pytest.mark.parametrize(
    ("text", "tracks", "verdict"),
    [
        ("The dog runs left, then right.", [track((-0.2, 0), (0.2, 0))], True),
        ("The dog runs left, then right.", [track((0.2, 0), (-0.2, 0))], False),
        ("The dog runs left, then right.", [track((-0.2, 0))], False),
        ("The dog runs left, then right.", [track()], None),
        ("A swing goes back and forth.", [track((-0.2, 0), (0.2, 0))], True),
        ("A swing goes back and forth.", [track((0.2, 0))], False),
        ("A swing goes back and forth.", [track()], None),
        ("The car speeds up.", [track((0.1, 0), (0.2, 0))], True),
        ("The car speeds up.", [track((0.2, 0), (0, 0.1))], False),
        ("The car speeds up.", [track((0.2, 0))], None),
        ("The car slows down.", [track((0.2, 0), (0.1, 0))], True),
        ("The car does not slow down.", [track((0.2, 0), (0.1, 0))], False),
        ("The car slows down.", [], None),
        ("The van is faster than the truck.", [track(speed=0.2), track(speed=0.1)], True),
        ("The van is faster than the truck.", [track(speed=0.1), track(speed=0.105)], False),
        ("The van is faster than the truck.", [track(speed=0.1), track(speed=0.118)], None),
        ("The van is faster than the truck.", [track(speed=0.2)], None),
        ("They move at the same speed.", [track(speed=0.1), track(speed=0.105)], True),
        ("They move at the same speed.", [track(speed=0.2), track(speed=0.1)], False),
        ("They move at the same speed.", [track(speed=0.0), track(speed=0.0)], True),
    ],
)
def test_order_and_pace_are_judged_by_the_measurements_or_not_at_all(
    text: str, tracks: list[Track], verdict: bool | None
) -> None:
    evidence = Evidence(100, 100, 2.0, CameraMotion(("static",)), tuple(tracks), object_area=0.1)
    verdicts = {str(claim).rsplit(":")[-1]: held for claim, held in check(text, evidence)[1]}
    of_interest = [
        held for name, held in verdicts.items() if "_then_" in name or not name.startswith("moves")
    ]
    assert of_interest == [verdict]


def test_the_opposite_of_what_was_measured_is_caught() -> None:
    evidence = Evidence(320, 240, 3.0, CameraMotion(("pan_right",), pan=0.1))
    assert check("The camera pans left.", evidence)[0] == 0
    assert check("The camera pans right.", evidence)[0] == 1
    assert check("The camera pans right and zooms in.", evidence)[0] == 0.5
    assert check("It is a lovely day.", evidence)[0] is None
    unknown = Evidence(320, 240, 3.0, CameraMotion((), fit=0.1))
    assert check("The camera pans left.", unknown)[0] is None
    assert check("The camera is static.", unknown)[0] is None


RIGHT, LEFT, UNKNOWN = (
    CameraMotion(("pan_right",), pan=0.1),
    CameraMotion(("pan_left",), pan=-0.1),
    CameraMotion(()),
)


@pytest.mark.parametrize(
    ("second", "right", "left"), [(RIGHT, True, False), (LEFT, None, None), (UNKNOWN, None, None)]
)
def test_a_claim_is_judged_where_two_measurements_agree(
    second: CameraMotion, right: bool | None, left: bool | None
) -> None:
    evidence = Evidence(320, 240, 3.0, RIGHT, second=second)
    assert check("The camera pans right.", evidence)[1][0][1] is right
    assert check("The camera pans left.", evidence)[1][0][1] is left


@pytest.mark.parametrize(
    ("text", "labels", "verdict"),
    [
        ("The camera zooms in.", ("dolly_in",), False),
        ("The camera moves forward.", ("dolly_in",), True),
        ("The view closes in.", ("dolly_in",), True),
        ("The camera zooms in.", ("zoom_in",), True),
        ("The camera moves forward.", ("zoom_in",), None),
        ("The camera moves backward.", ("zoom_in",), False),
        ("The camera trucks left.", ("pan_left",), None),
        ("The view moves to the left.", ("pan_left",), True),
        ("The camera pans left.", ("truck_left",), False),
    ],
)
def test_travelling_is_believed_only_where_it_is_proven(
    text: str, labels: tuple[str, ...], verdict: bool | None
) -> None:
    assert check(text, Evidence(320, 240, 3.0, CameraMotion(labels)))[1][0][1] is verdict
