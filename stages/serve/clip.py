"""Pictures that a client sent, as a clip that can be looked at like any other."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.errors import ClipError, reason

LARGEST = 4096 * 4096  # pixels of a picture, looked up before it is decoded
SPARSE_S = 0.2  # between frames: from here on a blend of neighbours shows ghosts, and no trails of motion


def write_clip(pictures: Sequence[bytes], times: np.ndarray, path: str) -> None:
    """Write coded pictures as a lossless video with these times (N,), seconds from 0, rising.

    Raises ClipError decode_error for what is no picture, is too large, or is not of the first one's size.
    """
    with av.open(path, "w", format="matroska") as container:
        stream: Any = None
        for k, (data, t) in enumerate(zip(pictures, times, strict=True)):
            picture = _decoded(data, k)
            height, width = picture.shape[:2]
            if stream is None:
                stream = container.add_stream("ffv1", rate=1000)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
                stream.codec_context.time_base = Fraction(1, 1000)
            elif (width, height) != (stream.width, stream.height):
                sizes = f"{width}x{height}, the first {stream.width}x{stream.height}"
                raise ClipError("decode_error", f"pictures of one size are needed; number {k} is {sizes}")
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv444p")
            frame.pts, frame.time_base = round(t * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _decoded(data: bytes, k: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > LARGEST:
                raise ClipError("decode_error", f"picture {k} has {image.width}x{image.height} pixels")
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise ClipError("decode_error", f"picture {k} cannot be decoded ({reason(error)})") from error


# How files of video begin, by the place of the mark. Playlists (HLS, DASH, concat, SDP) begin otherwise: they
# name other files, which FFmpeg would open.
MARKS = {
    0: (
        b"\x1aE\xdf\xa3",
        b"GIF8",
        b"FLV\x01",
        b"OggS",
        b"0&\xb2u\x8ef\xcf\x11",
        b"\0\0\1\xba",
        b"\0\0\1\xb3",
    ),
    4: (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"),
    8: (b"AVI ",),
}
TS_PACKETS = ((0, 188), (4, 192))  # where the sync byte of MPEG-TS and M2TS stands, and how often, bytes


def checked(data: bytes) -> bytes:
    """The bytes of a video file. Raises ClipError not_a_video for those of none, or of a playlist."""
    marked = any(data.startswith(marks, at) for at, marks in MARKS.items())
    if marked or any(data[at : at + 4 * step : step] == b"GGGG" for at, step in TS_PACKETS):
        return data
    raise ClipError("not_a_video", "neither MP4, MOV, WebM, Matroska, AVI, MPEG, FLV, Ogg, WMV nor GIF")
