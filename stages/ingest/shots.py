"""Cut long videos into shots, with PySceneDetect."""

import math
from contextlib import suppress
from itertools import pairwise

import av.error

from filters.shots.pyscenedetect import LONGER, PySceneDetect
from pipeline.errors import ClipError
from stages.ingest.settings import IngestConfig
from stages.video.clock import ROUNDING_S
from stages.video.frames import Clip
from stages.video.pixels import fitted
from stages.video.source import locate


def shots(uri: str, config: IngestConfig) -> list[tuple[float, float]]:
    """Find the shots of a video.

    A shot starts when its first frame is shown, and ends when the first frame of the next shot is: every
    frame is in exactly one.

    Args:
        uri: A path, a URL, or the member of a tar.
        config: Which detector, and the limits of length.

    Returns:
        Start and end of each shot, seconds; empty for a video that cannot be read. Such a video stays one
        clip, and scoring reports the error.
    """
    try:
        clip = Clip(locate(uri, part=True))
    except (ClipError, OSError, KeyError):
        return []
    detector = PySceneDetect(config.shots)
    size = fitted(clip.probe.width, clip.probe.height, min(LONGER, max(clip.probe.width, clip.probe.height)))
    with suppress(av.error.FFmpegError, ValueError):  # damaged: what follows is one shot
        for frame, time in clip.frames(size):
            detector.see(frame, time)
    pieces: list[tuple[float, float]] = []
    for start, end in pairwise([0.0, *detector.starts(), clip.probe.duration_s]):
        parts = max(1, math.ceil((end - start - ROUNDING_S) / config.shot_max_s))
        length = (end - start) / parts
        bounds = [start, *(start + k * length for k in range(1, parts)), end]
        pieces += pairwise(bounds)
    return [(start, end) for start, end in pieces if end - start >= config.shot_min_s - ROUNDING_S]
