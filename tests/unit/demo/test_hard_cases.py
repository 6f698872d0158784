"""The hard cases have the difficulty that their names promise."""

from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest

from stages.demo.hard_cases import hard_cases
from stages.demo.recipe import Recipe
from stages.demo.render import frames


def test_hard_cases_are_hard_in_the_way_they_say() -> None:
    cases = {recipe.name: recipe for recipe in hard_cases()}

    cut = cases["cut_static"]
    images = [frame.astype(float) for frame in frames(cut)]
    jumps = [np.abs(b - a).mean() for a, b in pairwise(images)]
    assert cut.cuts_s == ((np.argmax(jumps) + 1) / cut.fps,)
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
