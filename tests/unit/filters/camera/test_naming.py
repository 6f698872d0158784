from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as File

import numpy as np
import pytest
from _pytest.mark import ParameterSet

from filters.camera.measure import Methods, measure
from filters.camera.motion import Motion
from filters.camera.naming import described, summarise
from filters.camera.scene import fit_scene
from filters.camera.windows import Windows, shaped, windows
from filters.evidence import CameraMotion
from filters.flow.dis import DisFlow
from stages.demo.hard_cases import hard_cases
from stages.demo.recipe import Camera, Recipe
from tests import videos
from tests.unit.filters.camera.measured import CONFIG, rendered
from tests.unit.filters.tracks import SIZE, Path, moving, points, spread


def seen(recipe: Recipe, folder: File) -> tuple[CameraMotion, Motion]:
    motion = rendered(recipe, folder)
    return summarise(motion, CONFIG), motion


# Hard cases that get a wrong label, or none, and why.
OPEN = {
    "subtitle_flat_tilt_up": "the text holds nearly all of the texture, and stays in place",
    "huge_object_static": "in the narrow rest of the frame, hardly a point is left to follow",
    "overtaken_50_pan_right": "the object leaves too little of the scene in sight for agreement: no label",
}


def hard() -> list[ParameterSet]:
    return [
        pytest.param(
            recipe,
            id=recipe.name,
            marks=pytest.mark.xfail(reason=OPEN[recipe.name], strict=True) if recipe.name in OPEN else (),
        )
        for recipe in hard_cases()
    ]


@pytest.mark.parametrize("recipe", hard())
def test_hard_cases_get_their_label(recipe: Recipe, tmp_path: File) -> None:
    camera, motion = seen(recipe, tmp_path)
    assert camera.labels == recipe.camera_labels
    late = 0.13 + recipe.dissolve_s / 2  # one sample, and anywhere in a dissolve
    assert [motion.times[k] for k in motion.cuts] == [pytest.approx(cut, abs=late) for cut in recipe.cuts_s]


def test_nothing_of_another_shot_is_averaged_in(tmp_path: File) -> None:
    recipe = next(recipe for recipe in hard_cases() if recipe.name == "cut_pan_right")
    camera, motion = seen(recipe, tmp_path)
    first, last = motion.shot()
    assert all(not first < cut <= last for cut in motion.cuts)
    rate = max((recipe.camera.pan, recipe.then.camera.pan if recipe.then else 0.0))
    assert camera.pan == pytest.approx(rate, rel=0.1)


def test_a_very_slow_pan_is_not_mistaken_for_standing_still(tmp_path: File) -> None:
    camera, _ = seen(Recipe("slow", "astronaut", Camera(pan=0.02), seconds=4.0), tmp_path)
    assert camera.labels == ("pan_right",)
    assert camera.pan == pytest.approx(0.02, rel=0.15)


def test_a_move_there_and_back_gets_both_names() -> None:
    there = [0.12 * t / 12 for t in range(24)]
    offsets = there + there[::-1]
    samples = np.stack([videos.scene(256, 192, offset)[..., 1] for offset in offsets])
    motion = measure(samples[::2], np.arange(24) / 6, Methods(DisFlow("ultrafast")), CONFIG)
    assert summarise(motion, CONFIG).labels == ("pan_left", "pan_right")


def shown(paths: Sequence[Path], seconds: float = 3.0) -> tuple[Windows, Windows, np.ndarray]:
    """What points along these paths show: windows, the same for the slow ones, and no shifts."""
    found, times = points(paths, seconds)
    spans = [(k, k + 8) for k in range(0, len(times) - 8, 2)]
    near = [(k, k + 1) for k in range(len(times) - 1)]
    steps, fits = fit_scene([(each, found.pairs(each)) for each in (near, spans)], SIZE)
    seen = shaped(windows(fits, steps, times, SIZE), fits, SIZE)
    return seen, seen, np.zeros(len(times) - 1, complex)


def told(paths: Sequence[Path], seconds: float = 3.0) -> CameraMotion:
    _, times = points(paths, seconds)
    return described(*shown(paths, seconds), times, SIZE, CONFIG)


def passing(speeds: np.ndarray) -> list[Path]:
    """Points all over the frame that go to the left, pixels per second."""
    starts = zip(spread(len(speeds)), speeds, strict=True)
    return [lambda t, at=at, v=v: at - v * (t - 1.5) for at, v in starts]


def test_a_sky_too_far_away_to_be_seen_to_move_does_not_make_the_camera_static() -> None:
    sky = [lambda t, at=at: at for at in spread(40, 1)]
    camera = told([*passing(np.linspace(10, 60, 150)), *sky])
    assert camera.labels == ()
    assert "one way" in camera.reason


def test_a_picture_that_moves_sideways_at_many_speeds_is_seen_from_a_camera_that_trucks() -> None:
    speeds = 40 / np.linspace(0.5, 3, 200)  # of things in a row, ever farther away
    camera = told(passing(speeds))
    assert camera.labels == ("truck_right",)
    assert {move.label for move in camera.moves} == {"truck_right"}
    assert told(passing(np.full(200, 30.0))).labels == ("pan_right",)
    rider = [lambda t, at=at: at * 0.3 for at in spread(60, 1)]
    assert "truck_right" not in told([*passing(speeds), *rider]).labels


def test_only_what_each_random_draw_finds_is_named() -> None:
    def going(velocity: complex) -> list[Path]:
        return [lambda t, at=at: at + velocity * (t - 1.5) for at in spread(200)]

    seen, slow, _ = shown(going(-20 - 15j))
    motion = replace(moving([], 3.0), windows=seen, slow=slow)
    assert summarise(motion, CONFIG).labels == ("pan_right", "tilt_down")
    agreed = summarise(replace(motion, redrawn=[shown(going(-20 + 0j))]), CONFIG)
    assert agreed.labels == ("pan_right",)
    assert {move.label for move in agreed.moves} == {"pan_right"}
    disputed = summarise(replace(motion, redrawn=[shown(going(20 + 0j))]), CONFIG)
    assert (disputed.labels, disputed.moves) == ((), ())
    assert "uncertain" in disputed.reason


def test_a_shot_of_a_single_sample_has_no_labels() -> None:
    assert summarise(Motion(np.zeros(1), (64, 48), [], [], []), CONFIG) == CameraMotion(
        (), fit=0.0, reason="the shot has a single frame"
    )
