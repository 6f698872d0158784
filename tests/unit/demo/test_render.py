"""Frames and files: noise, finish, dissolves, and an encoding that repeats."""

import math
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from stages.demo.recipe import NOISE, Camera, Finish, Mover, Recipe
from stages.demo.render import frames, render


def test_a_static_clip_differs_by_noise_alone() -> None:
    first, second = islice(frames(Recipe("", "coffee")), 2)
    difference = first.astype(float) - second
    assert difference.std() == pytest.approx(NOISE * math.sqrt(2), rel=0.1)


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
