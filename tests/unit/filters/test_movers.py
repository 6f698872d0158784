import numpy as np
import pytest

from filters.movers import movers
from filters.objects import SPEED_MIN
from tests.unit.filters.tracks import block, moving, spread


def test_things_that_move_apart_are_found_apart_with_their_times_and_places() -> None:
    left = [lambda t, at=at: at + 30 * t for at in block(-60 - 30j)]
    late = [lambda t, at=at: at - 25j * max(0.0, t - 1) for at in block(60 + 40j)]
    behind = [lambda t, at=at: at for at in spread(100)]
    one, other = movers(moving([*left, *late, *behind], 3.0), SPEED_MIN)
    assert one.times[0] < 0.5
    assert 0.7 < other.times[0] < 1.3
    assert (one.boxes[:, 2] < 128 + 60).all()
    assert np.diff(one.boxes[:, 0]).mean() == pytest.approx(30 / 8, rel=0.1)
    assert np.median(np.diff(other.boxes[:, 1])) == pytest.approx(-25 / 8, rel=0.1)


def test_a_texture_that_boils_is_no_thing() -> None:
    rng = np.random.default_rng(0)

    def boiling(at: complex):
        phase, hertz = rng.uniform(0, 6.28, 2), rng.uniform(0.7, 2, 2)
        return lambda t: (
            at + 3 * np.sin(6.28 * hertz[0] * t + phase[0]) + 3j * np.sin(6.28 * hertz[1] * t + phase[1])
        )

    assert movers(moving([boiling(at) for at in spread(250)], 4.0), SPEED_MIN) == []


def test_what_is_drawn_over_a_moving_picture_is_no_thing() -> None:
    caption = [lambda t, at=at: at for at in block(-80 + 50j)]
    behind = [lambda t, at=at: at - 40 * t for at in spread(150)]
    assert movers(moving([*caption, *behind], 2.0, shift=-40), SPEED_MIN) == []


@pytest.mark.parametrize("paths", [[], [lambda t: 10 * t]])
def test_of_no_points_or_a_single_one_nothing_is_made(paths: list) -> None:
    assert movers(moving(paths, 2.0), SPEED_MIN) == []
