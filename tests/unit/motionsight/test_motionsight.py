"""Blur, spotlight and focus on real pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stages.motionsight.blur import blur, kernel
from stages.motionsight.focus import FocusConfig, regions, speed
from stages.motionsight.spotlight import spotlight
from stages.motionsight.variants import background_blur, crop, red_circle
from tests import videos

FOCUS = FocusConfig()
OFFICIAL = FocusConfig(rule="official")
SIZE = (320, 240)


@given(st.integers(1, 40), st.floats(0.05, 0.95))
def test_the_kernel_sums_to_one_and_falls_with_age(frames: int, decay: float) -> None:
    weights = kernel(frames, decay)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all() or decay**frames < 1e-12
    assert len(weights) == frames


def test_the_kernel_is_the_published_one() -> None:
    published = [0.2675, 0.1957, 0.1753, 0.1387, 0.1020, 0.0717, 0.0490]
    assert kernel(7, 0.65) == pytest.approx(published, abs=5e-5)
    assert (np.diff(kernel(7, 0.65)) < 0).all()


def test_one_weighted_sum_is_what_successive_blends_give() -> None:
    window = np.stack([videos.scene(*SIZE, 0.02 * k) for k in range(7)])
    blended = window[0].astype(np.float64)
    for k in range(1, 7):
        share = 0.65 ** (k + 1)
        blended = (1 - share) * blended + share * window[k]
    assert np.abs(blur(window, kernel(7, 0.65)) - blended).max() <= 0.51


def test_a_still_scene_is_not_blurred_even_with_few_frames() -> None:
    picture = videos.scene(*SIZE)
    for frames in (1, 3, 7):
        assert np.array_equal(blur(np.stack([picture] * frames), kernel(7, 0.65)), picture)


def test_the_spotlight_dims_outside_and_leaves_the_inside_as_it_is() -> None:
    frames = np.stack([videos.scene(*SIZE, 0.1 * k) for k in range(3)])
    lit = spotlight(frames, np.array([[40, 30, 200, 120]] * 3, np.float32), 0.9)
    assert np.array_equal(lit[:, 30:120, 40:200], frames[:, 30:120, 40:200])
    outside = np.ones(frames.shape[1:3], bool)
    outside[30:120, 40:200] = False
    assert np.abs(lit[:, outside] - 0.1 * frames[:, outside]).max() <= 0.5


def test_a_frame_without_a_region_keeps_its_light() -> None:
    frames = videos.scene(*SIZE)[None]
    assert np.array_equal(spotlight(frames, np.full((1, 4), np.nan), 0.9), frames)


REGIONS = np.array([[40, 30, 200, 120], [60, 40, 180, 160], [250, 150, 320, 240]], np.float32)


def test_a_crop_has_one_size_and_shows_what_is_in_the_region() -> None:
    frames = np.stack([videos.scene(*SIZE, 0.1 * k) for k in range(3)])
    cut = crop(frames, REGIONS)
    assert cut.shape == (3, 120, 160, 3)
    assert np.array_equal(cut[0], frames[0, 15:135, 40:200])
    assert np.array_equal(cut[2], frames[2, 120:240, 160:320])


def test_a_crop_of_the_whole_frame_is_the_frame() -> None:
    frames = videos.scene(*SIZE)[None]
    assert np.array_equal(crop(frames, np.array([[0, 0, *SIZE]])), frames)


def test_the_blurred_background_leaves_the_region_bit_exact() -> None:
    frames = np.stack([videos.scene(*SIZE, 0.1 * k) for k in range(3)])
    soft = background_blur(frames, REGIONS)
    assert np.array_equal(soft[0, 30:120, 40:200], frames[0, 30:120, 40:200])
    rough = np.abs(np.diff(frames[0, 130:].astype(int), axis=1)).mean()
    assert np.abs(np.diff(soft[0, 130:].astype(int), axis=1)).mean() < 0.2 * rough


def test_a_background_blurred_in_small_frames_looks_like_that_of_the_video_made_smaller() -> None:
    video = videos.scene(4 * SIZE[0], 4 * SIZE[1])[None]
    small = cv2.resize(video[0], SIZE, interpolation=cv2.INTER_AREA)[None]
    nowhere = np.zeros((1, 4), np.float32)
    expected = cv2.resize(background_blur(video, nowhere)[0], SIZE, interpolation=cv2.INTER_AREA)
    assert np.abs(background_blur(small, nowhere, scale=0.25)[0].astype(int) - expected).mean() < 1
    assert np.abs(background_blur(small, nowhere)[0].astype(int) - expected).mean() > 2, "not scaled"


def test_the_red_circle_is_drawn_around_the_region_and_nowhere_else() -> None:
    frames = np.zeros((3, 240, 320, 3), np.uint8)
    drawn = red_circle(frames, REGIONS)
    assert not frames.any()
    y, x = np.nonzero(drawn[0, :, :, 0])
    assert (x.min(), x.max(), y.min(), y.max()) == tuple(pytest.approx(v, abs=3) for v in (40, 200, 30, 120))
    assert not drawn[0, 75, 120].any()
    assert not drawn[..., 1:].any()


def tracks(count: int) -> st.SearchStrategy[np.ndarray]:
    corner = st.tuples(
        st.floats(0, 200), st.floats(0, 150), st.floats(1, 100), st.floats(1, 80), st.booleans()
    )
    return st.lists(corner, min_size=count, max_size=count).map(
        lambda rows: np.array([[np.nan] * 4 if gone else [x, y, x + w, y + h] for x, y, w, h, gone in rows])
    )


@pytest.mark.parametrize("rule", [FOCUS, OFFICIAL], ids=lambda config: config.rule)
@given(boxes=st.lists(tracks(9), max_size=3))
@settings(deadline=None)
def test_a_region_holds_the_boxes_of_its_frame_and_stays_in_the_picture(
    rule: FocusConfig, boxes: list[np.ndarray]
) -> None:
    times = np.arange(9) / 4
    found = regions(boxes, times, SIZE, rule)
    assert found.shape == (9, 4)
    assert not np.isnan(found).any()
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:] <= SIZE).all()
    assert (found[:, 2:] > found[:, :2]).all()
    for track in boxes:
        seen = ~np.isnan(track).any(1)
        assert (found[seen, :2] <= track[seen, :2] + 1e-3).all()
        assert (found[seen, 2:] >= track[seen, 2:] - 1e-3).all()


def test_without_any_box_the_region_is_the_whole_frame() -> None:
    for rule in (FOCUS, OFFICIAL):
        assert regions([], np.arange(3.0), SIZE, rule).tolist() == [[0, 0, 320, 240]] * 3


def test_officially_a_window_ends_where_the_centre_has_jumped_and_it_has_three_boxes() -> None:
    # The jump of 200 pixels is more than 0.3 * 240 = 72 from the running centre, and still is after one
    # step of 0.3 towards the new place.
    left, right = [40.0, 100, 80, 140], [240.0, 100, 280, 140]
    found = regions([np.array([left] * 2 + [right] * 4)], np.arange(6.0), SIZE, OFFICIAL)
    wide, late = [20, 80, 300, 160], [220, 80, 300, 160]
    assert found.tolist() == [wide] * 3 + [late] * 3, "the third box, already on the new place, is the last"
    found = regions([np.array([left] * 3 + [right] * 3)], np.arange(6.0), SIZE, OFFICIAL)
    assert found.tolist() == [[20, 80, 100, 160]] * 3 + [late] * 3


def test_officially_all_objects_share_the_windows() -> None:
    left, right = [0.0, 100, 40, 140], [280.0, 100, 320, 140]
    jumping, still = np.array([left] * 2 + [right] * 2), np.array([left] * 4)
    found = regions([jumping, still], np.arange(4.0), SIZE, OFFICIAL)
    whole = [0, 80, 320, 160]
    assert found.tolist() == [[0, 80, 60, 160]] * 2 + [whole] * 2, "as the first one jumps"
    found = regions([still, jumping], np.arange(4.0), SIZE, OFFICIAL)
    assert found.tolist() == [whole] * 4, "only the first one's centre counts"


def test_officially_a_frame_without_a_box_repeats_the_last_one_and_the_first_ones_are_whole_frames() -> None:
    gone, box = [np.nan] * 4, [40.0, 100, 80, 140]
    found = regions([np.array([box, gone, gone])], np.arange(3.0), SIZE, OFFICIAL)
    assert found.tolist() == [[20, 80, 100, 160]] * 3
    found = regions([np.array([gone, box, gone])], np.arange(3.0), SIZE, OFFICIAL)
    assert found.tolist() == [[0, 0, 320, 240]] * 3, "the whole frame is one of the window's boxes"


def test_officially_a_region_thinner_than_ten_pixels_becomes_a_hundred_both_ways() -> None:
    thin = [np.array([[155.0, 100, 160, 140]])]
    assert regions(thin, np.zeros(1), SIZE, OFFICIAL).tolist() == [[87.5, 50, 227.5, 190]]
    half = regions(thin, np.zeros(1), SIZE, OFFICIAL, scale=0.5)
    assert half.tolist() == [[145, 90, 170, 150]], "ten pixels of the video are five here"


def test_a_steady_object_gets_one_region_and_a_fast_one_a_moving_region() -> None:
    times = np.arange(16) / 4
    steady = np.tile([100.0, 100, 140, 140], (16, 1)) + np.random.default_rng(0).normal(0, 0.2, (16, 1))
    dashing = np.stack([[10.0 + 15 * k, 100, 50 + 15 * k, 140] for k in range(16)])
    held, followed = regions([steady], times, SIZE, FOCUS), regions([dashing], times, SIZE, FOCUS)
    assert np.ptp(held, axis=0).max() < 2
    assert np.ptp(followed[:, 0]) > 150
    assert (followed[:, 2] - followed[:, 0]).max() < 160


@pytest.mark.parametrize("rate", [2, 4, 8, 25])
def test_speed_does_not_depend_on_the_frame_rate(rate: int) -> None:
    times = np.arange(2 * rate + 1) / rate
    boxes = np.stack([[20 * t, 10 * t, 40 + 20 * t, 40 + 10 * t] for t in times])
    assert speed(boxes, times, SIZE) == pytest.approx(20 / 320 + 10 / 240)


@given(arrays.arrays(np.uint8, (3, 8, 8, 3)))
def test_a_blur_stays_between_the_darkest_and_the_brightest(window: np.ndarray) -> None:
    blurred = blur(window, kernel(3, 0.65))
    assert (blurred >= window.min(0)).all()
    assert (blurred <= window.max(0)).all()


@pytest.mark.skipif(not videos.SHARED.is_dir(), reason="the real clips are not beside the project")
@pytest.mark.parametrize("name", ["DKZPW.mp4", "v_JNr0oI927ng_t0.13-5.64.mp4"])
def test_on_a_real_clip_blur_and_spotlight_do_what_they_say(name: str) -> None:
    from stages.video.frames import Clip, DecodeConfig, Wanted

    clip = Clip(str(Path(videos.SHARED) / name))
    window = clip.read([Wanted(range(20, 27), SIZE, True)], DecodeConfig())[0].pictures[::-1]
    blended = window[0].astype(np.float64)
    for k in range(1, 7):
        blended = (1 - 0.65 ** (k + 1)) * blended + 0.65 ** (k + 1) * window[k]
    assert np.abs(blur(window, kernel(7, 0.65)) - blended).max() <= 1
    lit = spotlight(window, np.array([[80, 60, 160, 120]] * 7, np.float32), 0.9)
    assert np.array_equal(lit[:, 60:120, 80:160], window[:, 60:120, 80:160])
    assert np.abs(lit[:, :60] - 0.1 * window[:, :60]).max() <= 0.5
