"""Detections that correct tracks: laws of matching and merging, and an object that goes behind a wall."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from filters.camera.motion import Motion, Step
from stages.demo.recipe import Mover, Recipe
from stages.demo.render import frames
from stages.demo.trajectory import mover_boxes
from stages.models.protocols import Detections, View
from stages.models.tracker.flow import FlowCarrierConfig
from stages.models.tracker.refined import Carried, RefinedConfig, RefinedTracker, merged
from stages.motionsight.observe import observe
from stages.motionsight.settings import FramesConfig, ObserveConfig
from stages.motionsight.variants import background_blur
from stages.video.boxes import iou, matches
from stages.video.masks import decode, encode, union
from tests import videos

WALL = slice(215, 425)  # pixels, columns
MOVER = Mover((0.12, 0.0), 0.2, "cat")
PASSING = Recipe("passing", "astronaut", movers=(MOVER,), seconds=6.0, width=640, height=240)
SIZE = (320, 240)

corners = arrays.arrays(np.float64, 4, elements=st.floats(0, 300, width=32))
sizes = st.floats(1, 100, width=32)
weights = st.floats(0.01, 1)


@st.composite
def boxes(draw: st.DrawFn) -> np.ndarray:
    x, y, width, height = draw(st.tuples(st.floats(0, 200), st.floats(0, 150), sizes, sizes))
    return np.array([x, y, x + width, y + height])


@st.composite
def detections(draw: st.DrawFn, most: float) -> Detections:
    found = draw(st.lists(boxes(), max_size=4))
    scores = draw(st.lists(st.floats(0.01, most), min_size=len(found), max_size=len(found)))
    labels = draw(st.lists(st.sampled_from(["cat", "dog"]), min_size=len(found), max_size=len(found)))
    return Detections(np.array(found, np.float32).reshape(-1, 4), np.array(scores, np.float32), tuple(labels))


class Still:
    """A carrier for objects that keep their places, but for the frames in which they cannot be seen."""

    name, version = "still", "1"

    def __init__(self, hidden: range = range(0)) -> None:
        self._hidden = hidden

    def begin(self, view: View) -> "Still":
        return self

    def put(self, key: int, box: np.ndarray) -> Carried:
        return Carried(box)

    def advance(self, frame: int, boxes: Mapping[int, np.ndarray]) -> dict[int, Carried]:
        return {} if frame in self._hidden else {key: Carried(box) for key, box in boxes.items()}


def view(times: np.ndarray, cuts: list[int] | None = None) -> View:
    """Black frames of a scene in which nothing moves."""
    grid = np.zeros((SIZE[1] // 4, SIZE[0] // 4))
    steps = [Step(k, k + 1, grid.astype(complex), grid, 0j, 0j, 1.0) for k in range(len(times) - 1)]
    frames = np.zeros((len(times), SIZE[1], SIZE[0], 3), np.uint8)
    return View(frames, times, Motion(times, SIZE, steps, cuts or [], []))


def one(box: list[float], score: float, label: str = "cat") -> Detections:
    return Detections(np.array([box], np.float32), np.array([score], np.float32), (label,))


TIMES = np.arange(8) / 4
BOX = [100.0, 60.0, 160.0, 120.0]


@given(boxes(), boxes())
def test_overlap_is_symmetric_and_whole_only_with_itself(a: np.ndarray, b: np.ndarray) -> None:
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert 0 <= iou(a, b) <= 1 + 1e-9
    assert iou(a, a) == pytest.approx(1)
    assert iou(a, a + 400) == 0
    assert iou(3 * a, 3 * b) == pytest.approx(iou(a, b), abs=1e-6)


@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(0, 5), st.integers(0, 5)), elements=st.floats(0, 1, width=16)
    ),
    st.floats(0.01, 1),
)
def test_matching_uses_nothing_twice_and_leaves_no_pair_that_would_match(
    overlap: np.ndarray, least: float
) -> None:
    pairs = matches(overlap, least)
    rows, columns = [row for row, _ in pairs], [column for _, column in pairs]
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    assert all(overlap[pair] >= least for pair in pairs)
    free = np.delete(np.delete(overlap, rows, axis=0), columns, axis=1)
    assert not (free >= least).any()
    if overlap.size and overlap.max() >= least:
        assert overlap[pairs[0]] == overlap.max()


@given(st.permutations(range(4)), st.integers(0, 999))
def test_matching_does_not_depend_on_the_order_of_detections(order: list[int], seed: int) -> None:
    overlap = np.random.default_rng(seed).random((3, 4))
    moved = {(row, order[column]) for row, column in matches(overlap[:, order], 0.3)}
    assert moved == set(matches(overlap, 0.3))


@given(corners, corners, weights, weights)
def test_a_merged_box_lies_between_the_two_and_nearer_to_the_surer(
    a: np.ndarray, b: np.ndarray, surer: float, other: float
) -> None:
    assume(surer >= other)
    between = merged(a, surer, b, other)
    assert (between >= np.minimum(a, b) - 1e-6).all()
    assert (between <= np.maximum(a, b) + 1e-6).all()
    assert (np.abs(between - a) <= np.abs(between - b) + 1e-6).all()
    assert merged(b, other, a, surer) == pytest.approx(between)


@given(st.lists(detections(most=0.34), max_size=8))
@settings(deadline=None)
def test_unsure_detections_never_start_a_track(found: list[Detections]) -> None:
    tracker = RefinedTracker(RefinedConfig(), Still())
    assert not tracker.track(view(TIMES), dict(zip(TIMES.tolist(), found, strict=False)))


@given(st.lists(detections(most=1.0), max_size=8), st.booleans())
@settings(deadline=None)
def test_whatever_is_detected_tracks_are_boxes_in_the_frame_with_scores(
    found: list[Detections], refine: bool
) -> None:
    config = RefinedConfig(refine=refine)
    tracks = RefinedTracker(config, Still()).track(
        view(TIMES), dict(zip(TIMES.tolist(), found, strict=False))
    )
    assert len(tracks) <= config.most
    assert bool(tracks) == any((one.scores >= config.confident).any() for one in found)
    for track in tracks:
        seen = track.scores > 0
        assert seen.any()
        assert np.array_equal(seen, ~np.isnan(track.boxes).any(1))
        assert (track.scores <= 1).all()
        assert (track.boxes[seen] >= 0).all()
        assert (track.boxes[seen] <= [*SIZE, *SIZE]).all()
        assert track.velocity == (0.0, 0.0)
        assert track.phases == ()


def test_without_detections_there_are_no_tracks() -> None:
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), ())
    tracker = RefinedTracker(RefinedConfig(), Still())
    assert tracker.track(view(TIMES), {}) == []
    assert tracker.track(view(TIMES), dict.fromkeys(TIMES.tolist(), nothing)) == []


def test_a_single_frame_can_be_tracked_in() -> None:
    (track,) = RefinedTracker(RefinedConfig(), Still()).track(view(np.array([0.5])), {0.5: one(BOX, 0.9)})
    assert track.boxes.tolist() == [BOX]


def test_a_sure_detection_is_believed_and_an_unsure_one_moves_the_box_part_of_the_way() -> None:
    moved = [110.0, 60.0, 170.0, 120.0]
    for score, low, high in ((0.9, 110.0, 110.0), (0.3, 101.0, 109.0)):
        tracker = RefinedTracker(RefinedConfig(), Still())
        (track,) = tracker.track(view(TIMES), {0.0: one(BOX, 0.9), 1.0: one(moved, score)})
        assert low <= track.boxes[4, 0] <= high
        assert track.boxes[3, 0] == 100


def test_what_has_another_name_is_another_object() -> None:
    tracks = RefinedTracker(RefinedConfig(), Still()).track(
        view(TIMES), {0.0: one(BOX, 0.9), 1.0: one(BOX, 0.8, "dog")}
    )
    assert [track.label for track in tracks] == ["cat", "dog"]


def test_a_track_that_nothing_supports_fades_and_an_unsure_detection_revives_it() -> None:
    config = RefinedConfig(fade_s=0.25, lost=0.2)
    fading, revived = {0.0: one(BOX, 0.8)}, {0.0: one(BOX, 0.8), 1.5: one(BOX, 0.3)}
    (track,) = RefinedTracker(config, Still()).track(view(TIMES), fading)
    assert (np.diff(track.scores) <= 0).all()
    assert (track.scores > 0).tolist() == [True] * 3 + [False] * 5
    (track,) = RefinedTracker(config, Still()).track(view(TIMES), revived)
    assert (track.scores > 0).tolist() == [True] * 3 + [False] * 3 + [True, False]
    (track,) = RefinedTracker(config.model_copy(update={"refine": False}), Still()).track(
        view(TIMES), revived
    )
    assert not track.scores[3:].any()


def test_what_was_lost_for_too_long_comes_back_as_another_object() -> None:
    found = {0.0: one(BOX, 0.8), 1.5: one(BOX, 0.8)}
    for lost_s, count in ((2.0, 1), (1.0, 2)):
        tracks = RefinedTracker(RefinedConfig(lost_s=lost_s), Still()).track(view(TIMES), found)
        assert len(tracks) == count


def test_where_the_carrier_does_not_see_it_there_is_no_box() -> None:
    (track,) = RefinedTracker(RefinedConfig(), Still(hidden=range(2, 4))).track(
        view(TIMES), {0.0: one(BOX, 0.9), 1.0: one(BOX, 0.9)}
    )
    assert np.isnan(track.boxes[:, 0]).tolist() == [False, False, True, True] + [False] * 4


def test_no_track_outlives_a_cut() -> None:
    (track,) = RefinedTracker(RefinedConfig(), Still()).track(view(TIMES, cuts=[3]), {0.0: one(BOX, 0.9)})
    assert (track.scores > 0).tolist() == [True] * 3 + [False] * 5


def test_no_more_objects_are_kept_than_wanted_and_the_large_ones_first() -> None:
    small = [10.0, 10.0, 20.0, 20.0]
    found = {
        0.0: Detections(np.array([small, BOX], np.float32), np.array([0.9, 0.9], np.float32), ("cat", "dog"))
    }
    for most, labels in ((2, ["dog", "cat"]), (1, ["dog"])):
        tracks = RefinedTracker(RefinedConfig(most=most), Still()).track(view(TIMES), found)
        assert [track.label for track in tracks] == labels


@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_run_lengths_hold_the_whole_mask_column_by_column(mask: np.ndarray) -> None:
    runs = encode(mask)
    assert np.array_equal(decode(runs), mask)
    assert sum(runs["counts"]) == mask.size
    assert sum(runs["counts"][1::2]) == mask.sum()
    assert runs["counts"][0] == int(np.argmax(np.append(mask.T.ravel(), True)))


def test_the_union_of_masks_is_where_any_object_is() -> None:
    left, top = np.zeros((2, 3), bool), np.zeros((2, 3), bool)
    left[:, 0], top[0] = True, True
    joined = union([[encode(left), None], [encode(top), None]], (2, 2, 3))
    assert np.array_equal(joined[0], left | top)
    assert not joined[1].any()


def test_the_background_is_blurred_outside_the_masks_and_outside_the_region_where_there_are_none() -> None:
    frames = np.stack([videos.scene(*SIZE)] * 2)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    disc = (x - 160) ** 2 + (y - 120) ** 2 < 60**2
    regions = np.array([[20, 20, 60, 60]] * 2, np.float32)
    soft = background_blur(frames, regions, np.stack([disc, np.zeros_like(disc)]))
    assert np.array_equal(soft[0][disc], frames[0][disc])
    assert np.array_equal(soft[1], background_blur(frames, regions)[1])
    changed = (soft[0] != frames[0]).any(2)
    assert changed[~disc].mean() > 0.9
    assert changed[20:60, 20:60].mean() > 0.9


def pictures() -> Iterator[np.ndarray]:
    """The clip PASSING, whose scene in the columns WALL stands before the object."""
    bare = frames(replace(PASSING, movers=()))
    for frame, scene in zip(frames(PASSING), bare, strict=True):
        frame[:, WALL] = scene[:, WALL]
        yield frame


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> View:
    path = tmp_path_factory.mktemp("clips") / "passing.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=PASSING.fps)
        stream.width, stream.height, stream.pix_fmt = PASSING.width, PASSING.height, "yuv420p"
        for picture in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    config = ObserveConfig(frames=FramesConfig(count=48))
    return observe(str(path), None, None, False, config).view


@pytest.mark.parametrize("stride", [2, 4])
def test_a_wrong_first_box_and_eight_hidden_frames_are_repaired_by_unsure_detections(
    passing: View, stride: int
) -> None:
    scale = passing.size[0] / PASSING.width
    truth = mover_boxes(PASSING, MOVER)[np.rint(passing.times * PASSING.fps).astype(int)] * scale
    hidden = (truth[:, 0] >= WALL.start * scale) & (truth[:, 2] <= WALL.stop * scale)
    assert hidden.sum() >= 8
    shift = 0.4 * (truth[0, 2] - truth[0, 0])
    wrong = truth[0] + [shift, 0, shift, 0]
    found = {float(passing.times[0]): one(wrong.tolist(), 0.9)}
    for k in range(stride, len(truth), stride):
        if not hidden[k]:
            found[float(passing.times[k])] = one(truth[k].tolist(), 0.3)

    def at_the_end(config: FlowCarrierConfig) -> float:
        (track,) = config.build().track(passing, found)
        return iou(track.boxes[-1], truth[-1]) if track.scores[-1] else 0.0

    assert at_the_end(FlowCarrierConfig()) >= 0.6
    assert at_the_end(FlowCarrierConfig(refine=False)) < 0.6
    # Nor would it do to believe in the first box for longer.
    assert at_the_end(FlowCarrierConfig(refine=False, fade_s=1000)) < 0.6


def test_an_object_that_walks_has_its_measured_motion_and_one_that_stands_has_none(passing: View) -> None:
    scale = passing.size[0] / PASSING.width
    truth = mover_boxes(PASSING, MOVER)[np.rint(passing.times * PASSING.fps).astype(int)] * scale
    bare = truth[0] + [0.45 * passing.size[0], 0, 0.45 * passing.size[0], 0]
    found = {
        float(passing.times[k]): Detections(
            np.array([truth[k], bare], np.float32), np.array([0.9, 0.9], np.float32), ("cat", "wall")
        )
        for k in range(0, 10, 2)
    }
    tracks = {track.label: track for track in FlowCarrierConfig().build().track(passing, found)}
    assert tracks["cat"].velocity[0] > 0.03
    assert abs(tracks["cat"].velocity[1]) < tracks["cat"].velocity[0]
    assert tracks["cat"].phases
    assert tracks["wall"].velocity == (0.0, 0.0)
    assert tracks["wall"].speed == 0
    assert tracks["wall"].phases == ()
