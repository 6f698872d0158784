"""What clients send, made into clips: images become a video, and video files are checked."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.errors import ClipError, reason

LARGEST = 4096 * 4096  # pixels of an image, checked before it is decoded
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # Pillow has Ghostscript draw others, such as EPS
SPARSE_S = 0.2  # between frames: further apart, blended neighbours show as ghosts, not as trails of motion


def write_clip(pictures: Sequence[bytes], times: np.ndarray, path: str) -> None:
    """Write images as a lossless video (FFV1 in Matroska, with a time base of 1 ms).

    Args:
        pictures: N encoded images, such as the bytes of JPEG files.
        times: (N,) seconds, starting at 0 and rising.
        path: The file to write.

    Raises:
        ClipError: `decode_error`: one cannot be decoded, is too large, or differs in size from the first.
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
                raise ClipError("decode_error", f"images of one size are needed; image {k} is {sizes}")
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv444p")
            frame.pts, frame.time_base = round(t * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _decoded(data: bytes, k: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > LARGEST:
                raise ClipError(
                    "decode_error", f"image {k} is too large: {image.width}x{image.height} pixels"
                )
            return np.asarray(image.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise ClipError("decode_error", f"image {k} is too large") from error
    except UnidentifiedImageError as error:
        raise ClipError("decode_error", f"image {k} is none of {', '.join(FORMATS)}") from error
    except (ClipError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes Pillow raise anything
        raise ClipError("decode_error", f"image {k} cannot be decoded ({reason(error)})") from error


# The signatures of video files, by their offset in bytes. Playlists (HLS, DASH, concat, SDP) have none of
# these. They name other files, which FFmpeg would open.
SIGNATURES = {
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
TS_PACKETS = ((0, 188), (4, 192))  # offset of the first sync byte, and its period, of MPEG-TS and M2TS, bytes


def checked(data: bytes) -> bytes:
    """Check that bytes are those of a video file, and return them.

    Raises:
        ClipError: `not_a_video`: they are something else, such as a playlist.
    """
    signed = any(data.startswith(known, at) for at, known in SIGNATURES.items())
    if signed or any(data[at : at + 4 * step : step] == b"GGGG" for at, step in TS_PACKETS):
        return data
    raise ClipError("not_a_video", "not MP4, MOV, WebM, Matroska, AVI, MPEG, FLV, Ogg, WMV or GIF")
