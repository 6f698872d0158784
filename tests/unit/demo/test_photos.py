"""The photographs are there without a download."""

import numpy as np
import pytest

from stages.demo.photos import SCENES, SPRITES, scene_image, sprite_image
from stages.demo.recipe import Recipe


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_larger_than_the_frame_and_has_something_to_see(name: str) -> None:
    scene = scene_image(Recipe("", name, width=360, height=640))
    assert scene.dtype == np.uint8
    assert scene.shape[0] > 640
    assert scene.shape[1] > 360
    assert scene.std() > 15


@pytest.mark.parametrize("name", SPRITES)
def test_a_sprite_is_opaque_inside_and_transparent_at_its_corners(name: str) -> None:
    coverage = sprite_image(name, 600)[..., 3]
    height, width = coverage.shape
    assert width == 600
    assert coverage[height // 2, width // 2] == 255
    assert not coverage[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert (coverage > 0).mean() == pytest.approx(np.pi / 4, abs=0.01)  # an ellipse in its box
