from pathlib import Path

import numpy as np
import pytest

from filters.camera.measure import Methods, measure
from filters.camera.motion import CHANGED
from filters.camera.naming import summarise
from filters.camera.statistics import statistics
from filters.flow.dis import DisFlow
from stages.demo.recipe import Camera, Recipe
from tests.unit.filters.camera.measured import CONFIG, rendered


@pytest.mark.parametrize("photo", ["astronaut", "gravel", "rocket"])
def test_a_fast_roll_changes_nothing_in_the_scene(photo: str, tmp_path: Path) -> None:
    motion = rendered(Recipe(photo, photo, Camera(roll=25.0, zoom=-0.1)), tmp_path)
    assert motion.long
    for step in motion.long:
        assert step.change is not None
        assert np.nanmean(step.change > CHANGED) < 0.05


@pytest.mark.parametrize("shape", [(2, 32, 32), (3, 32, 256), (5, 256, 32)])
def test_the_smallest_clips_are_measured(shape: tuple[int, int, int]) -> None:
    samples = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    motion = measure(samples, np.arange(shape[0]) / 8, Methods(DisFlow("ultrafast")), CONFIG)
    numbers = statistics(motion)
    assert all(np.isfinite(value) for value in numbers.values())
    assert np.isfinite(summarise(motion, CONFIG).pan)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_of_a_blank_clip_nothing_is_said(value: int) -> None:
    samples = np.full((9, 144, 256), value, np.uint8)
    motion = measure(samples, np.arange(9) / 8, Methods(DisFlow("ultrafast")), CONFIG)
    assert motion.cuts == []
    camera = summarise(motion, CONFIG)
    assert (camera.labels, camera.reason) == ((), "nothing in the picture can be followed")
