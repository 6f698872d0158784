"""Surfaces that change without getting anywhere: water, leaves in the wind, fire, an empty channel."""

from functools import lru_cache

import cv2
import numpy as np

from stages.demo.depth.paint import clouds

LONGEST = 256  # pixels of a picture's longer side
PARTS = 10  # along each side of a picture: so many parts of it move on their own
SWAY = 0.008  # of the picture's size, root mean square
WAVES = 0.22  # of the brightness, root mean square
# Lowest and highest frequency, hertz.
SWAY_HZ, WAVES_HZ, FLAMES_HZ = (0.4, 1.6), (0.5, 1.5), (3.0, 8.0)


def boiled(image: np.ndarray, boil: str, seed: int, time: float) -> np.ndarray:
    """A picture as it is at one moment.

    Args:
        image: (h, w, 4) uint8, colours multiplied by coverage.
        boil: A value of `Card.boil`.
        seed: Of everything that is random.
        time: Seconds.

    Returns:
        (h, w, 4) uint8.
    """
    scale = min(LONGEST / max(image.shape[:2]), 1.0)
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    shape = image.shape[:2]
    if boil == "static":
        rng = np.random.default_rng((seed, round(1000 * time)))
        image[..., :3] = rng.integers(0, 256, (*shape, 1))
        return cv2.GaussianBlur(image, (0, 0), 0.8)
    if boil in ("sway", "flames"):
        hertz = SWAY_HZ if boil == "sway" else FLAMES_HZ
        shift = SWAY * max(shape) * _swings(seed, hertz, time)
        grid = np.mgrid[: shape[0], : shape[1]].astype(np.float32)[::-1]
        x, y = (
            along + cv2.resize(way, shape[::-1], interpolation=cv2.INTER_CUBIC)
            for along, way in zip(grid, shift, strict=True)
        )
        image = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    if boil in ("waves", "flames"):
        hertz = WAVES_HZ if boil == "waves" else FLAMES_HZ
        strength = _swings(seed, hertz, time)[:, 0, :3].ravel()
        light = 1 + WAVES / np.sqrt(len(strength)) * np.tensordot(strength, _patterns(shape), 1)
        image = np.minimum(image * light[..., None], image[..., 3:]).astype(np.uint8)
    return image


def _swings(seed: int, hertz: tuple[float, float], time: float) -> np.ndarray:
    """Sines of unit root mean square, each with its own frequency and phase: (2, PARTS, PARTS) float32."""
    rng = np.random.default_rng((seed, 2))
    frequency = rng.uniform(*hertz, (2, PARTS, PARTS))
    phase = rng.uniform(0, 2 * np.pi, (2, PARTS, PARTS))
    return (np.sqrt(2) * np.sin(2 * np.pi * frequency * time + phase)).astype(np.float32)


@lru_cache(maxsize=8)
def _patterns(shape: tuple[int, int]) -> np.ndarray:
    """Standing waves: (6, h, w) float32."""
    rng = np.random.default_rng(3)
    return np.stack([clouds(rng, shape, 4, 32) for _ in range(6)])
