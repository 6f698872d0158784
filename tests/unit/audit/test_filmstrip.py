from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.settings import load
from pipeline.errors import ClipError
from stages.audit.filmstrip import FRAMES, WIDTH, Filmstrip, drawn
from stages.motionsight.settings import ObserveConfig
from tests import videos


def picture(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_a_filmstrip_has_its_rows_at_the_size_of_the_page(tmp_path: Path) -> None:
    strip = Filmstrip(ObserveConfig())
    path = videos.write(tmp_path / "clip.mp4", 48)
    rows = strip({"uri": str(path), "start_s": None, "end_s": None}, None)
    assert list(rows) == ["original", "spotlight", "motion blur", "boxes"]
    shapes = {picture(data).shape for data in rows.values()}
    assert shapes == {(round(WIDTH * 240 / 320), FRAMES * WIDTH, 3)}
    with pytest.raises(ClipError) as failed:
        strip({"uri": str(tmp_path / "gone.mp4"), "start_s": None, "end_s": None}, None)
    assert failed.value.code == "missing_file"


def test_the_boxes_that_annotation_stored_are_the_ones_shown(tmp_path: Path) -> None:
    strip = Filmstrip(ObserveConfig())
    path = videos.write(tmp_path / "clip.mp4", 48)
    clip_row = {"uri": str(path), "start_s": None, "end_s": None}
    times = strip._observer.observe(str(path), None, None, False).view.times
    regions = [[0.0, 0.0, 100.0, 100.0]] * len(times)
    stored = {"times": times.tolist(), "objects": [], "regions": regions}
    spotlit = picture(strip(clip_row, stored)["spotlight"])
    plain = picture(strip(clip_row, stored)["original"])
    height = spotlit.shape[0]
    assert spotlit[: height // 4, : WIDTH // 4].mean() > 0.9 * plain[: height // 4, : WIDTH // 4].mean()
    assert spotlit[height // 2 :, : WIDTH // 2].mean() < 0.3 * plain[height // 2 :, : WIDTH // 2].mean()
    other = {"times": [0.0], "objects": [], "regions": [[0.0, 0.0, 1.0, 1.0]]}
    assert strip(clip_row, other) == strip(clip_row, None)


def test_boxes_that_are_not_there_are_not_drawn() -> None:
    frames = np.zeros((2, 40, 60, 3), np.uint8)
    boxes = np.array([[5.0, 5.0, 30.0, 30.0], [np.nan] * 4])
    out = drawn(frames, boxes, [])
    assert out[0].any()
    assert not out[1].any()
    assert not frames.any()


def test_the_configuration_that_ships_gives_filmstrips_without_weights() -> None:
    config = load("motionvid_qa")
    look = ObserveConfig.model_validate({name: getattr(config, name) for name in ObserveConfig.model_fields})
    observer = Filmstrip(look)._observer
    assert (observer.detector.name, observer.config.flow.backend) == ("moving_regions", "dis")
