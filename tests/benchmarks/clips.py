"""Clips to measure on: 60 varied ones, made once and kept in out/bench-clips, and small real ones."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from stages.demo.recipe import Camera, Mover, Recipe
from stages.demo.render import frames
from tests.videos import REAL

FOLDER = Path("out/bench-clips")
# (width, height): seconds. Most are high definition, as collections of stock clips are.
SIZES = {
    (426, 240): (2, 20, 60),
    (640, 360): (3, 10, 30),
    (854, 480): (2, 5, 15, 40),
    (1280, 720): (2, 4, 8, 20),
    (1920, 1080): (2, 3, 5, 8, 12, 20),
}
SHAPES = [(*size, seconds) for size, lengths in SIZES.items() for seconds in lengths]
CODECS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("mp4", {"preset": "fast", "crf": "20"}),
    "h265": ("mp4", {"preset": "fast", "crf": "23", "x265-params": "log-level=none"}),
    "vp9": ("webm", {"deadline": "realtime", "cpu-used": "6", "crf": "28", "b": "0"}),
}
ENCODERS = {"h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9"}
CAMERAS = (Camera(), Camera(pan=0.1), Camera(tilt=-0.08), Camera(zoom=0.1), Camera(roll=6, shake=0.004))


def small_real() -> list[Path]:
    """The real clips beside the project, most of them small, as those of Kinetics are; maybe none."""
    files = sorted(REAL.iterdir()) if REAL.is_dir() else []
    return [file for file in files if file.suffix not in {".json", ".md"}]


def varied(shapes: Sequence[tuple[int, int, int]] = SHAPES) -> list[Path]:
    """The clips of some shapes (width, height, seconds) in every codec, made where they are missing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = []
    cameras = itertools.cycle(CAMERAS)
    scenes = itertools.cycle(("chelsea", "motorcycle_left", "gravel", "coffee"))
    for shape, scene, camera in zip(SHAPES, scenes, cameras, strict=False):
        if shape not in shapes:
            continue
        width, height, seconds = shape
        recipe = Recipe(
            "",
            scene,
            camera,
            (Mover((0.12, 0.05), 0.2, "cup"),),
            seconds=float(seconds),
            width=width,
            height=height,
        )
        paths = {codec: FOLDER / f"{height}p_{seconds}s_{codec}.{CODECS[codec][0]}" for codec in CODECS}
        if not all(path.exists() for path in paths.values()):
            _encode(recipe, paths)
        made += list(paths.values())
    return made


def _encode(recipe: Recipe, paths: dict[str, Path]) -> None:
    """Draw the frames once, and encode them in every codec; a file has its name only when it is whole."""
    parts = {codec: path.with_name(f"part-{path.name}") for codec, path in paths.items()}
    outputs = {codec: av.open(str(part), "w") for codec, part in parts.items()}
    streams = {}
    for codec, output in outputs.items():
        stream = output.add_stream(ENCODERS[codec], rate=Fraction(recipe.fps), options=CODECS[codec][1])
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
        streams[codec] = stream
    for picture in frames(recipe):
        for codec, stream in streams.items():
            outputs[codec].mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    for codec, stream in streams.items():
        outputs[codec].mux(stream.encode())
        outputs[codec].close()
        parts[codec].rename(paths[codec])
