"""Camera and objects, measured in the drawn frames by methods that know nothing of how they were drawn."""

import math
from itertools import islice

import cv2
import numpy as np
import pytest

from stages.demo.demo_clips import recipes
from stages.demo.recipe import Camera, Mover, Recipe, direction_of
from stages.demo.render import frames
from stages.demo.trajectory import mover_boxes

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
    assert recipe.direction == direction_of(*own)


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
