"""Small real videos, good and bad, made on the spot."""

import io
import os
import tarfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from skimage import data

SHARED = Path(__file__).parents[2] / "shared" / "clips" / "motionvid"
REAL = SHARED.parent / "real"  # more real clips, most of them small

# What a person sees of the camera in the five real clips, looking at their frames one by one.
SEEN = {
    # A man mows a lawn and walks past; trees, kerb and parked cars keep their places in the frame.
    "-eq3I7gRqTI_000100_000110.mp4": ["static"],
    # A man on a staircase; the door posts and the pictures on the walls never move.
    "DKZPW.mp4": ["static"],
    # From the air, an arc around a train: the bushes in front slide one way, the far plain the other. It
    # moves, and no single direction would be right.
    "pexels_landscape_landscape_7895832_002.mp4": [],
    # A drone flies forward over tracks in the sand: bushes spread from the middle, the car falls out below.
    "pixabay_Beach_Sunrise_37084_001.mp4": ["dolly_in"],
    # Held by hand at a pool: over five seconds ceiling lamps leave at the top and water comes in below.
    "v_JNr0oI927ng_t0.13-5.64.mp4": ["tilt_down"],
}


@cache
def _wide() -> np.ndarray:
    photo = data.astronaut()
    return np.hstack([photo, photo[:, ::-1], photo])


def scene(width: int, height: int, shift: float = 0.0) -> np.ndarray:
    """A photograph (height, width, 3) uint8 whose content has moved `shift` of the width to the left."""
    wide = _wide()
    side = wide.shape[0]
    x = int(shift * side)
    return cv2.resize(wide[:, x : x + side], (width, height), interpolation=cv2.INTER_AREA)


def write(
    path: Path,
    frames: int = 24,
    width: int = 320,
    height: int = 240,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 12,
    pan: float = 0.1,
    times: list[float] | None = None,
    rotation: int = 0,
    audio: bool = False,
    options: dict[str, str] | None = None,
    index_first: bool = False,
    pixels: Fraction | None = None,
) -> Path:
    """Write a clip whose camera pans right by `pan` of its width each second; `pixels` is their shape."""
    with av.open(str(path), "w", options={"movflags": "faststart"} if index_first else {}) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if pixels:
            stream.sample_aspect_ratio = pixels
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        sound: Any = container.add_stream("aac", rate=8000) if audio else None
        for k in range(frames):
            t = times[k] if times else k / rate
            picture = scene(width, height, pan * t)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            if times:
                frame.pts, frame.time_base = round(t * 1000), Fraction(1, 1000)
            else:
                frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 8000), np.float32), format="fltp", layout="mono"
            )
            silence.rate = 8000
            container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    if rotation:
        rotate_by_metadata(path, rotation)
    return path


def rotate_by_metadata(path: Path, degrees: int) -> None:
    """Write a display matrix into an MP4's track header: the picture stays, players turn it clockwise."""
    turn_by_metadata(path, {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees])


def turn_by_metadata(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write the display matrix (a, b, c, d): players show the point (x, y) at (a x + c y, b x + d y)."""
    a, b, c, d = (int(value * 65536).to_bytes(4, "big", signed=True) for value in matrix)
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = a + b + bytes(4) + c + d + bytes(4) + bytes(8) + (1 << 30).to_bytes(4, "big")
    path.write_bytes(content)


def write_av1(path: Path) -> Path:
    """Write a clip with an encoder that, run as root, makes the process that calls it a real-time one.

    Left so, that process and all that it starts, such as Ray, would starve the others of the machine.
    """
    before, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        return write(path, codec="libsvtav1", options={"preset": "12"})
    finally:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setscheduler(int(thread.name), before, parameter)


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_tar(path: Path, **members: bytes) -> None:
    """Write a tar of members with the names given and the suffix mp4."""
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(f"{name}.mp4")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def good(folder: Path) -> dict[str, Path]:
    """Clips that are unusual and fine."""
    folder.mkdir(parents=True, exist_ok=True)
    uneven = [k / 12 if k < 12 else 1.0 + (k - 12) / 24 for k in range(24)]
    return {
        "4k": write(folder / "4k.mp4", 14, 3840, 2160, options={"preset": "ultrafast"}),
        "odd": write(folder / "odd.mp4", width=321, height=239, pix_fmt="yuv444p"),
        "vfr": write(folder / "vfr.mp4", times=uneven),
        "rotated": write(folder / "rotated.mp4", rotation=90),
        "10bit": write(folder / "10bit.mp4", pix_fmt="yuv420p10le"),
        "vp9": write(
            folder / "vp9.webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}
        ),
        "av1": write_av1(folder / "av1.mp4"),
        "h265": write(
            folder / "h265.mkv",
            codec="libx265",
            options={"preset": "ultrafast", "x265-params": "log-level=none"},
        ),
        "gif": write(folder / "gif.gif", codec="gif", pix_fmt="rgb8"),
        "sound": write(folder / "sound.mp4", audio=True),
        "tiny": write(folder / "tiny.mp4", width=16, height=16),
        "portrait": write(folder / "portrait.mp4", width=180, height=320),
        "spaces": write(folder / "with spaces & 'quotes\" #1%20.mp4"),
        "newline": write(folder / "new\nline.mp4"),
        "unicode": write(folder / "ünïcødé-动作-🎥.mp4"),
        "dots": write(folder / "..%2F..%2Fetc.mp4"),
        "dash": write(folder / "-rf.mp4"),
        "colon": write(folder / "http:x.mp4"),
    }


def bad(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that cannot be worked on, with the code that each must get."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = write(folder / "whole.tmp.mp4", 48, 640, 480, index_first=True).read_bytes()
    (folder / "whole.tmp.mp4").unlink()
    late_index = write(folder / "late.tmp.mp4", 48).read_bytes()
    (folder / "late.tmp.mp4").unlink()

    def put(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return {
        "empty": (put("empty.mp4", b""), "not_a_video"),
        "text": (put("text.mp4", b"this is no video\n" * 40), "not_a_video"),
        "cut short, index first": (put("short.mp4", whole[: len(whole) // 2]), "decode_error"),
        "cut short, index lost": (put("lost.mp4", late_index[: len(late_index) // 2]), "not_a_video"),
        "sound only": (write_sound(folder / "sound_only.mp4"), "no_video_stream"),
        "one frame": (write(folder / "one.mp4", 1), "too_few_frames"),
        "gone": (folder / "gone.mp4", "missing_file"),
    }
