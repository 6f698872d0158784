"""A clip encoded anew, for players: H.264 in MP4."""

from fractions import Fraction
from typing import Any

import av

from pipeline.errors import ClipError
from stages.video.frames import Clip
from stages.video.pixels import fitted

TICK = Fraction(1, 90000)  # seconds, in which frames are timed: MPEG's own
RATE_MAX = 1000  # frames a second that an encoder is told of
QUALITY = "20"  # of x264 (crf): better than its default of 23, as the frames have been encoded before


def encode(clip: Clip, target: Any, longer: int | None = None) -> int:
    """Encode a clip: upright, in square pixels, without sound, its frames timed as they are.

    Args:
        clip: The clip; its frames are read.
        target: Path of the file, or an object with `write` and `seek`.
        longer: Longer side at most, pixels; None: as large as it is shown.

    Returns:
        The number of frames.

    Raises:
        ClipError: decode_error when no frame can be decoded.
        av.error.FFmpegError: The file is damaged.
        ValueError: Its frames cannot be converted.
    """
    shown = clip.probe.width, clip.probe.height
    size = fitted(*shown, min(longer or max(shown), max(shown)))
    count = 0
    # The index comes first where FFmpeg can read back what it has written.
    options = {"movflags": "faststart"} if isinstance(target, str) else {}
    with av.open(target, "w", format="mp4", options=options) as out:
        rate = Fraction(min(clip.probe.fps, RATE_MAX)).limit_denominator(RATE_MAX)
        coded: Any = out.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": QUALITY})
        coded.width, coded.height = (side // 2 * 2 for side in size)
        coded.pix_fmt = "yuv420p"
        coded.codec_context.time_base = TICK
        for picture, time in clip.frames((coded.width, coded.height)):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = round(time / TICK), TICK
            out.mux(coded.encode(frame))
            count += 1
        if not count:
            raise ClipError("decode_error", "none of its frames can be decoded")
        out.mux(coded.encode(None))
    return count
