import itertools
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.pixels import Orientation, fitted, luma, resized, rgb, upright
from tests import videos

SIGNS = list(itertools.product((1, -1), repeat=2))
MATRICES = [(a, 0, 0, d) for a, d in SIGNS] + [(0, b, c, 0) for b, c in SIGNS]
TURNS = [Orientation(*flags) for flags in itertools.product((False, True), repeat=3)]


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


def as_shown(image: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """The image under a display matrix, by its definition: (x, y) is shown at (a x + c y, b x + d y)."""
    a, b, c, d = matrix
    y, x = np.indices(image.shape[:2])
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    shown = np.empty((down.max() + 1, across.max() + 1, *image.shape[2:]), image.dtype)
    shown[down, across] = image
    return shown


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_clip_is_seen_as_players_show_it_under_every_display_matrix(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    plain = videos.write(tmp_path / "a.mp4", 6, 64, 48)
    before = first(plain, (64, 48))
    videos.turn_by_metadata(plain, matrix)
    probe = Clip(str(plain)).probe
    assert (probe.width, probe.height) == ((64, 48) if matrix[0] else (48, 64))
    assert np.array_equal(first(plain, (probe.width, probe.height)), as_shown(before, matrix))


@pytest.mark.parametrize(("shape", "width"), [("2:1", 320), ("1:2", 80), ("64:45", 228), ("401:400", 160)])
@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi", "ts"])
def test_pixels_that_are_not_square_are_stretched(tmp_path: Path, kind: str, shape: str, width: int) -> None:
    path = tmp_path / f"a.{kind}"
    videos.write(path, 12, 160, 96, options={"bf": "0"}, pixels=Fraction(shape.replace(":", "/")))
    probe = Clip(str(path)).probe
    assert (probe.width, probe.height) == (width, 96)


@pytest.mark.parametrize("layout", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "rgb24", "gray"])
@pytest.mark.parametrize("turn", TURNS)
def test_a_frame_keeps_its_colours_in_every_layout_however_it_is_turned(
    layout: str, turn: Orientation
) -> None:
    scene = cv2.GaussianBlur(videos.scene(96, 64), (0, 0), 3)  # sharp colours do not survive 4:2:0
    if layout == "gray":
        scene = np.repeat(scene[..., 1:2], 3, axis=2)
    frame = av.VideoFrame.from_ndarray(scene, format="rgb24").reformat(format=layout)
    meant = upright(scene, turn)
    size = meant.shape[1], meant.shape[0]
    colour, gray = rgb(frame, size, turn), luma(frame, size, turn)
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


@pytest.mark.parametrize("turn", TURNS)
def test_turning_an_image_turns_its_size(turn: Orientation) -> None:
    image = videos.scene(8, 6)
    height, width = upright(image, turn).shape[:2]
    assert turn.turned(8, 6) == (width, height)
    assert turn.turned(width, height) == (8, 6)
