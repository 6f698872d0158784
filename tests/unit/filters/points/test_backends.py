from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.settings import identity, load
from filters.camera.measure import Methods, measure
from filters.camera.points import picture
from filters.flow.dis import DisFlow
from filters.points.cotracker import FILE, INSTALL, CoTracker, CoTrackerConfig
from filters.points.lucas_kanade import LucasKanade, LucasKanadeConfig
from filters.points.registry import POINTS, point_tracker
from jobs.doctor import examine
from pipeline.errors import CallError
from tests import tiny, videos
from tests.unit.filters.camera.measured import CONFIG


def test_trackers_are_found_by_name_and_lucas_kanade_is_the_default() -> None:
    assert POINTS.names == ("cotracker", "lucas_kanade")
    assert point_tracker(load().points) is point_tracker(LucasKanadeConfig()) is LucasKanade


def test_by_default_a_clip_has_the_points_that_lucas_kanade_follows() -> None:
    samples = np.stack([videos.scene(256, 144, 0.02 * k)[..., 1] for k in range(10)])
    estimate = DisFlow("ultrafast")
    follower = LucasKanade(picture(samples))
    for k, image in enumerate(samples):
        if k:
            follower.follow(samples[k - 1], image, estimate(samples[k - 1], image))
        follower.begin(image, cv2.cornerMinEigenVal(image, 5))
    expected, points = (
        follower.points(),
        measure(samples, np.arange(10) / 8, Methods(estimate), CONFIG).points,
    )
    assert len(points.pairs([(0, 9)]).z) > 20
    for k in range(10):
        assert np.array_equal(points.tracks[k], expected.tracks[k])
        assert np.array_equal(points.at[k], expected.at[k])


def test_what_changes_points_identifies_rows_and_a_device_does_not() -> None:
    def values(*overrides: str) -> list[dict[str, object]]:
        config = load(None, [f"points.{override}" for override in overrides])
        return [{it.path: it.value for it in identity(config, table)} for table in ("scores", "annotations")]

    chosen = "backend=cotracker", "weights=a.pth"
    assert values() != values(*chosen) != values(*chosen, "chunk=24")
    assert values(*chosen) == values(*chosen, "device=cpu")
    assert all(table["points.backend"] == "lucas_kanade" for table in values())


def test_cotracker_is_not_chosen_without_its_weights() -> None:
    with pytest.raises(CallError, match=r"points\.weights"):
        load(None, ["points.backend=cotracker"])


def test_doctor_says_how_to_get_what_cotracker_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pipeline.requirements.find_spec", lambda _: None)
    file = tmp_path / FILE
    config = load(None, ["points.backend=cotracker", f"points.weights={file}", "quality.metric=null"])
    missing = [one for one in examine(config, "/mnt/w") if one.part == "points" and not one.ok]
    assert [one.remedy.splitlines()[0] for one in missing] == [
        INSTALL,
        f"hf download facebook/cotracker3 {FILE} --local-dir /mnt/w",
    ]
    file.touch()
    assert [one.what for one in examine(config, "/mnt/w") if one.part == "points" and one.ok] == [
        f"points.weights {file}"
    ]


def test_cotracker_without_its_package_or_its_weights_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = CoTrackerConfig(weights=str(tmp_path / FILE), device="cpu")
    monkeypatch.setattr("filters.points.cotracker.find_spec", lambda _: None)
    with pytest.raises(CallError, match=r"pip install git\+https://github\.com/facebookresearch/co-tracker"):
        config.build()
    monkeypatch.setattr("filters.points.cotracker.find_spec", lambda _: True)
    with pytest.raises(CallError, match=r"points\.weights: .* does not exist"):
        config.build()


@pytest.fixture(scope="module")
def random_cotracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoTracker]:
    """CoTracker3 of the real size with random weights, and with points that it takes to be seen."""
    pytest.importorskip("cotracker", reason=f"CoTracker is not installed: {INSTALL}")
    import torch
    from cotracker.predictor import CoTrackerPredictor

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CoTrackerPredictor(checkpoint=None).model
        torch.nn.init.constant_(model.updateformer.vis_conf_head.bias, 2.0)
    file = tmp_path_factory.mktemp("weights") / FILE
    torch.save(model.state_dict(), file)
    before = torch.get_rng_state()
    tracker = CoTrackerConfig(weights=str(file), device="cpu").build()
    assert torch.equal(torch.get_rng_state(), before), "the random numbers of the process are left alone"
    with tiny.as_in_a_worker():
        yield tracker


@pytest.mark.slow
def test_cotracker_with_random_weights_runs_behind_the_same_interface(random_cotracker: CoTracker) -> None:
    samples = np.stack([videos.scene(96, 64, 0.02 * k)[..., 1] for k in range(3)])
    motion = measure(samples, np.arange(3) / 8, Methods(DisFlow("ultrafast"), track=random_cotracker), CONFIG)
    first, at = motion.points.tracks[0], motion.points.at[0]
    assert len(first) > 5
    assert at.dtype == np.complex64
    assert (np.abs(at.real) <= 95 / 2).all()
    assert len(motion.points.pairs([(0, 2)]).z) > 0


@pytest.mark.slow
def test_cotracker_with_random_weights_is_given_points_in_pixels_and_returns_them(
    random_cotracker: CoTracker,
) -> None:
    samples = np.stack([videos.scene(96, 64, 0.0)[..., 1]] * 2)
    points = np.array([[10, 20], [80.5, 40.25]], np.float32)
    paths, seen = random_cotracker.predict(samples, points)
    assert (paths.shape, paths.dtype, seen.shape, seen.dtype) == ((2, 2, 2), np.float32, (2, 2), bool)
    assert paths[0] == pytest.approx(points, abs=1e-3)
    assert seen[0].all()
