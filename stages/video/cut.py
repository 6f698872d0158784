"""Cut a shot out of a video, without encoding it again where that can be done without loss."""

import io
from dataclasses import dataclass
from typing import Any

import av
import av.error

from pipeline.errors import ClipError
from stages.video.clock import REORDER_MAX, frames
from stages.video.container import open_stream, open_video, pictures, seek_before
from stages.video.encode import encode
from stages.video.frames import Clip

EDIT_LIST = b"elst" + bytes(4) + (1).to_bytes(4, "big")  # with one entry (ISO/IEC 14496-12, 8.6.6)


@dataclass(frozen=True)
class Cut:
    """A shot as a file of its own.

    Attributes:
        video: An MP4 file, without sound.
        encoded: Whether it has been encoded again.
    """

    video: bytes
    encoded: bool


def cut(uri: str, start_s: float | None, end_s: float | None) -> Cut:
    """Cut the shot [start_s, end_s) out of a video, with all of its frames and no other.

    Its packets are copied from the keyframe before it; an edit list makes players skip the frames that are
    not of the shot. The copy is decoded to see that it has the shot's frames: if not, or if the file's clock
    is broken or MP4 cannot hold its codec, the shot is encoded again.

    Args:
        uri: The video file.
        start_s: Seconds from its first frame; None: there.
        end_s: Seconds from its first frame; None: at its end.

    Raises:
        ClipError: The file cannot be read or decoded, or the shot is empty.
        av.error.FFmpegError: The file is damaged.
        ValueError: Its frames cannot be converted.
    """
    clip = Clip(uri, start_s, end_s)
    count = len(clip.probe.times)
    copy = _copied(clip)
    if copy and _shown(copy) == count:
        return Cut(copy, encoded=False)
    out = io.BytesIO()
    if (found := encode(Clip(clip.source, start_s, end_s), out)) < count:
        raise ClipError("decode_error", f"only {found} of {count} frames of the shot could be decoded")
    return Cut(out.getvalue(), encoded=True)


def _copied(clip: Clip) -> bytes | None:
    """The packets of a clip in an MP4; None if they cannot be copied."""
    line = clip.timeline
    if line.zero_s is None:
        return None
    out = io.BytesIO()
    source = clip.source.open()
    stream = open_stream(source)
    first, last = (round((line.zero_s + line.start_s + at) / stream.time_base) for at in line.times[[0, -1]])
    if not seek_before(source, stream, first):
        source.close()
        source = clip.source.open()
        stream = open_stream(source)
    try:
        with source:
            packets = _packets(source, stream, first, last)
            if not packets:
                return None
            _mux(packets, stream, first, out)
            past = [packet.pts + first for packet in packets if packet.pts + first > last]
            step = round((line.times[-1] - line.times[0]) / (len(line.times) - 1) / stream.time_base)
            return _ended(out.getvalue(), min([*past, last + step]) - first)
    except (av.error.FFmpegError, ValueError):
        return None


def _packets(source: Any, stream: Any, first: int, last: int) -> list[Any]:
    """From the last keyframe up to timestamp `first`, what the pictures up to `last` need; maybe none."""
    found: list[Any] = []
    beyond = 0
    for packet in pictures(source, stream):
        if not packet.size or beyond > REORDER_MAX:
            break
        if packet.pts is None:
            return []
        if packet.is_keyframe and packet.pts <= first:
            found = []
        found.append(packet)
        beyond = beyond + 1 if packet.pts > last else 0
    return found[: len(found) - beyond]


def _mux(packets: list[Any], stream: Any, first: int, out: io.BytesIO) -> None:
    """Write packets to an MP4 whose time starts at timestamp `first`; their times become those of the MP4."""
    # The edit list counts in the units of the whole file: the stream's own make it exact.
    options = {"movie_timescale": str(stream.time_base.denominator)}
    with av.open(out, "w", format="mp4", options=options) as target:
        copy = target.add_stream_from_template(stream)
        # Matroska stores no decoding times: take the presentation times in order, shifted early enough for
        # every picture.
        shown = sorted(packet.pts for packet in packets)
        early = max(at - packet.pts for at, packet in zip(shown, packets, strict=True))
        for at, packet in zip(shown, packets, strict=True):
            packet.pts -= first
            packet.dts = at - early - first
            packet.stream = copy
            target.mux(packet)


def _ended(video: bytes, ticks: int) -> bytes:
    """Let the edit list of an MP4 end after so many ticks: what comes later is decoded, but not shown."""
    at = video.rfind(EDIT_LIST) + len(EDIT_LIST)
    if at < len(EDIT_LIST):
        return video
    return video[:at] + ticks.to_bytes(4, "big") + video[at + 4 :]


def _shown(video: bytes) -> int:
    """How many frames players show; 0 if one of them is damaged."""
    with open_video(io.BytesIO(video)) as container:
        damaged = [frame.is_corrupt for frame in frames(container, open_stream(container))]
    return 0 if any(damaged) else len(damaged)
