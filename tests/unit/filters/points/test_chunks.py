import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.camera.points import Points
from filters.points.chunks import EVERY, ChunkFollower, Predict, bounds

WIDTH, HEIGHT = 256, 144
ALL = (slice(None), slice(None))


class Shift:
    """Stands for a network: all points go the same way, and those on the left are not seen at some time.

    Samples have their number in their first pixel, by which it knows the time.
    """

    def __init__(self, shift: tuple[float, float], hidden: tuple[int, ...] = ()) -> None:
        self.shift, self.hidden, self.calls = shift, hidden, list[tuple[int, int]]()

    def __call__(self, samples: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        times = samples[:, 0, 0].astype(np.float32)
        self.calls.append((len(samples), len(points)))
        path = points + (times - times[0])[:, None, None] * np.array(self.shift, np.float32)
        seen = ~(np.isin(times, self.hidden)[:, None] & (path[..., 0] < WIDTH / 2))
        seen[0] = True
        return path, seen


def followed(
    predict: Predict, count: int, chunk: int, picture: tuple[slice, slice] = ALL, shade: float = 1
) -> Points:
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    image = (cv2.GaussianBlur(noise, (0, 0), 2.5) * shade).astype(np.uint8)
    eigen = cv2.cornerMinEigenVal(image, 5)
    follower = ChunkFollower(predict, chunk, picture)
    for k in range(count):
        sample = image.copy()
        sample[0, 0] = k
        if k:
            follower.follow(sample, sample, np.zeros((HEIGHT, WIDTH, 2), np.float32))
        follower.begin(sample, eigen)
    return follower.points()


def test_a_point_keeps_its_number_from_chunk_to_chunk() -> None:
    points = followed(Shift((2, 0)), 60, 16)
    pairs = points.pairs([(0, 59), (8, 32)])
    assert (pairs.span == 0).sum() > 40
    assert (pairs.span == 1).sum() > 100
    assert np.array_equal(pairs.f, np.where(pairs.span == 0, 2 * 59, 2 * 24))
    assert all((np.diff(tracks) > 0).all() for tracks in points.tracks)


@pytest.mark.parametrize("chunk", [8, 17, 24, 500])
def test_where_the_way_is_known_chunks_of_any_length_find_the_same(chunk: int) -> None:
    points, one = followed(Shift((2, 1)), 50, chunk), followed(Shift((2, 1)), 50, 48)
    assert len(points.tracks) == len(points.at) == 50
    for tracks, at, others, there in zip(points.tracks, points.at, one.tracks, one.at, strict=True):
        assert np.array_equal(tracks, others)
        assert np.array_equal(at, there)


def test_a_network_sees_no_more_than_a_chunk_at_once() -> None:
    shift = Shift((2, 0))
    followed(shift, 100, 24)
    assert max(samples for samples, _ in shift.calls) == 25
    assert min(samples for samples, _ in shift.calls) >= 2


@given(st.integers(1, 2000), st.integers(EVERY, 100))
def test_chunks_cover_the_clip_and_are_about_equally_long(count: int, chunk: int) -> None:
    found = bounds(count, chunk)
    assert (found[0], found[-1]) == (0, count - 1)
    assert not any(first % EVERY for first in found[:-1])
    lengths = np.diff(found)
    assert len(found) == 1 or 0 < lengths.min() <= lengths.max() <= chunk
    assert len(found) == 1 or lengths.max() - lengths.min() < 2 * EVERY


def test_a_point_that_is_not_seen_once_is_lost_and_another_begins_in_its_place() -> None:
    points = followed(Shift((0, 0), hidden=(11,)), 40, 16)
    left = points.tracks[0][points.at[0].real < 0]
    assert np.isin(left, points.tracks[10]).all()
    for k in range(11, 40):
        assert not np.isin(left, points.tracks[k]).any()
    assert len(points.tracks[15]) == len(points.tracks[0]) - len(left)
    assert len(points.tracks[16]) == len(points.tracks[0])
    assert points.tracks[16][-len(left) :].min() > points.tracks[0].max()
    assert set(points.at[16]) == set(points.at[0])


def test_points_begin_where_the_picture_is_left_without_any() -> None:
    points = followed(Shift((7, 0)), 26, 48)
    made = [int(tracks.max()) for tracks in points.tracks]
    assert [k for k in range(1, 26) if made[k] > made[k - 1]] == [8, 16, 24]
    left = [(at.real < -60).sum() for at in points.at]
    assert left[7] < left[0] / 3
    assert left[8] > left[0] * 0.8


def test_where_all_points_stay_none_begins_after_the_first_sample() -> None:
    shift = Shift((0, 0))
    points = followed(shift, 60, 24)
    assert all(np.array_equal(tracks, points.tracks[0]) for tracks in points.tracks)
    assert len(shift.calls) == 3


def test_a_point_that_leaves_the_frame_or_the_picture_is_lost() -> None:
    picture = slice(20, 124), slice(0, WIDTH)
    points = followed(Shift((0, -5)), 30, 16, picture)
    y = np.concatenate(points.at).imag + (HEIGHT - 1) / 2
    assert y.min() >= 20
    assert y.max() <= 123
    assert len(points.pairs([(0, 29)]).z) == 0
    x = np.concatenate(followed(Shift((6, 0)), 30, 16).at).real + (WIDTH - 1) / 2
    assert x.max() <= WIDTH - 1


def test_of_a_blank_clip_there_are_no_points_and_no_network_is_asked() -> None:
    shift = Shift((1, 0))
    points = followed(shift, 20, 8, shade=0)
    assert [len(tracks) for tracks in points.tracks] == [0] * 20
    assert not shift.calls
    assert len(ChunkFollower(shift, 8, ALL).points().tracks) == 0
