from pathlib import Path

import pytest

from filters.camera.naming import summarise
from filters.camera.second import second_opinion
from stages.demo.recipe import Camera, Mover, Recipe
from tests.unit.filters.camera.measured import CONFIG, rendered


@pytest.mark.parametrize(
    "camera",
    [Camera(), Camera(pan=0.12), Camera(tilt=-0.1), Camera(zoom=0.15), Camera(roll=-8.0)],
)
def test_both_opinions_see_the_same_camera(camera: Camera, tmp_path: Path) -> None:
    recipe = Recipe("clip", "coffee", camera, (Mover((0.1, 0.05), 0.2, "cup"),), seconds=3.0)
    motion = rendered(recipe, tmp_path)
    assert summarise(motion, CONFIG).labels == recipe.camera_labels
    assert second_opinion(motion, CONFIG).labels == recipe.camera_labels


def test_of_a_clip_too_short_for_flow_over_a_second_there_is_one_opinion(tmp_path: Path) -> None:
    motion = rendered(Recipe("short", "coffee", Camera(pan=0.3), seconds=0.09), tmp_path)
    second = second_opinion(motion, CONFIG)
    assert second.labels == ()
    assert second.reason
