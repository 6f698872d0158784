"""SAM 2 as a carrier, by transformers and by Meta's package, with tiny random weights on real frames."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.errors import CallError
from stages.models import registry
from stages.models.protocols import Detections, View
from stages.models.tracker.sam2 import MaskConfig, Sam2Config, around
from stages.models.tracker.sam2_meta import Sam2MetaConfig
from stages.motionsight.observe import observe
from stages.motionsight.settings import ObserveConfig
from stages.video.masks import decode
from tests import tiny, videos
from tests.cli import motionsight

META = pytest.mark.skipif(
    not find_spec("sam2"), reason="Meta's package sam2, which `make test` installs, is missing"
)
BOX = [80.0, 60.0, 200.0, 180.0]

Made = Callable[..., MaskConfig]


@pytest.fixture(scope="module", autouse=True)
def _as_in_a_worker() -> Iterator[None]:
    with tiny.as_in_a_worker():
        yield


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    clip = videos.write(tmp_path_factory.mktemp("clips") / "pan.mp4", 36)
    return observe(str(clip), None, None, False, ObserveConfig()).view


@pytest.fixture(scope="module", params=["sam2", pytest.param("sam2_meta", marks=META)])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Settings of one backend with tiny random weights, and what is to be different about them."""
    folder = tmp_path_factory.mktemp("weights")
    if request.param == "sam2":
        model = str(tiny.sam2(folder / "tiny-sam"))
        return lambda **more: Sam2Config(model=model, **more)
    weights = str(tiny.sam2_meta(folder))
    return lambda **more: Sam2MetaConfig(
        checkpoint=weights,
        architecture="configs/sam2.1/sam2.1_hiera_t.yaml",
        overrides=tiny.SAM2_META,
        **more,
    )


def found(view: View, *frames: int, boxes: tuple[list[float], ...] = (BOX,)) -> dict[float, Detections]:
    names = ("dog", "person")[: len(boxes)]
    scores = np.full(len(boxes), 0.9, np.float32)
    return {float(view.times[k]): Detections(np.array(boxes, np.float32), scores, names) for k in frames}


def test_tiny_random_sam2_carries_a_box_through_real_frames_and_keeps_masks_where_wanted(
    made: Made, view: View
) -> None:
    tracker = registry.tracker(made(masks=True))
    assert tracker.name in ("sam2", "sam2_meta")
    assert tracker.version in ("tiny-sam", "tiny.pt")
    (track,) = tracker.track(view, found(view, 0))
    seen = track.scores > 0
    assert seen[0]
    assert seen.sum() >= 3
    assert np.array_equal(seen, ~np.isnan(track.boxes).any(1))
    assert len(track.masks) == len(view.times)
    assert sum(runs is not None for runs in track.masks) >= 3
    for box, runs in zip(track.boxes, track.masks, strict=True):
        if runs is not None:
            assert runs["size"] == [view.size[1], view.size[0]]
            assert around(decode(runs), 1.0, False).box.tolist() == box.tolist()
    (plain,) = made().build().track(view, found(view, 0))
    assert plain.masks == ()
    assert np.array_equal(plain.boxes, track.boxes, equal_nan=True)


def test_tiny_random_sam2_gives_the_same_twice_and_for_each_object_what_it_gives_for_it_alone(
    made: Made, view: View
) -> None:
    tracker = made().build()
    other = [200.0, 20.0, 300.0, 120.0]
    pair = {track.label: track for track in tracker.track(view, found(view, 0, boxes=(BOX, other)))}
    (alone,) = tracker.track(view, found(view, 0))
    assert pair["dog"].boxes == pytest.approx(alone.boxes, nan_ok=True)
    (again,) = tracker.track(view, found(view, 0))
    assert np.array_equal(again.boxes, alone.boxes, equal_nan=True)


def test_tiny_random_sam2_starts_in_any_frame_and_is_prompted_anew_by_a_box_that_disagrees(
    made: Made, view: View
) -> None:
    tracker = made(iou_min=0.05, agreed=1.0).build()
    boxes = (BOX, [0.0, 0.0, 320.0, 240.0])
    late = tracker.track(view, found(view, 5))
    assert all(np.isnan(track.boxes[:5]).all() for track in late)
    kept = made(iou_min=0.05, agreed=0.0).build()
    key_frames = found(view, 0) | found(view, 3, boxes=boxes[1:])
    believed, carried = (one.track(view, key_frames)[0].boxes for one in (tracker, kept))
    assert np.array_equal(believed[:3], carried[:3], equal_nan=True)
    assert np.array_equal(carried[3], kept.track(view, found(view, 0))[0].boxes[3], equal_nan=True)


def test_tiny_random_sam2_has_nothing_to_track_without_detections(made: Made, view: View) -> None:
    assert made().build().track(view, {}) == []


