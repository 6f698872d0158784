"""Score a clip: probe, quality, flow, camera and object motion out of one decode pass."""

from collections.abc import Callable, Sequence
from typing import Any

import imagehash
import numpy as np
from PIL import Image

from filters.camera.config import CameraConfig
from filters.camera.measure import measure
from filters.camera.naming import summarise
from filters.camera.statistics import statistics
from filters.flow import FlowConfig, estimator
from filters.quality import PyiqaScorer, QualityConfig
from pipeline.errors import ClipError
from pipeline.isolation import Isolated, Limits
from pipeline.schema import SCORES, empty_row
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.pixels import fitted
from stages.video.probe import middles, sample_times


class Score:
    """A row of `clips` in, a row of `scores` out."""

    table = "scores"
    schema = SCORES

    def __init__(
        self, decode: DecodeConfig, flow: FlowConfig, camera: CameraConfig, quality: QualityConfig
    ) -> None:
        self._decode, self._camera, self._quality = decode, camera, quality
        self._flow = estimator(flow)
        self._judge = PyiqaScorer(quality.metric, quality.device) if quality.metric else None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        # Motion is measured as well on rough frames; PIQE finds those better than they are, by 3 to 6.
        rough = self._decode.frames == "reference" and not self._judge
        clip = Clip(row["uri"], row["start_s"], row["end_s"], rough)
        probe = clip.probe
        sampled = sample_times(probe, self._decode.fps, self._decode.max_samples)
        small = fitted(probe.width, probe.height, self._decode.size)
        wanted = [Wanted(sampled, small, False)]
        if self._judge:
            judged = middles(probe, self._quality.frames)
            longest = min(self._quality.size, max(probe.width, probe.height))
            wanted.append(Wanted(judged, fitted(probe.width, probe.height, longest), True))
        taken, *judged_frames = clip.read(wanted, self._decode)
        # Among reference frames alone the nearest one may serve twice.
        indices, firsts = np.unique(taken.indices, return_index=True)
        samples = taken.pictures[firsts]
        if len(indices) < 2:
            raise ClipError("too_few_frames", "the clip has a single frame that stands for itself")
        motion = measure(samples, probe.times[indices], self._flow, self._camera)
        camera = summarise(motion, self._camera)
        return empty_row("scores") | {
            "clip_id": row["clip_id"],
            "width": probe.width,
            "height": probe.height,
            "fps": probe.fps,
            "duration_s": probe.duration_s,
            "frames": len(probe.times),
            "codec": probe.codec,
            "quality": self._judge(judged_frames[0].pictures) if self._judge else None,
            "quality_metric": self._quality.metric,
            **statistics(motion),
            "pan": camera.pan,
            "tilt": camera.tilt,
            "zoom": camera.zoom,
            "roll": camera.roll,
            "shake": camera.shake,
            "camera_motion": list(camera.labels),
            "camera_fit": camera.fit,
            "cuts": [float(motion.times[k]) for k in motion.cuts],
            "phash": perceptual_hash(samples),
        }


class IsolatedScore:
    """`Score` in a child process of the worker, within limits."""

    table = "scores"
    schema = SCORES

    def __init__(self, make: Callable[[], Score], limits: Limits, preload: Sequence[str] = ()) -> None:
        """Arguments: those of `Isolated`."""
        self._score = Isolated(make, limits, preload)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return self._score(row)


def perceptual_hash(samples: np.ndarray) -> str:
    """48 hex digits: the 64-bit DCT hashes of the samples (N, H, W) uint8 at 1/6, 1/2 and 5/6 of the clip."""
    picked = [samples[int(len(samples) * share)] for share in (1 / 6, 1 / 2, 5 / 6)]
    return "".join(str(imagehash.phash(Image.fromarray(image))) for image in picked)
