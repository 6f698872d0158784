"""Video files opened: which containers, which of their streams, and where in them decoding can begin.

A file's name says nothing about its content. What FFmpeg takes for a playlist (HLS, ffconcat, SDP) would make
it open other files, so containers are opened by a list of those that hold their video themselves.
"""

from collections.abc import Iterator
from typing import Any

import av
import av.error
from av.sidedata.sidedata import Type

from pipeline.errors import ClipError
from stages.video.pixels import UPRIGHT, Orientation

# FFmpeg's names of the demuxers: none of them opens another file.
FORMATS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "live_flv", "asf", "ogg", "rm", "mxf", "mxf_opatom"),
    *("nut", "gxf", "dv", "wtv", "swf", "ivf", "obu", "av1", "gif", "apng", "yuv4mpegpipe"),
    *("h261", "h263", "h264", "hevc", "vvc", "m4v", "mpegvideo", "vc1", "vc1test", "dirac", "cavsvideo"),
    *(
        "mjpeg",
        "mjpeg_2000",
        "nsv",
        "nuv",
        "flic",
        "ifv",
        "mtv",
        "lvf",
        "dhav",
        "kux",
        "pva",
        "ty",
        "avs2",
        "avs3",
    ),
)
OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file,subfile"}
PICTURES = {"mjpeg", "png", "bmp", "gif", "tiff", "webp"}  # codecs of stills, which may also hold a video
SHAPES = (0.1, 10.0)  # width to height of a pixel; anything beyond is damage
SQUARE = 0.01  # a pixel shape that is off by less comes from the rounding of sizes
DAMAGED = (av.error.InvalidDataError, av.error.ArgumentError)  # how a decoder refuses a packet
BACK_S = (0.0, 2.0, 8.0, 32.0)  # before a time: where a keyframe is looked for


def open_video(file: Any) -> Any:
    """Open a video with PyAV.

    Args:
        file: What FFmpeg reads: a local file with the prefix "file:", which keeps it from taking a name such
            as "a:b.mp4" for a protocol, or "subfile"; or an object with `read` and `seek`.

    Raises:
        av.error.FFmpegError: It is not a video.
        ValueError: It is not a video, or its container is not one of FORMATS.
    """
    try:
        return av.open(file, options=OPTIONS)
    except av.error.ArgumentError as error:  # how FFmpeg refuses a container that is not listed
        raise ValueError("no known video container") from error


def video_stream(container: Any) -> Any | None:
    """Return the video stream that players show; None without one.

    That is no cover picture or still where there is anything else, the default one of several, and then the
    one that FFmpeg takes for the best.
    """
    streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
    best = container.streams.best("video")

    def rank(stream: Any) -> tuple[bool, bool, bool]:
        still = stream.disposition & (stream.disposition.still_image | stream.disposition.timed_thumbnails)
        coded = stream.codec_context
        moving = bool(coded) and not still and (coded.name not in PICTURES or stream.frames > 1)
        return moving, bool(stream.disposition & stream.disposition.default), stream == best

    return max(streams, key=rank, default=None)


def open_stream(container: Any) -> Any:
    """Return the stream that `video_stream` finds.

    Raises:
        ClipError: no_video_stream; decode_error if there is no decoder for it.
    """
    stream = video_stream(container)
    if stream is None:
        raise ClipError("no_video_stream")
    if stream.codec_context is None:
        raise ClipError("decode_error", "there is no decoder for its codec")
    return stream


def pictures(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of a stream that hold pictures, and last of all the one that ends decoding.

    An empty packet in the middle, as AVI stores for "no change", would end it there.
    """
    for packet in container.demux(stream):
        if packet.size or packet.dts is None:
            yield packet


def seek_before(container: Any, stream: Any, stamp: int) -> bool:
    """Go to a keyframe at or before a timestamp of the stream; False if none can be found by seeking.

    A container without an index, such as MPEG-TS, is searched for a time, and leads to just any packet.
    """
    for back_s in BACK_S:
        at = stamp - round(back_s / stream.time_base)
        try:
            container.seek(at, stream=stream)
            ahead = (packet for packet in container.demux(stream) if packet.size)
            seen = next(p for p in ahead if p.is_keyframe or (p.dts is not None and p.dts > stamp))
            if seen.is_keyframe and seen.pts is not None and seen.pts <= stamp:
                container.seek(at, stream=stream)
                return True
        except (StopIteration, av.error.FFmpegError):
            continue
    return False


def pixel_shape(stream: Any) -> float:
    """Return the width of a pixel divided by its height, as the container or else the codec says."""
    shape = float(stream.sample_aspect_ratio or 1)
    return shape if SHAPES[0] <= shape <= SHAPES[1] and abs(shape - 1) > SQUARE else 1.0


def orientation(frame: Any) -> Orientation:
    """Read how a decoded frame is turned to be shown from its display matrix (ISO/IEC 14496-12, 6.2.2)."""
    matrix = next((bytes(data) for data in frame.side_data if data.type == Type.DISPLAYMATRIX), None)
    if matrix is None:
        return UPRIGHT
    # A point (x, y) of the frame is shown at (a x + c y, b x + d y).
    a, b, _, c, d = memoryview(matrix).cast("i")[:5]
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(transposed=True, mirrored=c < 0, flipped=b < 0)
    return Orientation(transposed=False, mirrored=a < 0, flipped=d < 0)