def test_tiny_random_sam2_follows_in_batches_and_beside_other_clips_what_it_follows_alone(
    view: View, tmp_path: Path
) -> None:
    model = str(tiny.sam2(tmp_path / "weights"))
    starts = [0, 3, 5]
    single = Sam2Config(model=model, batch_size=1).build()
    alone = [single.track(view, found(view, start)) for start in starts]
    shared = Sam2Config(model=model, batch_size=5).build()
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda start: shared.track(view, found(view, start)), starts * 2))
    for expected, tracks in zip(alone * 2, together, strict=True):
        assert len(tracks) == len(expected) == 1
        assert tracks[0].boxes == pytest.approx(expected[0].boxes, nan_ok=True)
        assert tracks[0].scores == pytest.approx(expected[0].scores, abs=1e-4)


def test_tiny_random_sam2_runs_in_bfloat16(view: View, tmp_path: Path) -> None:
    config = Sam2Config(model=str(tiny.sam2(tmp_path / "weights")), dtype="bfloat16", masks=True)
    (track,) = config.build().track(view, found(view, 0))
    assert (track.scores > 0).sum() >= 3


def test_a_long_clip_takes_no_more_of_sam2s_memory_than_it_looks_back(view: View, tmp_path: Path) -> None:
    from stages.models.tracker.sam2 import Sam2Carrier

    carrier = Sam2Carrier(Sam2Config(model=str(tiny.sam2(tmp_path / "weights"))))
    long = View(np.concatenate([view.frames] * 3), np.arange(3 * len(view.times)) / 4, view.motion)
    carriage = carrier.begin(long)
    carriage.put(0, np.array(BOX))
    for k in range(1, len(long.times)):
        carriage.advance(k, {0: np.array(BOX)})
    (session,) = carriage._sessions.values()
    kept = session.output_dict_per_obj[0]["non_cond_frame_outputs"]
    assert len(kept) <= carrier.memory < len(long.times)
    assert not any("high_res_masks" in outputs for outputs in kept.values())
    assert not session.processed_frames


def test_what_is_missing_is_told_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"tracker\.checkpoint|SAM2_BUILD_CUDA"):
        registry.check(Sam2MetaConfig(checkpoint=str(tmp_path / "gone.pt")))
    with pytest.raises(CallError, match="gone"):
        registry.check(Sam2Config(model=str(tmp_path / "gone")))
    other = str(tiny.grounding_dino(tmp_path / "dino"))
    with pytest.raises(CallError, match="grounding-dino; sam2 needs one of sam2_video"):
        registry.check(Sam2Config(model=other))


def test_an_empty_mask_has_no_box_and_a_full_one_the_frame() -> None:
    assert around(np.zeros((4, 6), bool), 1.0, True) is None
    full = around(np.ones((4, 6), bool), 0.5, True)
    assert full.box.tolist() == [0, 0, 6, 4]
    assert full.score == 0.5
    assert decode(full.mask).all()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(
    "actor",
    [
        pytest.param(None, id="in the workers", marks=pytest.mark.long),
        pytest.param({"num_cpus": 0.25}, id="in actors"),
    ],
)
def test_clips_are_annotated_with_tiny_random_grounding_dino_and_sam2(
    actor: dict[str, float] | None, tmp_path: Path
) -> None:
    names = ("pan.mp4", "ünïcødé-动作.mp4", "portrait.mp4")
    (tmp_path / "in").mkdir()
    for name, size in zip(names, ((320, 240), (321, 239), (180, 320)), strict=True):
        videos.write(tmp_path / "in" / name, 24, *size, pix_fmt="yuv444p")
    config = {
        "engine": {"workers": 1},
        "decouple": {"backend": "rules", "labels": ["person", "red ball"]},
        "prompt": {"object": "background_blur"},
        "detector": {
            "backend": "grounding_dino",
            "model": str(tiny.grounding_dino(tmp_path / "tiny-dino")),
            "box_threshold": 0,
            "text_threshold": 0,
            "actor": actor,
        },
        "tracker": {
            "backend": "sam2",
            "model": str(tiny.sam2(tmp_path / "tiny-sam")),
            "confident": 0,
            "masks": True,
            "actor": actor,
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    paths = {"config": tmp_path / "config.yaml", "input": tmp_path / "in", "output": tmp_path / "W"}
    options = [f"--{name}={path}" for name, path in paths.items()]
    run = motionsight("distill", *options, env={"HF_HUB_OFFLINE": "1"})
    assert run.returncode == 0, run.stderr
    rows = pq.read_table(tmp_path / "W" / "annotations").to_pylist()
    assert len(rows) == len(names)
    for row in rows:
        assert row["error"] is None, row["error_detail"]
        assert all(one["answer"] or one["error"] == "withheld" for one in row["qa"])
        assert any(one["answer"] for one in row["qa"])
        models = dict(row["models"])
        assert models["detector"] == "grounding_dino tiny-dino"
        assert models["tracker"] == "sam2 tiny-sam"
        assert {one["label"] for one in row["objects"]} <= {"person", "red ball"}
        assert row["objects"]
