"""The clips are checked by measurements that know nothing of how they were drawn."""

import json
import math
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from pipeline.schema import CAMERA_LABELS
from stages.demo.render import (
    NOISE,
    SECTORS,
    Camera,
    Finish,
    Mover,
    Recipe,
    frames,
    hard_cases,
    label_row,
    mover_boxes,
    recipes,
    render,
    render_all,
)

FIRST, STEP = 30, 3  # frames: the pair that is measured, near mid-clip
RECIPES = recipes()
STEADY = [recipe for recipe in RECIPES if not recipe.movers and not recipe.camera.shake]
WITH_OBJECTS = [recipe for recipe in RECIPES if recipe.movers]


def gray_pair(recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    taken = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in islice(frames(recipe), FIRST + STEP + 1)]
    return taken[FIRST], taken[FIRST + STEP]


def tracked(before: np.ndarray, after: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """Corners of `before` inside the mask and where they are in `after`, (N, 2) each."""
    points = cv2.goodFeaturesToTrack(before, 600, 0.005, 6, mask=mask)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None)
    good = found.ravel() == 1
    return points[good, 0], moved[good, 0]


def measured_camera(recipe: Recipe, before: np.ndarray, after: np.ndarray, mask: np.ndarray | None = None):
    """(Camera, the 2 x 3 map of the picture) from tracked corners."""
    matrix, _ = cv2.estimateAffinePartial2D(*tracked(before, after, mask), ransacReprojThreshold=1.0)
    seconds = STEP / recipe.fps
    centre = np.array([recipe.width - 1, recipe.height - 1]) / 2
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    # Half way between the two frames, the content under the centre moves by about this.
    shift = (matrix[:, :2] @ centre + matrix[:, 2] - centre) / math.sqrt(scale)
    camera = Camera(
        pan=-shift[0] / recipe.width / seconds,
        tilt=-shift[1] / recipe.height / seconds,
        zoom=math.log(scale) / seconds,
        roll=-math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])) / seconds,
    )
    return camera, matrix


@pytest.mark.parametrize("recipe", STEADY, ids=lambda recipe: recipe.name)
def test_the_camera_moves_as_labelled(recipe: Recipe) -> None:
    measured, _ = measured_camera(recipe, *gray_pair(recipe))
    assert measured.pan == pytest.approx(recipe.camera.pan, rel=0.04, abs=0.003)
    assert measured.tilt == pytest.approx(recipe.camera.tilt, rel=0.04, abs=0.003)
    assert measured.zoom == pytest.approx(recipe.camera.zoom, rel=0.04, abs=0.006)
    assert measured.roll == pytest.approx(recipe.camera.roll, rel=0.04, abs=0.3)


@pytest.mark.parametrize(
    ("camera", "shift"),
    [
        (Camera(pan=0.1), (-1, 0)),
        (Camera(pan=-0.1), (1, 0)),
        (Camera(tilt=0.1), (0, -1)),
        (Camera(tilt=-0.1), (0, 1)),
    ],
)
def test_the_picture_moves_against_the_camera(camera: Camera, shift: tuple[int, int]) -> None:
    before, after = (image.astype(np.float32) for image in gray_pair(Recipe("", "gravel", camera)))
    window = cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F)
    moved, _ = cv2.phaseCorrelate(before, after, window)
    pixels = np.array([480, 320]) * 0.1 * STEP / 24 * shift
    np.testing.assert_allclose(moved, pixels, atol=0.3)


@pytest.mark.parametrize("recipe", WITH_OBJECTS, ids=lambda recipe: recipe.name)
def test_the_object_moves_as_labelled(recipe: Recipe) -> None:
    before, after = gray_pair(recipe)
    outside = np.full(before.shape, 255, np.uint8)
    inside = np.zeros_like(outside)
    for mover in recipe.movers:
        x0, y0, x1, y1 = mover_boxes(recipe, mover)[FIRST].round().astype(int)
        cv2.rectangle(outside, (x0 - 12, y0 - 12), (x1 + 12, y1 + 12), 0, -1)
    x0, y0, x1, y1 = mover_boxes(recipe, recipe.movers[0])[FIRST]
    middle, half = ((x0 + x1) / 2, (y0 + y1) / 2), ((x1 - x0) * 0.35, (y1 - y0) * 0.35)
    cv2.ellipse(inside, (middle, (2 * half[0], 2 * half[1]), 0), 255, -1)

    _, scene = measured_camera(recipe, before, after, outside)
    here, there = tracked(before, after, inside)
    own = np.median(there - (here @ scene[:, :2].T + scene[:, 2]), axis=0) * recipe.fps / STEP

    expected = np.array(recipe.movers[0].velocity) * (recipe.width, recipe.height)
    np.testing.assert_allclose(own, expected, atol=0.06 * np.linalg.norm(expected) + 2)
    assert recipe.direction == SECTORS[round(math.degrees(math.atan2(own[1], own[0])) / 45) % 8]


