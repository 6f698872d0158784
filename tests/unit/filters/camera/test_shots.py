from pathlib import Path

import numpy as np
import pytest

from filters.camera.shots import find_cuts, find_dissolves, without_flashes
from filters.flow.dis import DisFlow
from stages.demo.hard_cases import hard_cases
from stages.demo.recipe import Recipe
from tests import videos
from tests.unit.filters.camera.measured import rendered

FLOW = DisFlow("ultrafast")


def test_a_cut_is_one_unlike_sample_among_alike_ones_and_a_fast_pan_is_many() -> None:
    assert find_cuts(np.array([1, 0.9, 0.9, 0.1, 0.9, 0.9]), 0.35) == [3]
    assert find_cuts(np.array([1, 0.9, 0.2, 0.2, 0.2, 0.2, 0.9]), 0.35) == []
    assert find_cuts(np.array([1, 0.9, 0.9, 0.4, 0.9]), 0.35) == []
    assert find_cuts(np.array([1, 0.1]), 0.35) == [1]


def test_a_flash_is_drawn_anew_and_a_lamp_that_stays_on_is_not() -> None:
    samples = np.stack([videos.scene(128, 96, 0.01 * k)[..., 1] // 2 for k in range(7)])
    lit = samples.copy()
    lit[3] += 100
    drawn = without_flashes(lit, FLOW, 0.35)
    assert np.array_equal(np.delete(drawn, 3, 0), np.delete(samples, 3, 0))
    assert np.abs(drawn[3].astype(int) - samples[3]).mean() < 3
    lit[4:] += 100
    assert without_flashes(lit, FLOW, 0.35) is lit


def test_a_flash_on_a_cut_becomes_the_sample_before_it() -> None:
    one, other = videos.scene(128, 96)[..., 1] // 2, videos.scene(128, 96, 0.7)[::-1, :, 0] // 2
    drawn = without_flashes(np.stack([one, one, one + 100, other, other]), FLOW, 0.35)
    assert np.array_equal(drawn[2], one)


def test_a_dissolve_needs_steps_over_the_long_baseline() -> None:
    assert find_dissolves(np.zeros((3, 8, 8), np.uint8), []) == []


SHOTS = [recipe for recipe in hard_cases() if recipe.cuts_s]


@pytest.mark.parametrize("recipe", SHOTS, ids=[recipe.name for recipe in SHOTS])
def test_no_step_over_the_long_baseline_crosses_a_cut_or_a_dissolve(recipe: Recipe, tmp_path: Path) -> None:
    motion = rendered(recipe, tmp_path)
    assert motion.cuts
    assert not [(s.i, s.j) for s in motion.long if any(s.i < cut <= s.j for cut in motion.cuts)]
