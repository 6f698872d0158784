from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.pixels import fitted, luma, resized, rgb, upright
from tests import videos


def first(path: Path, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """The brightness of the first frame, float64."""
    return Clip(str(path)).read([Wanted([0], size, False)], DecodeConfig())[0].pictures[0].astype(float)


@pytest.mark.parametrize("name", ["odd", "10bit", "vp9", "av1", "h265", "sound", "gif"])
def test_the_brightness_is_the_same_in_every_format(clips: dict[str, Path], name: str) -> None:
    # A GIF has eight levels per colour.
    assert np.abs(first(clips[name]) - first(clips["spaces"])).mean() < (6 if name == "gif" else 4)


def test_a_clip_rotated_by_metadata_is_turned_upright(clips: dict[str, Path]) -> None:
    probe = Clip(str(clips["rotated"])).probe
    assert (probe.width, probe.height) == (240, 320)
    turned = first(clips["rotated"], (240, 320))
    clockwise = np.rot90(first(clips["spaces"], (320, 240)), -1)
    assert np.abs(turned - clockwise).mean() < 3 < np.abs(turned - clockwise[::-1, ::-1]).mean()


@pytest.mark.parametrize("layout", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "rgb24", "gray"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_frame_keeps_its_colours_in_every_layout_and_rotation(layout: str, rotation: int) -> None:
    scene = cv2.GaussianBlur(videos.scene(96, 64), (0, 0), 3)  # sharp colours do not survive 4:2:0
    if layout == "gray":
        scene = np.repeat(scene[..., 1:2], 3, axis=2)
    frame = av.VideoFrame.from_ndarray(scene, format="rgb24").reformat(format=layout)
    meant = np.rot90(scene, rotation // 90)
    size = meant.shape[1], meant.shape[0]
    colour, gray = rgb(frame, size, rotation), luma(frame, size, rotation)
    assert colour.shape == meant.shape
    assert gray.shape == meant.shape[:2]
    assert np.abs(colour.astype(int) - meant).mean() < 4
    light = cv2.cvtColor(np.ascontiguousarray(meant), cv2.COLOR_RGB2GRAY)
    assert np.corrcoef(gray.ravel(), light.ravel())[0, 1] > 0.99


@given(st.integers(1, 10000), st.integers(1, 10000))
def test_a_fitted_size_keeps_the_longer_side_and_never_gets_too_thin(width: int, height: int) -> None:
    w, h = fitted(width, height, 256)
    assert max(w, h) == 256
    assert min(w, h) >= 32


@pytest.mark.parametrize("size", [(640, 360), (320, 180), (256, 144), (213, 120), (100, 80), (900, 500)])
def test_resizing_in_two_steps_looks_like_averaging_in_one(size: tuple[int, int]) -> None:
    image = cv2.GaussianBlur(videos.scene(1281, 721), (0, 0), 4)
    once = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(int)
    twice = resized(image, size)
    assert twice.shape == (size[1], size[0], 3)
    assert np.abs(twice - once).mean() < 0.01 * 255


def test_four_quarter_turns_are_none() -> None:
    image = videos.scene(8, 6)
    assert np.array_equal(upright(upright(image, 90), 270), image)
    assert np.array_equal(upright(upright(image, 180), 180), image)
    assert np.array_equal(upright(image, 90), image.transpose(1, 0, 2)[::-1])
