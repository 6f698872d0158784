"""Draw the frames of a recipe and encode them.

A frame is a continuous inverse warp of one flat scene (a photograph, mirrored beyond its borders), so that
camera and objects move exactly as the recipe says, to a fraction of a pixel, without parallax.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeVar

import av
import cv2
import numpy as np

from stages.demo.photos import scene_image, sprite_image
from stages.demo.recipe import Recipe, Shot
from stages.demo.trajectory import middle, mover_path, trajectory

NOISE_MARGIN = 64  # pixels by which the noise exceeds the frame: each frame gets another window of it
FLICKER_HZ = 3.0
LOGO_SIZE = 0.12  # share of the frame width
TICKER_SPEED = 0.15  # frame widths per second, to the left
SUBTITLE = ("Nobody had told him that the last", "train had left an hour before.")
TICKER = "FLOODS IN THE NORTH - TALKS GO ON - RAIN BY NIGHT - "

AShot = TypeVar("AShot", bound=Shot)


def render(recipe: Recipe, path: Path) -> None:
    """Write the clip as H.264; with one version of the encoder, a recipe always gives the same bytes.

    Args:
        recipe: The clip.
        path: The file to write; its suffix chooses the container.

    Raises:
        CallError: scikit-image, which brings the photographs, is not installed.
    """
    encode(recipe, frames(recipe), path)


def encode(shot: Shot, images: Iterable[np.ndarray], path: Path) -> None:
    """Write frames as H.264; with one version of the encoder, the same ones always give the same bytes.

    Args:
        shot: Its size, frame rate and finish hold for all frames.
        images: (H, W, 3) uint8 RGB each.
        path: The file to write; its suffix chooses the container.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(shot.fps))
        stream.width, stream.height, stream.pix_fmt = shot.width, shot.height, "yuv420p"
        # x264's macroblock tree is not deterministic on processors with AVX-512 (seen: one encode in ten).
        stream.options = {"crf": str(shot.finish.crf), "preset": "veryfast", "x264-params": "no-mbtree=1"}
        stream.codec_context.thread_count = 1
        for frame in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def frames(recipe: Recipe) -> Iterator[np.ndarray]:
    """Draw the frames of a clip: its shots, joined by cuts and dissolves.

    Yields:
        (H, W, 3) uint8 RGB, as they go to the encoder; the same ones whenever the recipe is the same.
    """
    following = frames(recipe.then) if recipe.then else iter(())
    fading = round(recipe.dissolve_s * recipe.fps)
    for t, frame in enumerate(finished(recipe, _drawn)):
        gone = t + 1 + fading - len(recipe.times)
        share = max(gone, 0) / (fading + 1)
        yield cv2.addWeighted(frame, 1 - share, next(following), share, 0) if gone > 0 else frame
    yield from following


