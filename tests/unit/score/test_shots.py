from pathlib import Path

import pytest

from filters.quality import QualityConfig
from stages.demo.hard_cases import hard_cases
from stages.demo.render import render
from stages.motionsight.observe import observe
from stages.motionsight.settings import ObserveConfig
from stages.score.settings import ScoreConfig
from stages.score.stage import Scorer


@pytest.mark.parametrize("name", ["two_cuts", "dissolve"])
def test_annotation_sees_the_shots_that_scoring_saw(name: str, tmp_path: Path) -> None:
    recipe = next(recipe for recipe in hard_cases() if recipe.name == name)
    path = tmp_path / "clip.mp4"
    render(recipe, path)
    row = {"clip_id": "0" * 16, "uri": str(path), "start_s": None, "end_s": None}
    scored = Scorer(ScoreConfig(quality=QualityConfig(metric=None)))(row)["cuts"]
    motion = observe(str(path), None, None, False, ObserveConfig()).view.motion
    assert scored == [motion.times[k] for k in motion.cuts]
    assert len(scored) == len(recipe.cuts_s)
