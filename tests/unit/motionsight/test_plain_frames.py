"""What is measured on a few plain frames: where clips are observed, so that flow is loaded once a worker."""

from pathlib import Path

from filters.flow.registry import estimator
from pipeline.isolation import Limits
from stages.motionsight.observe import Observer
from stages.motionsight.settings import ObserveConfig
from tests import videos


def test_the_process_that_observes_a_clip_measures_its_plain_frames_too(tmp_path: Path) -> None:
    clip = str(videos.write(tmp_path / "clip.mp4", 36))
    estimator.cache_clear()
    apart = Observer(ObserveConfig(), limits=Limits())
    seen = apart.observe(clip, None, None, False)
    measured = [apart.plain(seen, count) for count in (1, 4, 99)]
    apart.interrupt()
    assert estimator.cache_info().currsize == 0
    here = Observer(ObserveConfig())
    for count, (few, evidence) in zip((1, 4, 99), measured, strict=True):
        assert len(few) == min(count, len(seen.view.times))
        frames, expected = here.plain(seen, count)
        assert few.tolist() == frames.tolist()
        assert repr(evidence) == repr(expected)
