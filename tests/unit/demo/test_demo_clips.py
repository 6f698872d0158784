"""The demo's clips cover what they are to cover, and show it within the frame."""

import numpy as np
import pytest

from pipeline.schema import CAMERA_LABELS
from stages.demo.demo_clips import QUICK, recipes
from stages.demo.recipe import DIRECTIONS
from stages.demo.trajectory import mover_boxes

RECIPES = recipes()
# A flat picture shows no travelling.
FLAT = [label for label in CAMERA_LABELS if label.split("_")[0] not in ("truck", "pedestal", "dolly", "arc")]


def test_recipes_cover_every_label_and_direction() -> None:
    assert len(RECIPES) >= 48
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)
    for label in FLAT:
        assert sum(label in recipe.camera_labels for recipe in RECIPES) >= 3, label
    assert {recipe.direction for recipe in RECIPES} == {None, *DIRECTIONS}
    still = [recipe.direction for recipe in RECIPES if recipe.camera_labels == ("static",)]
    assert set(DIRECTIONS) <= set(still)
    for recipe in RECIPES:
        assert list(recipe.camera_labels) == sorted(recipe.camera_labels, key=CAMERA_LABELS.index)


@pytest.mark.parametrize("seed", range(5))
def test_objects_stay_in_the_frame(seed: int) -> None:
    for recipe in recipes(seed):
        for mover in recipe.movers:
            x0, y0, x1, y1 = mover_boxes(recipe, mover).T
            seen = (np.minimum(x1, recipe.width) - np.maximum(x0, 0)).clip(0)
            seen *= (np.minimum(y1, recipe.height) - np.maximum(y0, 0)).clip(0)
            share = seen / ((x1 - x0) * (y1 - y0))
            assert (share > 0.6).mean() >= 0.7, recipe.name


def test_recipes_depend_on_the_seed_alone() -> None:
    assert recipes(3) == recipes(3)
    assert recipes(3) != recipes(4)


def test_a_quick_demo_shows_some_of_its_clips_with_and_without_objects() -> None:
    some = [recipe for recipe in recipes() if recipe.name in QUICK]
    assert len(some) == len(QUICK)
    assert {bool(recipe.direction) for recipe in some} == {False, True}
