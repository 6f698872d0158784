from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from filters.shots.continuity import LOOKS_S, find_shots
from stages.demo.hard_cases import hard_cases
from stages.demo.recipe import Recipe
from tests import videos
from tests.unit.filters.camera.measured import measured, rendered
from tests.unit.filters.shots.film import (
    FLOW,
    HEIGHT,
    RATE,
    WIDTH,
    blend,
    footage,
    looking,
    panned,
    starts_s,
    take,
)

REAL = videos.SHARED.parent / "real"


def found(frames: np.ndarray) -> list[float]:
    return starts_s(frames, find_shots)


def test_a_cut_is_found_and_a_single_take_has_none() -> None:
    one, other = take("coffee", 36), take("astronaut", 36)
    assert found(one) == []
    assert found(np.concatenate([one, other])) == [1.5]


def test_several_cuts_are_found() -> None:
    shots = [take(photo, 18) for photo in ("coffee", "rocket", "chelsea", "coins")]
    assert found(np.concatenate(shots)) == [0.75, 1.5, 2.25]


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_cut_right_after_the_start_is_found(frames: int) -> None:
    assert found(np.concatenate([take("coffee", frames), take("astronaut", 40)])) == [
        -(-frames // 3) * 3 / RATE
    ]


def test_a_cut_to_a_picture_as_bright_and_as_contrasty_is_found() -> None:
    one, other = take("coffee", 36), take("chelsea", 36)
    alike = (other - other.mean()) / other.std() * one.std() + one.mean()
    assert found(np.concatenate([one, np.clip(alike, 0, 255).astype(np.uint8)])) == [1.5]


def test_a_cut_to_a_later_moment_of_the_same_scene_is_found() -> None:
    at = np.arange(72) * 0.3
    at[36:] += 150  # a good half of the frame
    assert found(panned("gravel", at)) == [1.5]


@pytest.mark.parametrize("seconds", [0.3, 0.5, 1.0, 2.0, 3.0])
def test_a_dissolve_is_found_however_long_it_takes(seconds: float) -> None:
    count = round(seconds * RATE)
    frames = blend(take("coffee", 24 + count), take("astronaut", 24 + count), count)
    (start,) = found(frames)
    assert 1.0 <= start <= 1.1 + seconds


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("seconds", [0.25, 0.5, 1.0])
def test_a_fade_out_and_in_to_another_shot_is_a_boundary(level: int, seconds: float) -> None:
    flat = np.full((48, HEIGHT, WIDTH), level, np.uint8)
    count = round(seconds * RATE)
    out = blend(take("rocket", 24 + count), flat[: count + 3], count)
    back = blend(flat[: count + 3], take("chelsea", 24 + count), count)
    starts = found(np.concatenate([out, back]))
    assert starts
    assert all(0.9 <= start <= 1.4 + 2 * seconds for start in starts)


def test_a_clip_that_fades_in_at_its_start_and_out_at_its_end_is_a_single_take() -> None:
    black = np.zeros((24, HEIGHT, WIDTH), np.uint8)
    assert found(blend(black, take("coffee", 60), 20)) == []
    assert found(blend(take("coffee", 60), black, 20)) == []


@pytest.mark.parametrize("frames", [4, 6, 9])
def test_a_whip_pan_is_no_cut(frames: int) -> None:
    """Two and a half frame widths go by."""
    ease = np.clip((np.arange(60) - 27) / frames, 0, 1)
    at = 30 + 2.5 * WIDTH * (3 * ease**2 - 2 * ease**3)
    assert found(panned("coffee", at, exposures=8)) == []


@pytest.mark.parametrize("frames", [5, 12])
def test_someone_large_who_leaves_enters_or_passes_by_is_no_cut(frames: int) -> None:
    behind, face = take("coffee", 60, 0.0), take("astronaut", 1)[0]
    share = np.clip((np.arange(60) - 24) / frames, 0, 1)
    leaves = _covered(behind, face, (share * WIDTH).astype(int))
    assert found(leaves) == []
    assert found(leaves[::-1]) == []
    passes = _covered(behind, face, ((2 * share - 1) * WIDTH).astype(int))
    assert found(passes) == []


def _covered(frames: np.ndarray, picture: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Frames behind a picture of three quarters of their width, whose left edge is at `at`."""
    frames = frames.copy()
    picture = picture[:, WIDTH // 8 : -WIDTH // 8]
    for frame, x in zip(frames, at, strict=True):
        a, b = max(0, x), min(WIDTH, x + picture.shape[1])
        if a < b:
            frame[:, a:b] = picture[:, a - x : b - x]
    return frames


@pytest.mark.parametrize("first", [0, 1, 30, 33, 58, 59])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_flash_is_no_cut(first: int, count: int) -> None:
    frames = take("astronaut", 60) // 2
    frames[first : first + count] = 255 - frames[first : first + count] // 8
    assert found(frames) == []


def test_neither_lightning_nor_a_lamp_nor_flicker_is_a_cut() -> None:
    frames = take("coffee", 60).astype(float) * 0.6
    lightning, lamp, flicker = frames.copy(), frames.copy(), frames.copy()
    for k in range(12):
        lightning[24 + k] += (255 - lightning[24 + k]) * 0.8 * np.exp(-k / 3)
    lamp[30:] *= 1.6
    flicker[::2] *= 0.6
    for each in (lightning, lamp, flicker):
        assert found(np.clip(each, 0, 255).astype(np.uint8)) == []


def test_neither_damage_nor_a_caption_nor_held_frames_are_cuts() -> None:
    frames = take("chelsea", 60, 1.0)
    damaged, captioned = frames.copy(), frames.copy()
    damaged[30:33, HEIGHT // 3 :] = np.roll(damaged[30:33, HEIGHT // 3 :], 40, 2)[..., ::-1]
    for frame in captioned[30:]:
        cv2.rectangle(frame, (20, 110), (236, 138), 0, -1)
        cv2.putText(frame, "A caption", (60, 130), 0, 0.7, 255, 2)
    number = np.arange(60)
    held, frozen = frames[number // 2 * 2], frames[np.where((number > 25) & (number < 36), 25, number)]
    for each in (damaged, captioned, held, frozen):
        assert found(each) == []


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_clip_has_no_cuts(level: int) -> None:
    assert found(np.full((30, HEIGHT, WIDTH), level, np.uint8)) == []


def test_two_samples_may_be_two_shots() -> None:
    assert found(take("coffee", 4)) == []
    assert found(np.concatenate([take("coffee", 2), take("astronaut", 2)])) == [0.125]


@pytest.mark.parametrize("blind", [True, False])
def test_without_a_closer_look_the_samples_decide(blind: bool) -> None:
    frames = np.concatenate([take("coffee", 36), take("astronaut", 36)])
    nothing = np.empty((0, 0, 0), np.uint8), np.empty(0)
    seen = footage(frames, (lambda parts, longer, colour: [nothing] * len(parts)) if blind else None)
    assert find_shots(seen) == [12]


def test_samples_ten_seconds_apart_are_told_from_each_other_and_not_all_is_looked_at() -> None:
    """An hour of five minutes each: where samples do not overlap, a cut is one among steps that are alike."""
    shots = [take(photo, 30, 0.2) for photo in ("coffee", "astronaut", "rocket", "chelsea") * 3]
    looked: list[tuple[float, float]] = []
    samples = np.concatenate(shots)
    seen = footage(samples, looking(samples[:0], looked), 10.0, 1)
    assert find_shots(seen) == list(range(30, 360, 30))
    assert sum(end - start for start, end in looked) <= LOOKS_S


class Batched:
    """An estimator that takes many pairs at once, and counts its calls."""

    def __init__(self) -> None:
        self.calls, self.pairs = 0, 0

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return self.many(a[None], b[None])[0]

    def many(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        self.calls, self.pairs = self.calls + 1, self.pairs + len(a)
        return np.stack([FLOW(one, other) for one, other in zip(a, b, strict=True)])


def test_an_estimator_that_takes_many_pairs_gets_those_of_a_look_together() -> None:
    seen = footage(np.concatenate([take("coffee", 36), take("astronaut", 36)]))
    flow = Batched()
    assert find_shots(replace(seen, estimate=flow)) == find_shots(seen) == [12]
    assert flow.pairs > 20
    assert flow.calls < flow.pairs / 2


SHOTS = [recipe for recipe in hard_cases() if recipe.cuts_s]


@pytest.mark.parametrize("recipe", SHOTS, ids=[recipe.name for recipe in SHOTS])
def test_no_step_over_the_long_baseline_crosses_a_cut_or_a_dissolve(recipe: Recipe, tmp_path: Path) -> None:
    motion = rendered(recipe, tmp_path)
    assert len(motion.cuts) == len(recipe.cuts_s)
    assert [motion.times[k] for k in motion.cuts] == pytest.approx(recipe.cuts_s, abs=0.15)
    assert not [(s.i, s.j) for s in motion.long if any(s.i < cut <= s.j for cut in motion.cuts)]


# Fast pans, someone close to the lens, a door passed by; and cuts, one of them a quarter second in.
@pytest.mark.skipif(not REAL.is_dir(), reason="the real clips are not beside the project")
@pytest.mark.parametrize(
    ("name", "cuts_s"),
    [
        ("mpy-fire2.mp4", []),
        ("cotracker-pillow.mp4", []),
        ("imageio-cockatoo.mp4", []),
        ("re10k-0c9b.mp4", []),
        ("vl2-demo3.mp4", [0.25]),
        ("tc-nasa.mp4", [5.5, 8.08]),
        ("esrgan-onepiece.mp4", [4.17]),
    ],
)
def test_cuts_of_real_clips(name: str, cuts_s: list[float]) -> None:
    motion = measured(REAL / name)
    assert [motion.times[k] for k in motion.cuts] == pytest.approx(cuts_s, abs=0.5)
