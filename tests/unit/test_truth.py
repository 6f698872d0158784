"""The judge of `make truth` is itself right."""

import numpy as np
import pytest

from filters.evidence import Track
from stages.demo.depth.truth import MoverTruth, Stretch
from stages.demo.depth.verdict import verdict
from tests.truth.judging import faults, path_is_true


@pytest.mark.parametrize(
    ("told", "true", "expected"),
    [
        (("truck_left",), ("truck_left",), "named"),
        (("pan_left",), ("truck_left",), "left open"),
        (("truck_left",), ("pan_left",), "wrong"),
        (("pan_right",), ("truck_left",), "wrong"),
        ((), ("dolly_in",), "nothing said"),
        (("static",), ("dolly_in",), "wrong"),
        (("zoom_in",), ("dolly_in", "pan_left"), "left open"),
        (("truck_left",), ("arc_clockwise",), "left open"),
        (("truck_right",), ("arc_clockwise",), "wrong"),
    ],
)
def test_a_camera_is_named_left_open_or_wrong(
    told: tuple[str, ...], true: tuple[str, ...], expected: str
) -> None:
    assert verdict(told, true) == expected


def test_labels_by_eye_hold_for_travelling_as_for_turning() -> None:
    known = {"must": ["zoom_in"], "never": ["pan_left"]}
    assert faults(("dolly_in",), known) == []
    assert faults(("truck_left",), known) == ["without zoom_in", "with pan_left"]


@pytest.mark.parametrize(
    ("phase", "true"),
    [
        ((0.0, 1.0, 0.3, 0.0), True),
        ((0.0, 1.0, 0.3, -0.2), True),
        ((0.0, 1.0, -0.3, 0.0), False),
        ((2.5, 3.0, 0.3, 0.0), False),
    ],
)
def test_a_path_is_true_if_something_goes_that_way_at_that_time(
    phase: tuple[float, float, float, float], true: bool
) -> None:
    right = Stretch(0.0, 2.0, "right", None, 0.3)
    rest = Stretch(2.0, 3.0, None, None, 0.0)
    mover = MoverTruth("car", np.zeros((1, 4)), np.ones(1), (right, rest))
    track = Track("", np.zeros(1), np.zeros((1, 4)), np.ones(1), (0.0, 0.0), phases=(phase,))
    assert path_is_true(track, [mover], (320, 180)) is true
    assert not path_is_true(track, [], (320, 180))
