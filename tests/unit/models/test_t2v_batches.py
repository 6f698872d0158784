"""Answers of several clips scored in one batch. The model stands in for t2v-metrics, which is missing."""

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages.models.alignment.t2v_metrics import T2vMetricsConfig


class Model:
    """Scores a picture by its brightness and the length of the text; remembers the sizes of its batches.

    The first batch takes until all others wait.
    """

    def __init__(self, video_mode: str) -> None:
        self.video_mode, self.sizes = video_mode, list[int]()
        self.waiting: Callable[[], int] = lambda: 0
        self.total = 0

    def forward(self, images: Sequence[str], texts: Sequence[str], question_template: str) -> Any:
        import torch

        self.sizes.append(len(images))
        while len(self.sizes) == 1 and len(images) + self.waiting() < self.total:
            time.sleep(0.001)
        scores = [np.load(path).mean() / 255 / len(text) for path, text in zip(images, texts, strict=True)]
        return torch.tensor(scores)


@pytest.mark.parametrize("video_mode", ["concat", "direct"])
def test_each_clip_gets_the_mean_of_its_own_frames_whoever_shares_its_batches(
    video_mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(video_mode)
    package: Any = SimpleNamespace(VQAScore=lambda **_: SimpleNamespace(model=model))
    monkeypatch.setitem(sys.modules, "t2v_metrics", package)
    score = T2vMetricsConfig.model_validate({"device": "cpu", "actor": None}).build()
    clips = [np.full((2 + k, 4 + k, 6, 3), 10 * k, np.uint8) for k in range(12)]
    texts = [["x" * (1 + k), "y" * 7, "z"][: k % 4] for k in range(12)]

    pictures = 1 if video_mode == "direct" else 4
    model.waiting = lambda: len(score._batches._waiting)
    model.total = sum(min(pictures, len(clip)) * len(said) for clip, said in zip(clips, texts, strict=True))

    def scored(k: int) -> list[float | None]:
        return score(clips[k], np.arange(len(clips[k])), texts[k])

    with ThreadPoolExecutor(12) as threads:
        together = list(threads.map(scored, range(12)))
    for k, found in enumerate(together):
        assert found == pytest.approx([10 * k / 255 / len(text) for text in texts[k]])
    assert sum(model.sizes) == model.total
    assert max(model.sizes) == min(16, model.total - model.sizes[0])
