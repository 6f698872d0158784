"""Where the camera and the moving objects are over time.

Geometry in complex pixels (x right, y down). Frame and scene each have their origin at their centre, and the
frame's point p shows the scene's point c(t) + p exp(i roll t) / scale(t). Here t counts from mid-clip, where
the scale is 1 and the camera looks at the middle of the photograph.
"""

import math
from dataclasses import dataclass

import numpy as np

from stages.demo.photos import sprite_image
from stages.demo.recipe import Mover, Recipe

SHAKE_BAND = (1.0, 6.0)  # Hz, the tremor of a hand
SHAKE_ROLL = 0.4  # radians of jitter in roll for a jitter of one frame width


@dataclass(frozen=True)
class Trajectory:
    """The camera over the T frames of a shot.

    Attributes:
        centre: (T,) complex, the scene point at the centre of the frame, pixels, without the jitter.
        turn: (T,) complex, exp(i roll) / scale.
        jitter: (T,) complex, added to a point of the frame before it is mapped to the scene, pixels.
    """

    centre: np.ndarray
    turn: np.ndarray
    jitter: np.ndarray


def trajectory(recipe: Recipe) -> Trajectory:
    """Integrate the camera's rates; pan and tilt act along its own axes, which turn with it."""
    camera = recipe.camera
    times = recipe.times - recipe.times.mean()
    velocity = complex(camera.pan * recipe.width, camera.tilt * recipe.height)
    rate = complex(-camera.zoom, math.radians(camera.roll))
    turn = np.exp(rate * times)
    centre = velocity * ((turn - 1) / rate if rate else times)
    if not camera.shake:
        return Trajectory(centre, turn, np.zeros_like(centre))
    x, y, roll = camera.shake * smooth_noise(recipe.times, recipe.seconds, recipe.seed)
    jitter = recipe.width * (x + 1j * y) / math.sqrt(2)
    return Trajectory(centre, turn * np.exp(1j * SHAKE_ROLL * roll), jitter)


def smooth_noise(times: np.ndarray, seconds: float, seed: int) -> np.ndarray:
    """Three channels of a hand's jitter: sines in SHAKE_BAND, the slow ones larger.

    Whole periods fit into the clip, so that there is no drift.

    Args:
        times: (T,) float64, seconds.
        seconds: Length of the clip.
        seed: Of the phases and amplitudes.

    Returns:
        (3, T) float64, each channel with mean 0 and root mean square 1.
    """
    rng = np.random.default_rng((seed, 1))
    low, high = SHAKE_BAND
    hertz = np.arange(math.ceil(low * seconds), math.floor(high * seconds) + 1) / seconds
    phase = rng.uniform(0, 2 * np.pi, (3, len(hertz), 1))
    weight = rng.uniform(0.5, 1.5, (3, len(hertz), 1)) / hertz[:, None]
    noise = (weight * np.sin(2 * np.pi * hertz[:, None] * times + phase)).sum(1)
    noise -= noise.mean(1, keepdims=True)
    return noise / np.sqrt((noise**2).mean(1, keepdims=True))


def mover_path(recipe: Recipe, mover: Mover) -> np.ndarray:
    """The object's centre at each frame, (T,) complex scene pixels."""
    times = recipe.times - recipe.times.mean()
    x, y = ((mover.start[k] - 0.5 + mover.velocity[k] * times) for k in (0, 1))
    return x * recipe.width + 1j * y * recipe.height


def mover_boxes(recipe: Recipe, mover: Mover) -> np.ndarray:
    """The object's bounding box at each frame.

    Returns:
        (T, 4) float64 xyxy pixels of the whole object, including any part outside the frame.
    """
    camera = trajectory(recipe)
    view = 1 / camera.turn
    centre = (mover_path(recipe, mover) - camera.centre) * view - camera.jitter
    centre += middle(recipe.width, recipe.height)
    height, width = sprite_image(mover.sprite, round(mover.size * recipe.width)).shape[:2]
    half_width = np.hypot(width * view.real, height * view.imag) / 2
    half_height = np.hypot(width * view.imag, height * view.real) / 2
    return np.stack(
        [
            centre.real - half_width,
            centre.imag - half_height,
            centre.real + half_width,
            centre.imag + half_height,
        ],
        axis=1,
    )


def middle(width: int, height: int) -> complex:
    """The centre of an image in complex pixels, counted from the centre of its first pixel."""
    return complex(width - 1, height - 1) / 2
