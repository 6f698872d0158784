"""The photographs are there without a download, and what is missing has a name."""

import sys

import numpy as np
import pytest

from pipeline.errors import CallError
from stages.demo.photos import SCENES, SPRITES, photograph, scene_image, sprite_image
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


def test_without_scikit_image_the_call_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    photograph.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(CallError, match=r"pip install 'motionsight-distill\[demo\]'") as raised:
        scene_image(Recipe("", "coffee"))
    assert "scikit-image" in str(raised.value)
    assert "\n" not in str(raised.value)
