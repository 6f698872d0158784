"""Kinds of files, usual and not: each is made on the spot; docs/files.md says what becomes of it."""

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from tests import clocks, videos
from tests.clocks import joined, moved, packed, plain, retimed

RATE, FRAMES = 12, 24
HOURS = 2 * 3600 * 90000  # ticks of MPEG-TS
# The pixel format that an encoder needs, where it is not yuv420p.
LAYOUTS = {
    **dict.fromkeys(("prores_ks", "cfhd"), "yuv422p10le"),
    **dict.fromkeys(("png", "apng", "qtrle"), "rgb24"),
    **{"mjpeg": "yuvj420p", "gif": "rgb8", "huffyuv": "yuv422p", "zmbv": "bgr0", "svq1": "yuv410p"},
}
CONTAINERS = {
    "libx264": "mp4 mov m4v 3gp f4v mkv avi ts m2ts flv nut asf h264",
    "libx265": "mp4 mkv ts hevc flv",
    "libvpx": "webm mkv ivf",
    "libvpx-vp9": "webm mp4 ivf",
    "libsvtav1": "mp4 webm",
    "mpeg4": "mp4 avi mkv",
    **{"msmpeg4": "avi", "wmv1": "asf", "wmv2": "wmv", "flv": "flv swf", "h263": "3gp", "rv20": "rm"},
    **{"mpeg1video": "mpg m1v", "mpeg2video": "mpg vob ts m2v mxf", "dvvideo": "dv", "snow": "avi"},
    **{"mjpeg": "avi mov", "prores_ks": "mov", "cfhd": "mov", "ffv1": "mkv avi", "huffyuv": "avi"},
    **{"rawvideo": "avi nut y4m", "png": "mov", "gif": "gif", "apng": "apng"},
    **{"utvideo": "avi", "qtrle": "mov", "zmbv": "avi", "magicyuv": "avi", "svq1": "mov", "asv1": "avi"},
}
NAMES = {
    **{"libx264": "H.264", "libx265": "H.265", "libvpx": "VP8", "libvpx-vp9": "VP9", "libsvtav1": "AV1"},
    **{
        "mpeg4": "MPEG-4",
        "mpeg1video": "MPEG-1",
        "mpeg2video": "MPEG-2",
        "mjpeg": "Motion JPEG",
        "flv": "FLV1",
    },
    **{
        "h263": "H.263",
        "prores_ks": "ProRes",
        "cfhd": "CineForm",
        "ffv1": "FFV1",
        "dvvideo": "DV",
        "png": "PNG",
    },
    **{"rawvideo": "uncompressed", "gif": "GIF", "apng": "APNG", "wmv1": "WMV 7", "wmv2": "WMV 8"},
}
PAL = {"rate": 25, "frames": 50}


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        group: What it has in common with others.
        name: What is special about it.
        make: Makes one in a folder, and returns its path.
    """

    group: str
    name: str
    make: Callable[[Path], Path]


def kinds() -> Iterator[Kind]:
    """All kinds."""
    for codec, suffixes in CONTAINERS.items():
        for suffix in suffixes.split():
            yield Kind(
                "Containers and codecs", f"{_named(codec)} in .{suffix}", partial(_coded, codec, suffix)
            )
    yield from (Kind("As shown", name, make) for name, make in AS_SHOWN.items())
    yield from (Kind("Clocks", name, make) for name, make in CLOCKS.items())
    yield from (Kind("Pixels and sizes", name, make) for name, make in PIXELS.items())
    yield from (Kind("Damage", name, make) for name, make in DAMAGE.items())
    yield from (Kind("No video", name, make) for name, make in NO_VIDEO.items())


def _named(codec: str) -> str:
    return NAMES.get(codec, codec)


def _coded(codec: str, suffix: str, folder: Path) -> Path:
    path = folder / f"a.{suffix}"
    if codec == "libsvtav1":
        return videos.write_av1(path)
    how: dict[str, Any] = {"rate": RATE, "frames": FRAMES, "width": 176, "height": 144}
    if codec.startswith(("mpeg1", "mpeg2")):
        how |= PAL
    if codec == "dvvideo":
        how |= PAL | {"width": 720, "height": 576}
    if codec == "libx265":
        how["options"] = {"preset": "ultrafast", "x265-params": "log-level=none"}
    return videos.write(path, codec=codec, pix_fmt=LAYOUTS.get(codec, "yuv420p"), **how)


def _turned(folder: Path, *matrix: int) -> Path:
    path = videos.write(folder / "a.mp4", FRAMES, 176, 144)
    a, b, c, d = matrix
    videos.turn_by_metadata(path, (a, b, c, d))
    return path


def _shaped(shape: Fraction, suffix: str, folder: Path) -> Path:
    return videos.write(folder / f"a.{suffix}", FRAMES, 96, 144, pixels=shape)


def _sized(width: int, height: int, folder: Path, **how: Any) -> Path:
    return videos.write(folder / "a.mp4", width=width, height=height, **{"frames": FRAMES, **how})


def _layout(layout: str, folder: Path, suffix: str = "mkv", codec: str = "ffv1") -> Path:
    return videos.write(folder / f"a.{suffix}", FRAMES, 176, 144, codec=codec, pix_fmt=layout)


def _recording(folder: Path, **options: str) -> Path:
    return plain(folder / f"recording{len(options)}.ts", **options)


def _later(suffix: str, folder: Path) -> Path:
    source, half = _recording(folder, bf="0"), clocks.FRAMES // 2
    jump = lambda n, it: (it.pts + HOURS * (n >= half), it.dts + HOURS * (n >= half))  # noqa: E731
    return retimed(source, folder / f"a.{suffix}", jump)


def _uneven(folder: Path) -> Path:
    times = [k / 12 if k < 12 else 1.0 + (k - 12) / 24 for k in range(FRAMES)]
    return videos.write(folder / "a.mp4", FRAMES, 176, 144, times=times)


def _left_out(folder: Path) -> Path:
    times = [k / 24 + (k >= 24) * 0.5 for k in range(48)]
    return videos.write(folder / "a.avi", 48, 176, 144, "mpeg4", times=times)


def _doubled(folder: Path) -> Path:
    def same(n: int, packet: Any) -> tuple[int, int]:
        at = packet.pts if n != 7 else 250
        return at, at

    return retimed(plain(folder / "b.mkv", bf="0"), folder / "a.mkv", same)


def _put(content: bytes, folder: Path, name: str = "a.mp4") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _whole(folder: Path, suffix: str = "mp4", **how: Any) -> bytearray:
    return bytearray(videos.write(folder / f"whole.{suffix}", 48, 320, 240, **how).read_bytes())


def _spoilt(first: float, past: float, folder: Path, suffix: str = "mp4", **how: Any) -> Path:
    """Overwrite a share of a file with noise."""
    content = _whole(folder, suffix, **how)
    a, b = int(first * len(content)), int(past * len(content))
    content[a:b] = np.random.default_rng(0).bytes(b - a)
    return _put(bytes(content), folder, f"a.{suffix}")


def _cut_short(share: float, folder: Path, suffix: str = "mp4", **how: Any) -> Path:
    content = _whole(folder, suffix, **how)
    return _put(bytes(content[: int(share * len(content))]), folder, f"a.{suffix}")


def _picture(form: str, folder: Path) -> Path:
    out = io.BytesIO()
    Image.fromarray(videos.scene(96, 64)).save(out, form)
    return _put(out.getvalue(), folder)


def _zipped(folder: Path) -> Path:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.mp4", bytes(_whole(folder)))
    return _put(out.getvalue(), folder)


def _streams(order: str, folder: Path, suffix: str = "mkv") -> Path:
    """Streams: h is 176x144, l is 32x32 with one frame a second, s is a still; upper case: the default."""
    path = folder / f"a.{suffix}"
    sizes = {"h": (176, 144), "l": (32, 32), "s": (32, 32)}
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for letter in order:
            kind = letter.lower()
            stream: Any = container.add_stream(
                "mjpeg" if kind == "s" else "libx264", rate=RATE if kind == "h" else 1
            )
            stream.width, stream.height = sizes[kind]
            stream.pix_fmt = "yuvj420p" if kind == "s" else "yuv420p"
            if order.lower() != order:
                stream.disposition = av.stream.Disposition(int(letter.isupper()))
            streams.append(stream)
        for k in range(FRAMES):
            for letter, stream in zip(order.lower(), streams, strict=True):
                if letter == "h" or (k % RATE == 0 and (letter == "l" or k == 0)):
                    shift = 0.1 * k / RATE if letter == "h" else 0.0
                    frame = av.VideoFrame.from_ndarray(videos.scene(*sizes[letter], shift))
                    frame.pts = k if letter == "h" else k // RATE
                    container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def _palette(folder: Path) -> Path:
    path, gray = folder / "a.avi", np.zeros((256, 4), np.uint8)
    gray[:, :3] = np.arange(256)[:, None]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("rawvideo", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "pal8"
        for k in range(FRAMES):
            indices = np.ascontiguousarray(videos.scene(176, 144, 0.1 * k / RATE)[..., 1])
            frame = av.VideoFrame.from_ndarray((indices, gray), format="pal8")
            frame.pts = k
            container.mux(stream.encode(frame))
    return path


AS_SHOWN: dict[str, Callable[[Path], Path]] = {
    "turned by 90 degrees clockwise": lambda at: _turned(at, 0, 1, -1, 0),
    "turned by 180 degrees": lambda at: _turned(at, -1, 0, 0, -1),
    "turned by 270 degrees clockwise": lambda at: _turned(at, 0, -1, 1, 0),
    "mirrored left to right": lambda at: _turned(at, -1, 0, 0, 1),
    "mirrored top to bottom": lambda at: _turned(at, 1, 0, 0, -1),
    "transposed": lambda at: _turned(at, 0, 1, 1, 0),
    "transposed along the other diagonal": lambda at: _turned(at, 0, -1, -1, 0),
    "pixels twice as wide as high, MP4": partial(_shaped, Fraction(2), "mp4"),
    "pixels twice as wide as high, Matroska": partial(_shaped, Fraction(2), "mkv"),
    "pixels twice as wide as high, MPEG-TS": partial(_shaped, Fraction(2), "ts"),
    "pixels twice as high as wide": partial(_shaped, Fraction(1, 2), "mp4"),
    "pixels of PAL widescreen, 64:45": partial(_shaped, Fraction(64, 45), "mp4"),
    "a small stream before the default one": partial(_streams, "lH"),
    "the default stream before a small one": partial(_streams, "Hl"),
    "a still before the video": partial(_streams, "sh"),
    "a still before the video, MP4": partial(_streams, "sh", suffix="mp4"),
    "a still that is said to be the default": partial(_streams, "Sh"),
    "a palette that comes with the first frame alone": _palette,
    "sound beside the picture": lambda at: _sized(176, 144, at, audio=True),
}
CLOCKS: dict[str, Callable[[Path], Path]] = {
    "AVI, H.264 with B-frames": lambda at: plain(at / "a.avi", bf="3"),
    "AVI, MPEG-4 with B-frames": lambda at: plain(at / "a.avi", "mpeg4", bf="2"),
    "AVI, MPEG-4 with packed B-frames": lambda at: packed(plain(at / "m.avi", "mpeg4", bf="2"), at / "a.avi"),
    "AVI that leaves out what does not change": _left_out,
    "raw H.264": lambda at: plain(at / "a.h264", bf="3"),
    "raw MPEG-2": lambda at: plain(at / "a.m2v", "mpeg2video", bf="2"),
    "Motion JPEG without a container": lambda at: videos.write(
        at / "a.mjpeg", 50, 176, 144, "mjpeg", "yuvj420p", rate=25
    ),
    "MPEG-TS, two recordings one behind the other": lambda at: joined(at / "a.ts", *[_recording(at)] * 2),
    "MPEG-TS, three of them": lambda at: joined(at / "a.ts", *[_recording(at)] * 3),
    "MPEG-TS that goes on two hours later": lambda at: joined(
        at / "a.ts", _recording(at), moved(_recording(at), at / "b.ts", HOURS)
    ),
    "MPEG-TS that goes back by two hours": lambda at: joined(
        at / "a.ts", moved(_recording(at), at / "b.ts", HOURS), _recording(at)
    ),
    "MPEG-TS whose 33 bits overflow": lambda at: moved(
        _recording(at), at / "a.ts", clocks.WRAP - 20 * 3750 - 133500
    ),
    "Matroska whose clock jumps by two hours": partial(_later, "mkv"),
    "MP4 whose clock jumps by two hours": partial(_later, "mp4"),
    "Matroska timed in coding order": lambda at: retimed(
        _recording(at), at / "a.mkv", lambda n, _: (n * 3750, n * 3750)
    ),
    "two frames at one time": _doubled,
    "frames at uneven times": _uneven,
    "a clock that starts at an hour": lambda at: moved(_recording(at), at / "a.ts", HOURS // 2),
}
PIXELS: dict[str, Callable[[Path], Path]] = {
    "16x16": partial(_sized, 16, 16),
    "odd width and height": partial(_sized, 177, 143, pix_fmt="yuv444p"),
    "portrait": partial(_sized, 144, 256),
    "a strip of 640x16": partial(_sized, 640, 16),
    "3840x2160": partial(_sized, 3840, 2160, options={"preset": "ultrafast"}, frames=12),
    "10 bits": partial(_sized, 176, 144, pix_fmt="yuv420p10le"),
    "4:2:2": partial(_layout, "yuv422p"),
    "4:4:4, 12 bits": partial(_layout, "yuv444p12le"),
    "gray": partial(_layout, "gray"),
    "gray, 16 bits": partial(_layout, "gray16le"),
    "RGB": partial(_layout, "bgr0"),
    "RGB, 16 bits": partial(_layout, "rgb48le"),
    "with an alpha channel": partial(_layout, "yuva420p"),
    "black and white, 1 bit": partial(_layout, "monow", suffix="avi", codec="rawvideo"),
    "4:1:0": partial(_layout, "yuv410p"),
}
DAMAGE: dict[str, Callable[[Path], Path]] = {
    "MP4 cut short, its index first": lambda at: _cut_short(0.5, at, index_first=True),
    "MP4 cut short, its index lost": partial(_cut_short, 0.5),
    "Matroska cut short": partial(_cut_short, 0.5, suffix="mkv"),
    "MPEG-TS cut short": partial(_cut_short, 0.5, suffix="ts"),
    "AVI cut short": partial(_cut_short, 0.5, suffix="avi"),
    "MP4 with 5 % of noise in the middle": lambda at: _spoilt(0.5, 0.55, at, index_first=True),
    "Matroska with 5 % of noise in the middle": partial(_spoilt, 0.5, 0.55, suffix="mkv"),
    "MPEG-TS with 5 % of noise in the middle": partial(_spoilt, 0.5, 0.55, suffix="ts"),
    "MPEG-TS with noise before it": lambda at: _put(
        np.random.default_rng(0).bytes(3000) + bytes(_whole(at, "ts")), at, "a.ts"
    ),
    "MP4 whose pictures are noise": lambda at: _spoilt(0.2, 1.0, at, index_first=True),
    "MP4 whose index is noise": lambda at: _spoilt(0.0, 0.05, at, index_first=True),
    "a file whose second half is zeros": lambda at: _put(
        bytes(_whole(at, index_first=True)[:20000]) + bytes(50000), at
    ),
}
NO_VIDEO: dict[str, Callable[[Path], Path]] = {
    "an empty file": partial(_put, b""),
    "zeros": partial(_put, bytes(100_000)),
    "text": partial(_put, b"this is no video\n" * 40),
    "a page of HTML": partial(_put, b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
    "JPEG": partial(_picture, "JPEG"),
    "PNG": partial(_picture, "PNG"),
    "a ZIP archive": _zipped,
    "sound alone": lambda at: videos.write_sound(at / "a.mp4"),
    "one frame": lambda at: videos.write(at / "a.mp4", 1, 176, 144),
    "a GIF of one frame": lambda at: videos.write(at / "a.gif", 1, 96, 64, "gif", "rgb8"),
    "a file that is not there": lambda at: at / "a.mp4",
    "a folder": lambda at: at,
    "an ffconcat list of other files": partial(_put, b"ffconcat version 1.0\nfile 'other.mp4'\n"),
    "an HLS playlist": partial(
        _put, b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.ts\n#EXT-X-ENDLIST\n"
    ),
    "a session description (SDP)": partial(
        _put, b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    ),
    "subtitles": partial(_put, b"1\n00:00:00,000 --> 00:00:02,000\nhello\n"),
}
