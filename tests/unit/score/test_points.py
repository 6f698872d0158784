from pathlib import Path

import numpy as np

from filters.points.chunks import ChunkFollower
from filters.points.follower import Follower, PointBackend, PointTracker
from filters.quality import QualityConfig
from stages.motionsight.observe import observe
from stages.motionsight.settings import ObserveConfig
from stages.score.settings import ScoreConfig
from stages.score.stage import Scorer
from tests import videos


class Still(PointBackend):
    """Settings of a tracker for which no point ever moves."""

    backend: str = "still"

    def build(self) -> PointTracker:
        def stay(samples: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.repeat(points[None], len(samples), 0), np.ones((len(samples), len(points)), bool)

        def start(picture: tuple[slice, slice]) -> Follower:
            return ChunkFollower(stay, 48, picture)

        return start


def test_scoring_and_annotation_see_the_points_of_the_tracker_in_the_settings(tmp_path: Path) -> None:
    path = str(videos.write(tmp_path / "pan.mp4", 48, pan=0.2))
    row = {"clip_id": "0" * 16, "uri": path, "start_s": None, "end_s": None}
    score, look = ScoreConfig(quality=QualityConfig(metric=None)), ObserveConfig()
    assert Scorer(score)(row)["camera_motion"] == ["pan_right"]
    assert observe(path, None, None, False, look).camera.labels == ("pan_right",)
    score, look = (config.model_copy(update={"points": Still()}) for config in (score, look))
    assert "pan_right" not in Scorer(score)(row)["camera_motion"]
    assert "pan_right" not in observe(path, None, None, False, look).camera.labels
