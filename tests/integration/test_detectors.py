"""Grounding DINO through the real classes on real frames, with tiny random weights made on the spot."""

import os
import string
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import CallError, ClipError
from stages.models import registry
from stages.models.detector.grounding_dino import (
    TOKENS,
    GroundingConfig,
    GroundingDinoConfig,
    detect,
    key_frames,
    named,
    texts,
    token_spans,
)
from stages.models.detector.groundingdino_py import GroundingDinoPyConfig
from stages.models.protocols import Detections, View
from stages.motionsight.observe import observe
from stages.motionsight.settings import ObserveConfig
from tests import tiny, videos

NAMES = ("dog", "person's hand", "red ball")
# The Python of an environment with groundingdino-py==0.4.0, transformers<5, ray and pydantic as here, and av.
OTHER = os.environ.get("GROUNDINGDINO_PYTHON", "")


@pytest.fixture(scope="module", autouse=True)
def _as_in_a_worker() -> Iterator[None]:
    with tiny.as_in_a_worker():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.grounding_dino(tmp_path_factory.mktemp("weights") / "tiny-dino"))


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    clip = videos.write(tmp_path_factory.mktemp("clips") / "pan.mp4", 36)
    return observe(str(clip), None, None, False, ObserveConfig()).view


def everything(model: str, **more: object) -> GroundingDinoConfig:
    return GroundingDinoConfig.model_validate(
        {"model": model, "box_threshold": 0, "text_threshold": 0} | more
    )


def test_tiny_random_grounding_dino_gives_boxes_in_the_frame_under_the_asked_names(
    weights: str, view: View
) -> None:
    detector = registry.detector(everything(weights, step_s=1.0))
    assert (detector.name, detector.version) == ("grounding_dino", "tiny-dino")
    found = detector.detect(view, NAMES)
    assert sorted(found) == [float(view.times[k]) for k in key_frames(view, 1.0)]
    assert 2 <= len(found) < len(view.times)
    for one in found.values():
        assert len(one.boxes) == len(one.scores) == len(one.labels) == 20
        assert one.boxes.dtype == one.scores.dtype == np.float32
        assert (one.boxes >= 0).all()
        assert (one.boxes <= [*view.size, *view.size]).all()
        assert (one.boxes[:, 2:] >= one.boxes[:, :2]).all()
        assert (np.diff(one.scores) <= 0).all()
        assert one.scores.max() > 0
        assert set(one.labels) <= set(NAMES)
    assert detector.detect(view, ()) == {}


def test_tiny_random_grounding_dino_finds_the_same_in_batches_of_any_size(weights: str, view: View) -> None:
    one, many = (
        everything(weights, step_s=0, batch_size=size).build().detect(view, NAMES) for size in (1, 5)
    )
    assert list(one) == list(many) == view.times.tolist()
    for t in one:
        assert many[t].scores == pytest.approx(one[t].scores, abs=1e-4)


def test_tiny_random_grounding_dino_finds_in_shared_batches_what_it_finds_for_a_clip_alone(
    weights: str, view: View
) -> None:
    from dataclasses import replace

    smaller = replace(view, frames=np.ascontiguousarray(view.frames[:, :120, :100]))
    later = replace(view, frames=view.frames[5:], times=view.times[5:])
    calls = [
        (one, labels) for one in (view, smaller, later) for labels in (NAMES, NAMES[:1], ("ball", "hand"), ())
    ]
    detector = everything(weights, step_s=1.0, batch_size=7).build()
    alone = [detector.detect(*call) for call in calls]
    sizes = []
    real = detector._batches._compute
    detector._batches._compute = lambda items: sizes.append(len(items)) or real(items)  # type: ignore[func-returns-value]
    detector._batches._gather_s = 0.05
    with ThreadPoolExecutor(len(calls)) as threads:
        together = list(threads.map(lambda call: detector.detect(*call), calls * 3))
    assert max(sizes) == 7  # more than any of these clips has key frames
    for expected, found in zip(alone * 3, together, strict=True):
        assert list(found) == list(expected)
        for t in expected:
            assert found[t].scores == pytest.approx(expected[t].scores, abs=1e-4)
            assert np.sort(found[t].boxes, axis=0) == pytest.approx(
                np.sort(expected[t].boxes, axis=0), abs=0.1
            )


