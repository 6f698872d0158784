"""Score a clip: all measurements in one decoding pass."""

from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline.errors import ClipError
from pipeline.isolation import Isolated, Limits
from pipeline.registry import Registry
from pipeline.schema import SCORES, empty_row
from pipeline.stage import Row, Stage
from stages.score.measure import Measure, Measured
from stages.score.settings import ScoreConfig
from stages.video.clock import COMPLETE
from stages.video.frames import Clip, Wanted
from stages.video.look import CloserLook
from stages.video.pixels import fitted
from stages.video.probe import sample_times

MEASURES = Registry("measure", "stages.score.measures", Measure)


class Score(Stage):
    """Turns a row of `clips` into a row of `scores`."""

    name = "score"
    table = "scores"
    schema = SCORES

    def __init__(self, config: ScoreConfig | None = None, limits: Limits | None = None) -> None:
        """Configure the stage; `setup` loads the measurements.

        Args:
            config: How clips are decoded and measured; None: the embedded profile.
            limits: Limits of a child process that measures; None: measure in the worker itself.
        """
        self._config, self._limits = config or ScoreConfig(), limits

    def setup(self) -> None:
        """Load the measurements, in a child process if there are limits."""
        make: Callable[[], Callable[[Row], Row]] = partial(Scorer, self._config)
        heavy = (__name__, "pyiqa") if self._config.quality.metric else (__name__,)
        self._score = Isolated(make, self._limits, heavy) if self._limits else make()

    def work(self, row: Row) -> Row:
        """Measure one clip."""
        return self._score(row)


class Scorer:
    """Decodes clips and applies all measurements."""

    def __init__(self, config: ScoreConfig) -> None:
        self._config = config
        self._measures = [kind(config) for kind in MEASURES]

    def __call__(self, row: Row) -> Row:
        """Decode a clip once and measure it.

        Args:
            row: clip_id, uri, start_s and end_s.

        Returns:
            A row of `scores`.

        Raises:
            ClipError: The clip cannot be decoded or measured, or more than a tenth of it is beyond the end of
                its video.
        """
        decode = self._config.decode
        rough = decode.frames == "reference" and not any(measure.exact for measure in self._measures)
        clip = Clip(row["uri"], row["start_s"], row["end_s"], rough)
        probe, start_s, end_s = clip.probe, row["start_s"] or 0.0, row["end_s"]
        if end_s is not None and probe.duration_s < COMPLETE * (end_s - start_s):
            there = start_s + probe.duration_s
            raise ClipError("decode_error", f"the video ends at {there:.2f} s, the clip at {end_s:.2f} s")
        sampled = sample_times(probe, decode.fps, decode.max_samples)
        own = {measure.name: it for measure in self._measures if (it := measure.wanted(probe))}
        small = fitted(probe.width, probe.height, decode.size)
        taken, *others = clip.read([Wanted(sampled, small, False), *own.values()], decode)
        pictures = dict(zip(own, (other.pictures for other in others), strict=True))
        # With reference frames only, the same frame may be the nearest to several times.
        indices, firsts = np.unique(taken.indices, return_index=True)
        if len(indices) < 2:
            raise ClipError("too_few_frames", "the clip has only one distinct frame")
        look = CloserLook(clip.source, row["start_s"], row["end_s"], decode.threads)
        seen = Measured(probe, taken.pictures[firsts], probe.times[indices], look, self._config)
        done = empty_row("scores") | {"clip_id": row["clip_id"]}
        for measure in self._measures:
            done |= measure(seen, pictures.get(measure.name))
        return done
