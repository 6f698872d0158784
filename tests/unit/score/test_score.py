from pathlib import Path

import numpy as np
import pytest

from filters.quality import PyiqaScorer, QualityConfig
from pipeline.errors import ClipError
from pipeline.schema import SCORES
from stages.score.measures.phash import perceptual_hash
from stages.score.settings import ScoreConfig
from stages.score.stage import Score
from tests import videos


def score(path: Path, quality: QualityConfig) -> dict[str, object]:
    row = {"clip_id": "a", "uri": str(path), "start_s": None, "end_s": None}
    stage = Score(ScoreConfig(quality=quality))
    stage.setup()
    return stage.work(row)


def test_a_clip_is_probed_and_measured(tmp_path: Path) -> None:
    row = score(videos.write(tmp_path / "a.mp4", 36, pan=0.1), QualityConfig())
    assert list(row) == SCORES.names
    assert (row["width"], row["height"], row["frames"], row["codec"]) == (320, 240, 36, "h264")
    assert (row["fps"], row["duration_s"]) == (pytest.approx(12), pytest.approx(3))
    assert row["camera_motion"] == ["pan_right"]
    assert row["pan"] == pytest.approx(0.1, rel=0.1)
    assert 0 < row["quality"] < 100  # type: ignore[operator]
    assert row["cuts"] == []
    assert row["error"] is None


def test_without_a_quality_metric_the_rest_is_the_same(tmp_path: Path) -> None:
    path = videos.write(tmp_path / "a.mp4", 24)
    with_, without = score(path, QualityConfig()), score(path, QualityConfig(metric=None))
    assert (without["quality"], without["quality_metric"]) == (None, None)
    quality = {"quality", "quality_metric"}
    assert {k: v for k, v in with_.items() if k not in quality} == {
        k: v for k, v in without.items() if k not in quality
    }


def test_piqe_finds_a_blocky_picture_worse() -> None:
    judge = PyiqaScorer("piqe")
    fine = videos.scene(384, 384)[None]
    blocky = np.repeat(np.repeat(fine[:, ::8, ::8], 8, axis=1), 8, axis=2)
    assert judge.lower_better
    assert judge(blocky) > judge(fine)


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        PyiqaScorer("nonsense")


def test_the_same_scene_coded_anew_looks_alike_and_another_does_not(tmp_path: Path) -> None:
    from skimage import data

    def bits(a: str, b: str) -> int:
        return (int(a, 16) ^ int(b, 16)).bit_count()

    one = score(videos.write(tmp_path / "a.mp4", 24), QualityConfig(metric=None))["phash"]
    again = score(videos.write(tmp_path / "b.mp4", 24, 160, 120, codec="mpeg4"), QualityConfig(metric=None))[
        "phash"
    ]
    other = perceptual_hash(np.stack([data.coffee()[:, :, 1]] * 6))
    assert len(str(one)) == 48
    assert bits(str(one), str(again)) <= 12 < bits(str(one), other)


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [(1.0, 4.1, None), (1.0, 4.5, "decode_error"), (3.5, 99.0, "decode_error"), (4.5, 5.0, "too_few_frames")],
)
def test_a_clip_beyond_the_end_of_its_video_gets_a_code(
    tmp_path: Path, start: float, end: float, code: str | None
) -> None:
    path = str(videos.write(tmp_path / "a.mp4", 48))
    stage = Score(ScoreConfig(quality=QualityConfig(metric=None)))
    stage.setup()
    row = {"clip_id": "a", "uri": path, "start_s": start, "end_s": end}
    if code is None:  # a little beyond it, as annotations are rounded
        assert stage.work(row)["duration_s"] == pytest.approx(3.0)
        return
    with pytest.raises(ClipError) as caught:
        stage.work(row)
    assert caught.value.code == code