def test_tiny_random_grounding_dino_runs_in_bfloat16(weights: str, view: View) -> None:
    plain = everything(weights).build().detect(view, NAMES)
    found = everything(weights, dtype="bfloat16").build().detect(view, NAMES)
    assert list(found) == list(plain)
    assert all(np.isfinite(one.boxes).all() and len(one.boxes) == 20 for one in found.values())


def test_thresholds_leave_what_is_above_them(weights: str, view: View) -> None:
    all_of_it = everything(weights).build().detect(view, NAMES)
    middle = float(np.median([one.scores for one in all_of_it.values()]))
    found = everything(weights, text_threshold=middle).build().detect(view, NAMES)
    for t, one in all_of_it.items():
        assert found[t].scores.tolist() == one.scores[one.scores > middle].tolist()
    assert not any(
        len(one.boxes) for one in everything(weights, box_threshold=1).build().detect(view, NAMES).values()
    )


def test_more_names_than_one_text_holds_are_all_looked_for(weights: str, view: View) -> None:
    many = [
        f"{word} {letter}" for word in ("person", "dog", "ball", "hand") for letter in string.ascii_lowercase
    ]
    found = everything(weights, step_s=9).build().detect(view, [*many, *NAMES])
    (one,) = found.values()
    assert len(one.boxes) > 20  # each text has its 20 boxes
    assert (np.diff(one.scores) <= 0).all()
    assert len(one.labels) == len(one.scores)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "no-such-folder/at-all"}, "no-such-folder/at-all"),
        ({"model": "/no/such/folder"}, "/no/such/folder"),
    ],
)
def test_weights_that_are_not_there_are_missed_before_the_run(change: dict[str, str], says: str) -> None:
    config = GroundingDinoConfig.model_validate(change)
    with pytest.raises(CallError, match=says):
        registry.check(config)
    # In an actor's environment they may well be there: it looks for itself, before any clip.
    registry.check(GroundingDinoConfig.model_validate(change | {"actor": {}}))


def test_a_checkpoint_of_another_architecture_is_refused_rather_than_filled_with_noise(
    tmp_path: Path,
) -> None:
    other = str(tiny.sam2(tmp_path / "sam2"))
    for act in (lambda config: registry.check(config), lambda config: config.build()):
        with pytest.raises(CallError, match="sam2_video; grounding_dino needs one of grounding-dino"):
            act(GroundingDinoConfig(model=other))


