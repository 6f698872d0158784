import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.camera.points import SPACING, Points, corners, picture
from filters.flow.dis import DisFlow
from filters.points.lucas_kanade import LucasKanade
from tests import videos

ALL = (slice(None), slice(None))


def texture(width: int = 256, height: int = 144, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (height, width), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2.5)


def followed(samples: list[np.ndarray]) -> Points:
    follower, estimate = LucasKanade(picture(np.stack(samples))), DisFlow("fast")
    for k, image in enumerate(samples):
        if k:
            follower.follow(samples[k - 1], image, estimate(samples[k - 1], image))
        follower.begin(image, cv2.cornerMinEigenVal(image, 5))
    return follower.points()


@given(st.floats(-6, 6), st.floats(-4, 4), st.floats(0.6, 1.4))
@settings(deadline=None, max_examples=25)
def test_points_go_where_the_picture_goes_however_it_is_lit(x: float, y: float, light: float) -> None:
    image = texture()
    moved = cv2.warpAffine(
        image, np.array([[1, 0, x], [0, 1, y]]), image.shape[::-1], borderMode=cv2.BORDER_REFLECT
    )
    moved = np.clip(moved * light, 0, 255).astype(np.uint8)
    pairs = followed([image, moved]).pairs([(0, 1)])
    inside = (np.abs(pairs.z.real) < 110) & (np.abs(pairs.z.imag) < 55)
    assert inside.sum() > 40
    assert np.median(np.abs(pairs.f[inside] - complex(x, y))) < 0.35


def test_a_point_keeps_its_number_while_it_is_seen_and_no_two_share_one() -> None:
    samples = [videos.scene(256, 144, 0.01 * k)[..., 1] for k in range(6)]
    points = followed(samples)
    assert all(len(np.unique(tracks)) == len(tracks) for tracks in points.tracks)
    assert all((np.diff(tracks) > 0).all() for tracks in points.tracks)
    assert len(np.intersect1d(points.tracks[0], points.tracks[-1])) > 20
    assert len(points.pairs([(0, 5), (2, 3)]).z) == sum(
        len(np.intersect1d(points.tracks[i], points.tracks[j])) for i, j in ((0, 5), (2, 3))
    )


def test_every_part_of_a_picture_gets_its_points_and_a_flat_part_none() -> None:
    image = texture()
    image[:, 128:] //= 3  # plain, but not flat
    image[:48, 200:] = 90
    found = corners(cv2.cornerMinEigenVal(image, 5), np.empty((0, 2), np.float32), ALL)
    squares = {(int(x) // SPACING, int(y) // SPACING) for x, y in found}
    assert len(squares) == len(found)
    assert 0.6 < (found[:, 0] > 128).mean() / (found[:, 0] < 128).mean() < 1.2
    assert not ((found[:, 0] > 206) & (found[:, 1] < 42)).any()


def test_a_square_that_has_a_point_gets_no_other() -> None:
    eigen = cv2.cornerMinEigenVal(texture(), 5)
    first = corners(eigen, np.empty((0, 2), np.float32), ALL)
    assert len(corners(eigen, first, ALL)) == 0
    assert len(corners(eigen, first[::2], ALL)) == len(first[1::2])


def test_the_edges_of_black_bars_are_no_corners() -> None:
    image = texture()
    image[:20] = image[-20:] = 3
    rows, columns = picture(np.stack([image] * 3))
    assert (rows, columns) == (slice(20, 124), slice(0, 256))
    found = corners(cv2.cornerMinEigenVal(image, 5), np.empty((0, 2), np.float32), (rows, columns))
    assert found[:, 1].min() > 24
    assert found[:, 1].max() < 120


@pytest.mark.parametrize("value", [0, 255])
def test_of_a_blank_picture_there_are_no_points_and_all_of_it_is_picture(value: int) -> None:
    blank = np.full((144, 256), value, np.uint8)
    points = followed([blank, blank])
    assert [len(tracks) for tracks in points.tracks] == [0, 0]
    assert len(points.pairs([(0, 1)]).z) == 0
    assert np.zeros((144, 256))[picture(np.stack([blank]))].shape == (144, 256)
