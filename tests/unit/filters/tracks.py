"""Points made to measure: their paths as functions of time, as `Motion` holds them."""

from collections.abc import Callable, Sequence

import numpy as np

from filters.camera.grid import positions
from filters.camera.motion import Motion, Step
from filters.camera.points import Points

SIZE = (256, 144)
FPS = 8.0

Path = Callable[[float], complex]  # where a point is at a time in seconds, pixels from the frame's centre


def points(paths: Sequence[Path], seconds: float) -> tuple[Points, np.ndarray]:
    """Follow points along paths for as long as they are in the frame, with an error of 0.05 pixels."""
    times = np.arange(round(seconds * FPS) + 1) / FPS
    rng = np.random.default_rng(0)
    at = np.array([[path(t) for t in times] for path in paths], complex).reshape(len(paths), len(times))
    at = at + 0.05 * (rng.normal(size=at.shape) + 1j * rng.normal(size=at.shape))
    inside = (np.abs(at.real) < SIZE[0] / 2) & (np.abs(at.imag) < SIZE[1] / 2)
    seen = [np.flatnonzero(inside[:, k]) for k in range(len(times))]
    return Points(seen, [at[who, k].astype(np.complex64) for k, who in enumerate(seen)]), times


def moving(paths: Sequence[Path], seconds: float, shift: complex = 0j) -> Motion:
    """A clip with these points, whose scene shifts by `shift` pixels per second."""
    found, times = points(paths, seconds)
    blank = np.zeros(positions(SIZE).shape, np.complex64)
    weight = np.ones(blank.shape, np.float32)
    steps = [Step(k, k + 1, blank, weight, 0j, shift / FPS, 1.0) for k in range(len(times) - 1)]
    return Motion(times, SIZE, steps, [], [], points=found)


def spread(count: int, seed: int = 0) -> np.ndarray:
    """Positions all over the frame, (count,) complex."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.48, 0.48, count) * SIZE[0] + 1j * rng.uniform(-0.48, 0.48, count) * SIZE[1]


def block(centre: complex, count: int = 16, side: float = 40.0) -> np.ndarray:
    """Positions on a square grid around a centre, (count,) complex."""
    rows = round(count**0.5)
    grid = np.linspace(-side / 2, side / 2, rows)
    return (centre + grid[:, None] + 1j * grid[None, :]).ravel()
