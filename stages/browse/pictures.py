"""Pictures of clips, made when they are looked at: a frame of each, and a strip of frames."""

from collections.abc import Mapping
from typing import Any, Literal

import cv2
import numpy as np

from pipeline.isolation import Limits
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.pixels import fitted
from stages.video.probe import middles

Kind = Literal["frame", "strip"]
COUNT: dict[str, int] = {"frame": 1, "strip": 8}
SIDE: dict[str, int] = {"frame": 360, "strip": 240}  # longer side of a frame, pixels
QUALITY = 78  # of JPEG
LIMITS = Limits(clip_timeout_s=20.0, clip_memory_gb=2.0)
WAITING = 120  # pictures, at most: more than a screen shows
KEPT_MB = 256  # of pictures


class Painter:
    """Makes the pictures of a clip; in a child process, as it decodes."""

    def __call__(self, clip: Mapping[str, Any], kind: str) -> bytes:
        """Decode a few frames.

        Args:
            clip: uri, start_s, end_s.
            kind: A `Kind`: one frame from the middle, or a strip of several, from left to right.

        Returns:
            A JPEG.

        Raises:
            ClipError: The clip cannot be read or decoded.
        """
        opened = Clip(clip["uri"], clip["start_s"], clip["end_s"], rough=True)
        probe = opened.probe
        size = fitted(probe.width, probe.height, min(SIDE[kind], max(probe.width, probe.height)))
        wanted = Wanted(middles(probe, COUNT[kind]), size, True)
        frames = opened.read([wanted], DecodeConfig(frames="reference"))[0].pictures
        picture = cv2.cvtColor(np.hstack(list(frames)), cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