def finished(shot: AShot, draw: Callable[[AShot], Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
    """What shutter, lamps, sensor and editor make of a shot.

    Args:
        shot: The shot.
        draw: Its frames, (H, W, 3) uint8 RGB each: sharp, free of noise and evenly lit.

    Yields:
        (H, W, 3) uint8 RGB: the same frames after all of `shot.finish`.
    """
    finish = shot.finish
    rng = np.random.default_rng((shot.seed, 0))
    noise = rng.normal(0, finish.noise, (shot.height + NOISE_MARGIN, shot.width + NOISE_MARGIN, 3))
    noise = noise.round().astype(np.int16)
    rows = np.arange(shot.height)[:, None, None] / shot.height
    light = np.linspace(*finish.light, len(shot.times))
    bar = round(finish.bars * shot.height)
    held = np.empty(0)
    for t, frame in enumerate(_exposed(shot, draw)):
        cycles = FLICKER_HZ * shot.times[t] + shot.bands * rows
        gain = light[t] * (1 + shot.flicker * np.sin(2 * np.pi * cycles))
        if shot.flicker or light[t] != 1:
            frame = np.clip(frame * gain, 0, 255).astype(np.uint8)
        y, x = rng.integers(0, NOISE_MARGIN, 2)
        grain = noise[y : y + shot.height, x : x + shot.width]
        frame = cv2.add(frame, grain, dtype=cv2.CV_8U)
        if finish.flash_s is not None and t == round(finish.flash_s * shot.fps):
            frame = 255 - (255 - frame) // 8
        frame[:bar] = frame[shot.height - bar :] = 0
        if finish.caption:
            _burn_in(frame, finish.caption, shot.times[t])
        if t % finish.hold == 0:
            held = frame
        yield held


def _exposed(shot: AShot, draw: Callable[[AShot], Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
    """The frames of one shot with the motion blur of an open shutter, (H, W, 3) uint8 RGB."""
    count = shot.finish.exposures
    moments = draw(replace(shot, fps=shot.fps * count))
    for first in moments:
        yield np.mean([first, *itertools.islice(moments, count - 1)], axis=0).astype(np.uint8)


def _drawn(recipe: Recipe) -> Iterator[np.ndarray]:
    """The frames of one shot, (H, W, 3) uint8 RGB: sharp, free of noise and evenly lit."""
    scene = scene_image(recipe)
    centre = middle(recipe.width, recipe.height)
    camera = trajectory(recipe)
    sprites = [
        (sprite_image(mover.sprite, round(mover.size * recipe.width)), mover_path(recipe, mover))
        for mover in recipe.movers
    ]
    for t, turn in enumerate(camera.turn):
        # The scene point at the centre of the frame's first pixel.
        corner = camera.centre[t] + turn * (camera.jitter[t] - centre)
        frame = cv2.warpAffine(
            scene,
            _inverse_map(turn, corner + middle(scene.shape[1], scene.shape[0])),
            (recipe.width, recipe.height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for image, path in sprites:
            origin = corner - path[t] + middle(image.shape[1], image.shape[0])
            _paste(frame, image, _inverse_map(turn, origin))
        yield frame


def _burn_in(frame: np.ndarray, caption: Literal["subtitle", "ticker"], time: float) -> None:
    """Draw a caption on frame (H, W, 3) uint8, in place, as it is `time` seconds into the shot."""
    height, width = frame.shape[:2]
    white, font, scale = (255, 255, 255), cv2.FONT_HERSHEY_DUPLEX, height / 500
    if caption == "ticker":
        frame[round(0.88 * height) :] = (20, 20, 90)
        where = (round(-TICKER_SPEED * time * width), round(0.965 * height))
        cv2.putText(frame, 4 * TICKER, where, font, scale, white, 1, cv2.LINE_AA)
        return
    logo = sprite_image("badge", round(LOGO_SIZE * width))
    corner = complex(0.02 * width, 0.03 * height)
    _paste(frame, logo, _inverse_map(1 + 0j, -corner))
    for row, line in enumerate(SUBTITLE):
        (length, _), _ = cv2.getTextSize(line, font, scale, 1)
        where = ((width - length) // 2, round((0.89 + 0.07 * row) * height))
        cv2.putText(frame, line, where, font, scale, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(frame, line, where, font, scale, white, 1, cv2.LINE_AA)


def _inverse_map(turn: complex, origin: complex) -> np.ndarray:
    """The (2, 3) float64 matrix that maps a frame's pixel p to turn * p + origin."""
    return np.array([[turn.real, -turn.imag, origin.real], [turn.imag, turn.real, origin.imag]])


def _paste(frame: np.ndarray, image: np.ndarray, inverse: np.ndarray) -> None:
    """Blend image (h, w, 4) uint8 over frame (H, W, 3) uint8, in place, placed by an `_inverse_map`."""
    height, width = frame.shape[:2]
    layer = cv2.warpAffine(image, inverse, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    coverage = layer[..., 3].astype(np.float32) / 255
    cv2.blendLinear(np.ascontiguousarray(layer[..., :3]), frame, coverage, 1 - coverage, frame)
