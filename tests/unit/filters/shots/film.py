"""Short films made of photographs, and what a shot detector sees of them."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np

from filters.camera.alignment import dissimilarity
from filters.camera.flashes import without_flashes
from filters.flow.dis import DisFlow
from filters.shots.detector import Footage, Look
from stages.demo.photos import photograph

RATE, EVERY = 24, 3  # frames per second; every third is a sample
WIDTH, HEIGHT = 256, 144
FLOW = DisFlow("ultrafast")


def take(photo: str, frames: int, shift: float = 0.5, seed: int = 0) -> np.ndarray:
    """Frames (N, H, W) uint8 of a photograph that shifts by some pixels from one frame to the next."""
    return panned(photo, np.arange(frames) * shift, seed)


def panned(photo: str, at: np.ndarray, seed: int = 0, exposures: int = 1) -> np.ndarray:
    """Frames (N, H, W) uint8 of a photograph repeated side by side, seen from `at` (N,), pixels.

    Each is the mean of so many exposures, taken on the way to the next frame.
    """
    gray = cv2.cvtColor(photograph(photo), cv2.COLOR_RGB2GRAY)
    tall = cv2.resize(gray, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_AREA)
    wide = np.hstack([tall, tall[:, ::-1]] * 3).astype(np.float32)
    rng = np.random.default_rng(seed)
    out = []
    for x, following in zip(at, [*at[1:], at[-1]], strict=True):
        light = np.zeros((HEIGHT, WIDTH), np.float32)
        for step in np.arange(exposures) / exposures:
            matrix = np.array([[1, 0, -(x + step * (following - x))], [0, 1, -20]], np.float32)
            light += cv2.warpAffine(wide, matrix, (WIDTH, HEIGHT)) / exposures
        out.append(np.clip(light + rng.normal(0, 1, light.shape), 0, 255))
    return np.stack(out).astype(np.uint8)


def blend(a: np.ndarray, b: np.ndarray, frames: int) -> np.ndarray:
    """The frames of a and then those of b, so many of them blended."""
    share = (np.arange(1, frames + 1) / (frames + 1))[:, None, None]
    both = a[-frames:] * (1 - share) + b[:frames] * share
    return np.concatenate([a[:-frames], both.astype(np.uint8), b[frames:]])


def looking(frames: np.ndarray, seen: list[tuple[float, float]] | None = None) -> Look:
    """A look at frames (N, H, W); the parts looked at are added to `seen`."""
    times = np.arange(len(frames)) / RATE

    def look(
        parts: Sequence[tuple[float, float]], longer: int, colour: bool
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        out = []
        for start, end in parts:
            inside = np.flatnonzero((times >= start - 1e-6) & (times < end - 1e-6))
            size = longer, round(longer * frames.shape[1] / frames.shape[2])
            small = [cv2.resize(frames[k], size, interpolation=cv2.INTER_AREA) for k in inside]
            pictures = np.array(small, np.uint8).reshape(-1, *size[::-1])
            out.append((np.repeat(pictures[..., None], 3, 3) if colour else pictures, times[inside]))
        if seen is not None:
            seen.extend(parts)
        return out

    return look


def footage(
    frames: np.ndarray, look: Look | None = None, sample_s: float = EVERY / RATE, every: int = EVERY
) -> Footage:
    """What a detector sees of frames (N, H, W) uint8; without a look of their own, all of them."""
    samples = without_flashes(frames[::every], FLOW)
    unlike = [
        0.0,
        *(dissimilarity(a, b, FLOW(a, b)).mean for a, b in pairwise(samples)),
    ]
    times = np.arange(len(samples)) * sample_s
    return Footage(samples, times, np.array(unlike), FLOW, look or looking(frames))


Detect = Callable[[Footage], list[int]]


def starts_s(frames: np.ndarray, detect: Detect) -> list[float]:
    """When shots begin, by a detector, seconds."""
    seen = footage(frames)
    return [float(seen.times[k]) for k in detect(seen)]
