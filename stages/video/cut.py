"""Cut a shot out of a video without encoding it again."""

import io
import itertools
import math

import av

from stages.video.media import video_stream
from stages.video.source import locate


def cut(uri: str, start_s: float | None, end_s: float | None) -> bytes:
    """Cut the shot [start_s, end_s) from a video without re-encoding it, and without sound.

    Copying can only begin at a keyframe: the frames from there to start_s are in the file, and an edit list
    makes players skip them. The end is at most the codec's reordering (a few frames) early, never late, so
    that no frame of the next shot is shown.

    Args:
        uri: The video file.
        start_s: Seconds from its first frame; None: there.
        end_s: Seconds from its first frame; None: at its end.

    Returns:
        An MP4 file.

    Raises:
        OSError: As by `read_bytes`.
        av.error.FFmpegError: The file is not a video, or MP4 cannot hold its codec.
        ValueError: The shot is empty, or its frames have no timestamps.
    """
    out = io.BytesIO()
    with locate(uri, part=True).open() as source, av.open(out, "w", format="mp4") as target:
        stream = video_stream(source)
        if stream is None:
            raise ValueError("no video stream")
        copy = target.add_stream_from_template(stream)
        first = stream.start_time or 0
        start = first + round((start_s or 0) / stream.time_base)
        end = math.inf if end_s is None else first + round(end_s / stream.time_base)
        source.seek(start, stream=stream, backward=True)
        pictures = (packet for packet in source.demux(stream) if packet.size)
        shot = list(itertools.takewhile(lambda packet: packet.pts is None or packet.pts < end, pictures))
        if any(packet.pts is None for packet in shot):
            raise ValueError("its frames have no timestamps")
        if not any(packet.pts >= start for packet in shot):
            raise ValueError(f"no frame between {start_s} s and {end_s} s")
        # Matroska stores no decoding times: take the presentation times in order, shifted early enough for
        # every picture.
        shown = sorted(packet.pts for packet in shot)
        early = max(at - packet.pts for at, packet in zip(shown, shot, strict=True))
        for at, packet in zip(shown, shot, strict=True):
            packet.pts -= start
            packet.dts = at - early - start
            packet.stream = copy
            target.mux(packet)
    return out.getvalue()