def test_groundingdino_py_says_which_file_or_package_is_missing(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    files = dict.fromkeys(("config_file", "checkpoint", "text_encoder"), str(tmp_path / "there"))
    for name in files:
        with pytest.raises(CallError, match=f"detector.{name}"):
            registry.check(GroundingDinoPyConfig.model_validate(files | {name: str(tmp_path / "gone")}))
    with pytest.raises(CallError, match=r"detector\.actor\.runtime_env\.py_executable"):
        registry.check(GroundingDinoPyConfig.model_validate(files))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_names_are_put_into_as_few_texts_as_their_order_allows(lengths: list[int]) -> None:
    parts = texts(lengths)
    assert [k for part in parts for k in range(part.start, part.stop)] == list(range(len(lengths)))
    taken = [sum(length + 1 for length in lengths[part]) + 2 for part in parts]
    assert max(taken) <= TOKENS
    for one, after in zip(taken, parts[1:], strict=False):
        assert one + lengths[after.start] + 1 > TOKENS


def test_each_names_tokens_are_found_in_the_text(weights: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights)
    whole = tokenizer(" ".join(f"{name}." for name in NAMES))["input_ids"]
    alone = [tokenizer(name, add_special_tokens=False)["input_ids"] for name in NAMES]
    assert [whole[span] for span in token_spans([len(ids) for ids in alone])] == alone


def test_a_box_is_called_by_its_best_token_and_placed_in_pixels() -> None:
    scores = np.array([[0.0, 0.6, 0.0, 0.3, 0.9, 0.0], [0.0, 0.4, 0.0, 0.1, 0.2, 0.0], [0.9, 0, 0, 0, 0, 0]])
    boxes = np.array([[0.5, 0.5, 0.2, 0.4], [0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
    spans = token_spans([1, 2])
    found = named(scores, boxes, spans, ("dog", "red ball"), (200, 100), GroundingConfig())
    assert found.labels == ("red ball", "dog")
    assert found.scores.tolist() == pytest.approx([0.9, 0.4])
    assert found.boxes.tolist() == pytest.approx(np.array([[80, 30, 120, 70], [0, 0, 50, 25]]), abs=1e-4)


def test_key_frames_are_apart_in_seconds_and_begin_each_shot(view: View) -> None:
    from dataclasses import replace

    for step_s in (0.3, 1.0, 100.0):
        keys = key_frames(view, step_s)
        assert keys[0] == 0
        assert (np.diff(view.times[keys]) >= step_s - 1e-6).all()
        assert all(view.times[b] - view.times[b - 1] < step_s or step_s < 0.4 for b in keys[1:])
    assert key_frames(view, 0) == list(range(len(view.times)))
    cut = replace(view, motion=replace(view.motion, cuts=[10]))
    first = int(np.searchsorted(view.times, view.motion.times[10] - 1e-6))
    assert key_frames(cut, 100.0) == [0, first]
    assert key_frames(replace(view, times=view.times[:1], frames=view.frames[:1]), 1.0) == [0]


def test_numbers_that_overflow_cost_the_clip_and_are_told(view: View) -> None:
    def broken(frames: np.ndarray, text: str) -> tuple[np.ndarray, np.ndarray]:
        return np.full((len(frames), 2, TOKENS), np.nan), np.zeros((len(frames), 2, 4))

    def tokens(text: str, add_special_tokens: bool) -> dict[str, Sequence[str]]:
        return {"input_ids": text.split()}

    with pytest.raises(ClipError, match="NaN"):
        detect(view, ["dog"], GroundingConfig(), tokens, broken)


IN_THE_OTHER = """
import runpy, sys, torch
from groundingdino.models import build_model
from groundingdino.util.slconfig import SLConfig
settings = SLConfig.fromfile(sys.argv[1])
settings.text_encoder_type, settings.device = sys.argv[2], "cpu"
torch.manual_seed(0)
torch.save({"model": build_model(settings).state_dict()}, sys.argv[3])
"""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(
    not OTHER,
    reason="it needs older packages than ours: name a Python with groundingdino-py in GROUNDINGDINO_PYTHON",
)
def test_tiny_random_groundingdino_py_detects_in_an_actor_with_its_own_environment(
    tmp_path: Path, view: View
) -> None:
    import ray

    from stages.models.actors import model_actors
    from stages.models.placement import Placement

    encoder = tiny.bert(tmp_path / "bert")
    (tmp_path / "config.py").write_text(tiny.GROUNDINGDINO_PY)
    paths = (tmp_path / "config.py", encoder, tmp_path / "weights.pth")
    subprocess.run([OTHER, "-c", IN_THE_OTHER, *map(str, paths)], check=True, capture_output=True)
    config = GroundingDinoPyConfig(
        config_file=str(paths[0]),
        checkpoint=str(paths[2]),
        text_encoder=str(encoder),
        box_threshold=0,
        text_threshold=0,
        actor=Placement(runtime_env={"py_executable": OTHER, "env_vars": {"HF_HUB_OFFLINE": "1"}}),
    )
    try:
        with model_actors({"detector": config}) as handles:
            detector = registry.detector(config, handles["detector"])
            assert (detector.name, detector.version) == ("groundingdino_py", "weights.pth")
            found = detector.detect(view, NAMES)
    finally:
        ray.shutdown()
    assert sorted(found) == [float(view.times[k]) for k in key_frames(view, 1.0)]
    for one in found.values():
        assert isinstance(one, Detections)
        assert len(one.boxes) == 20
        assert (one.boxes <= [*view.size, *view.size]).all()
        assert set(one.labels) <= set(NAMES)
    assert "groundingdino" not in sys.modules