def test_the_boxes_are_where_the_object_is_drawn() -> None:
    mover = Mover((0.1, -0.05), 0.3, "cat", (0.4, 0.5))
    camera = Camera(pan=0.05, zoom=0.2, shake=0.01)
    recipe = Recipe("", "gravel", camera, (mover,))
    bare = Recipe("", "gravel", camera)
    for t, (with_object, without) in enumerate(zip(frames(recipe), frames(bare), strict=True)):
        if t % 24 == 5:
            changed = np.abs(with_object.astype(int) - without).max(2) > 12
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            drawn = [columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5]
            np.testing.assert_allclose(drawn, mover_boxes(recipe, mover)[t], atol=4)


@pytest.mark.parametrize("recipe", [r for r in RECIPES if "shake" in r.camera_labels], ids=lambda r: r.name)
def test_shake_has_its_amplitude_and_no_drift(recipe: Recipe) -> None:
    scene = Recipe("", "motorcycle_left", recipe.camera, seed=recipe.seed)
    images = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames(scene)]
    centre = np.array([scene.width - 1, scene.height - 1]) / 2
    maps = [cv2.estimateAffinePartial2D(*tracked(images[0], image))[0] for image in images]
    path = np.array([matrix[:, :2] @ centre + matrix[:, 2] - centre for matrix in maps])
    path -= path.mean(0)
    rms = math.sqrt((path**2).sum(1).mean()) / scene.width
    assert rms == pytest.approx(recipe.camera.shake, rel=0.1)
    slope = np.polyfit(scene.times, path / scene.width, 1)[0]
    assert np.abs(slope).max() < 0.01


def test_a_static_clip_differs_by_noise_alone() -> None:
    first, second = islice(frames(Recipe("", "coffee")), 2)
    difference = first.astype(float) - second
    assert difference.std() == pytest.approx(NOISE * math.sqrt(2), rel=0.1)


def test_recipes_cover_every_label_and_direction() -> None:
    assert len(RECIPES) >= 48
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)
    for label in CAMERA_LABELS:
        assert sum(label in recipe.camera_labels for recipe in RECIPES) >= 3, label
    assert {recipe.direction for recipe in RECIPES} == {None, *SECTORS}
    still = [recipe.direction for recipe in RECIPES if recipe.camera_labels == ("static",)]
    assert set(SECTORS) <= set(still)
    for recipe in RECIPES:
        assert list(recipe.camera_labels) == sorted(recipe.camera_labels, key=CAMERA_LABELS.index)


@pytest.mark.parametrize("seed", range(5))
def test_objects_stay_in_the_frame(seed: int) -> None:
    for recipe in recipes(seed):
        for mover in recipe.movers:
            x0, y0, x1, y1 = mover_boxes(recipe, mover).T
            seen = (np.minimum(x1, recipe.width) - np.maximum(x0, 0)).clip(0)
            seen *= (np.minimum(y1, recipe.height) - np.maximum(y0, 0)).clip(0)
            share = seen / ((x1 - x0) * (y1 - y0))
            assert (share > 0.6).mean() >= 0.7, recipe.name


def test_recipes_depend_on_the_seed_alone() -> None:
    assert recipes(3) == recipes(3)
    assert recipes(3) != recipes(4)


def test_a_clip_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    recipe = Recipe("", "chelsea", Camera(pan=0.1, shake=0.01), (Mover((0.1, 0.0), 0.2, "cup"),), seconds=1.0)
    render(recipe, tmp_path / "a.mp4")
    render(recipe, tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_clip_decodes_to_what_was_drawn(tmp_path: Path) -> None:
    recipe = Recipe("", "coffee", Camera(tilt=0.2), seconds=1.0, width=360, height=640)
    render(recipe, tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate) == ("h264", 24)
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    drawn = list(frames(recipe))
    assert len(decoded) == len(drawn) == len(recipe.times) == 24
    for seen, made in zip(decoded, drawn, strict=True):
        assert seen.shape == (640, 360, 3)
        assert np.abs(seen.astype(float) - made).mean() < 8


def test_a_folder_of_clips_comes_with_its_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [RECIPES[0], WITH_OBJECTS[0]]
    monkeypatch.setattr("stages.demo.render.recipes", lambda seed: few)
    told: list[Recipe] = []
    assert render_all(tmp_path / "clips", done=told.append) == few == told
    labels = json.loads((tmp_path / "clips" / "labels.json").read_text())
    assert labels == json.loads(json.dumps([label_row(recipe) for recipe in few]))
    assert all((tmp_path / "clips" / row["file"]).stat().st_size for row in labels)


def test_hard_cases_are_hard_in_the_way_they_say() -> None:
    cases = {recipe.name: recipe for recipe in hard_cases()}

    cut = cases["cut_static"]
    images = [frame.astype(float) for frame in frames(cut)]
    jumps = [np.abs(b - a).mean() for a, b in pairwise(images)]
    assert cut.cut_s == (np.argmax(jumps) + 1) / cut.fps
    assert max(jumps) > 10 * np.median(jumps)

    levels = [frame.mean() for frame in frames(cases["flicker_static"])]
    assert np.ptp(levels) > 0.2 * np.mean(levels)

    rolling = list(islice(frames(cases["rolling_bands_static"]), 5))
    rows = rolling[4].mean((1, 2)) / rolling[0].mean((1, 2))
    assert rows.min() < 0.95
    assert rows.max() > 1.05

    assert next(frames(cases["low_texture_static"])).std() < 12

    huge = cases["huge_object_static"]
    bare = next(frames(Recipe("", huge.photo, seed=huge.seed)))
    covered = np.abs(next(frames(huge)).astype(int) - bare).max(2) > 0
    assert covered.mean() > 0.6
    assert huge.camera_labels == ("static",)


@pytest.mark.parametrize(("share", "name"), [(0.3, "crossing_30_static"), (0.5, "followed_50_pan_right")])
def test_what_is_in_front_covers_the_share_of_its_name(share: float, name: str) -> None:
    case = next(recipe for recipe in hard_cases() if recipe.name == name)
    middle = len(case.times) // 2
    seen, bare = (list(islice(frames(one), middle + 1))[middle] for one in (case, replace(case, movers=())))
    assert (np.abs(seen.astype(int) - bare).max(2) > 8).mean() == pytest.approx(share, abs=0.1)


def test_a_clip_is_finished_as_its_recipe_says() -> None:
    def shot(pan: float = 0.0, **finish: Any) -> list[np.ndarray]:
        return list(frames(Recipe("", "coffee", Camera(pan), seconds=0.5, finish=Finish(**finish))))

    plain, pan = shot(), shot(0.6)
    levels = [frame.mean() for frame in shot(light=(1, 0.1))]
    assert levels == sorted(levels, reverse=True)
    assert [n for n, frame in enumerate(shot(flash_s=0.25)) if frame.mean() > 200] == [6]
    assert all((b == a).all() == bool(n % 3) for n, (a, b) in enumerate(pairwise(shot(hold=3)), 1))
    assert not shot(bars=0.1)[0][:32].any()
    assert (shot(bars=0.1)[0][32:-32] == plain[0][32:-32]).all()
    moving = pan[5], shot(0.6, exposures=6)[5]
    sharp, blurred = (np.abs(np.diff(frame.astype(int), axis=1)).mean() for frame in moving)
    assert blurred < 0.7 * sharp
    subtitle, ticker = shot(caption="subtitle"), shot(caption="ticker")
    assert (subtitle[0][285:, 100:380] != plain[0][285:, 100:380]).any(2).mean() > 0.1
    assert np.abs(ticker[11][285:].astype(int) - ticker[0][285:]).mean() > 20


def test_a_dissolve_goes_from_one_shot_to_the_other() -> None:
    after = Recipe("", "chelsea", seconds=1.0)
    whole = Recipe("", "coffee", seconds=1.0, then=after, dissolve_s=0.5)
    first, last = frames(replace(whole, then=None, dissolve_s=0.0)), list(frames(after))
    images = list(frames(whole))
    assert len(images) == 36
    assert whole.cuts_s == (0.75,)
    assert (images[0] == next(first)).all()
    assert (images[-1] == last[-1]).all()
    away = [np.abs(image.astype(int) - last[-1]).mean() for image in images[12:24]]
    assert away == sorted(away, reverse=True)
