"""What each second of a shot shows of the camera: rates, and how much of the picture bears them out.

Rates are pan, tilt, zoom and roll, in this order, in the units and signs of `CameraMotion`.
"""

from dataclasses import dataclass, replace

import numpy as np

from filters.camera.grid import toward_edge
from filters.camera.scene import Fits, sums

FEW = 15  # points seen at both ends of a window; with fewer, its neighbouring samples are asked instead
ALONG = 0.3  # of the motion fitted: a point that moves less than this share of it does not bear it out
STILL = 0.6  # pixels per window up to which a point keeps its place
MOVES = 1.2  # pixels: where the scene moves less, nothing tells it from standing still
COHERENT = 0.6  # of what does not keep its place must follow for the rest to be an overlay
PARALLEL = 0.8  # cosine of the angle within which points go along with each other
FOCI = np.linspace(
    -0.8, 0.8, 9
)  # of the half frame along each side: where a focus of expansion is looked for
RAYS = 1000  # points, or up to twice as many, that are asked
FOCUS_ANGLE = np.cos(np.radians(20))


@dataclass(frozen=True)
class Radial:
    """How far the motion of a shot is one away from a common point of the frame, or toward one.

    Attributes:
        share: Of what moves, the part that does so.
        parallel: How much the directions of that part are one: 1 for a plain shift, 0 all around.
        relief: Of what moves, what does so and yet does not follow the scene's similarity: it lies at another
            depth.
    """

    share: float = 0.0
    parallel: float = 1.0
    relief: float = 0.0


@dataclass(frozen=True)
class Windows:
    """S windows of about a second, half overlapping or more.

    Attributes:
        start: (S,) seconds.
        end: (S,) seconds.
        rates: (S, 4) float64.
        agreement: (S, 4) the share of the picture, most of all near its edges, that moves as each rate says.
        follows: (S,) the share that moves and follows the scene's motion.
        rests: (S,) the share that follows a scene that does not move.
        in_place: (S,) the share that keeps its place, whatever the scene does.
        moved: (S,) the share that moves by more than a pixel.
        one_way: How much all of that moves in one direction, over all windows: 0 to 1.
        parallel: The share of it that goes along with the rest of its window.
        uneven: How unlike its speeds are: from their tenth to their ninetieth percentile, by their median.
        outward: Motion away from a point, over all windows.
        inward: Motion toward a point.
    """

    start: np.ndarray
    end: np.ndarray
    rates: np.ndarray
    agreement: np.ndarray
    follows: np.ndarray
    rests: np.ndarray
    in_place: np.ndarray
    moved: np.ndarray
    one_way: float = 0.0
    parallel: float = 0.0
    uneven: float = 0.0
    outward: Radial = Radial()
    inward: Radial = Radial()

    @property
    def middle(self) -> np.ndarray:
        """(S,) seconds."""
        return (self.start + self.end) / 2

    def during(self, start: float, end: float) -> np.ndarray:
        """Find (S,) the windows with their middle in a stretch of time, or the nearest one."""
        inside = (self.middle >= start - 0.01) & (self.middle <= end + 0.01)
        if inside.any() or not len(inside):
            return inside
        away = np.abs(self.middle - (start + end) / 2)
        return away == away.min()


def no_windows() -> Windows:
    """Return what a shot of a single sample shows."""
    none, rates = np.zeros(0), np.zeros((0, 4))
    return Windows(none, none, rates, rates, none, none, none, none)


def windows(fits: Fits, steps: Fits | None, times: np.ndarray, size: tuple[int, int]) -> Windows:
    """Describe each span of a shot.

    Args:
        fits: The scene's motion over spans of about a second.
        steps: The scene's motion between neighbouring samples, which stands in where few points are seen at
            both ends of a span; None where that does not happen.
        times: (N,) seconds, of the clip's samples.
        size: Width and height of the working frame, pixels.
    """
    i, j = np.array(fits.spans).T
    seconds = times[j] - times[i]
    moving, follows = np.abs(fits.moved) > MOVES, fits.followed() > 0.5
    still = np.abs(fits.pairs.f) < STILL
    coherent, overlay = fits.share(moving & follows), fits.share(moving & still)
    over = (moving & still) & (coherent > COHERENT * (1 - overlay))[fits.pairs.span]
    agreement = _agreement(fits, ~over, size)
    rates = displacement(fits, size) / seconds[:, None]
    few = np.flatnonzero(np.bincount(fits.pairs.span, minlength=fits.pairs.count) < FEW)
    if steps and len(few):
        near, walked = _agreement(steps, np.ones(len(steps.pairs.z), bool), size), displacement(steps, size)
        first = steps.spans[0][0]
        for k in few:
            inside = slice(i[k] - first, j[k] - first)
            rates[k] = walked[inside].sum(0) / seconds[k]
            agreement[k] = near[inside].mean(0)
    return Windows(
        times[i],
        times[j],
        rates,
        agreement,
        coherent,
        fits.share(~moving & follows),
        fits.share(still),
        fits.share(np.abs(fits.pairs.f) > 1),
    )


def shaped(seen: Windows, fits: Fits, size: tuple[int, int]) -> Windows:
    """Add what all windows together show of the shape of the motion: `one_way` to `inward`.

    Args:
        seen: The windows.
        fits: What they describe.
        size: Width and height of the working frame, pixels.
    """
    one_way, parallel, uneven = _sweep(fits)
    outward, inward = _radial(fits, size)
    return replace(seen, one_way=one_way, parallel=parallel, uneven=uneven, outward=outward, inward=inward)


def displacement(fits: Fits, size: tuple[int, int]) -> np.ndarray:
    """Express the motion over each span (S, 4) as the camera's: widths, heights, e-folds and degrees."""
    turn = 1 + fits.a.astype(np.complex128)
    return np.stack(
        [-fits.b.real / size[0], -fits.b.imag / size[1], np.log(np.abs(turn)), -np.degrees(np.angle(turn))], 1
    )


def _agreement(fits: Fits, chosen: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The share (S, 4) of the chosen points (M,), by weight, that bear out each part of the motion."""
    pairs = fits.pairs
    z, a, b = pairs.z, fits.a[pairs.span], fits.b[pairs.span]
    weight = chosen * fits.weight * toward_edge(z, size)
    lever = weight * np.abs(z)
    shift, turn = pairs.f - a * z, np.conj(z) * (pairs.f - b) / np.maximum(np.abs(z) ** 2, 1e-9)
    shares = []
    for own, fitted, counts in (
        (shift.real, b.real, weight),
        (shift.imag, b.imag, weight),
        (turn.real, a.real, lever),
        (turn.imag, a.imag, lever),
    ):
        bears = own * fitted > ALONG * fitted**2
        shares.append(sums(counts * bears, pairs) / np.maximum(sums(counts, pairs), 1e-9))
    return np.stack(shares, 1)


def _sweep(fits: Fits) -> tuple[float, float, float]:
    """How far what moves goes one way in all; how parallel, and how uneven its speeds are in a window."""
    far = np.abs(fits.pairs.f) > 1
    f, edges = fits.pairs.f[far], np.flatnonzero(np.diff(fits.pairs.span[far])) + 1
    shapes = []
    for part in np.split(f, edges):
        if len(part) >= FEW:
            speed, way = np.abs(part), part.sum() / max(np.abs(part.sum()), 1e-9)
            low, middle, high = np.sort(speed)[(np.array([0.1, 0.5, 0.9]) * len(speed)).astype(int)]
            along = (part * way.conjugate()).real > PARALLEL * speed
            shapes.append((along.mean(), (high - low) / middle))
    parallel, uneven = np.median(shapes, 0).tolist() if shapes else (0.0, 0.0)
    return float(np.abs(f.sum()) / max(np.abs(f).sum(), 1e-9)), parallel, uneven


def _radial(fits: Fits, size: tuple[int, int]) -> tuple[Radial, Radial]:
    """Motion away from and toward a point, over all spans."""
    far = np.flatnonzero(np.abs(fits.pairs.f) > 1)
    far = far[:: max(1, len(far) // RAYS)]
    z, f, weight, apart = (
        values[far] for values in (fits.pairs.z, fits.pairs.f, fits.weight, fits.followed() < 0.5)
    )
    total = float(weight.sum())
    if not total:
        return Radial(), Radial()
    way = f / np.abs(f)
    foci = np.array([(x * size[0] / 2, y * size[1] / 2) for x in FOCI for y in FOCI], np.float32)
    # How far each point goes along its ray from each focus, and the length of the ray.
    along = (np.conj(z) * way).real - foci @ np.stack([way.real, way.imag])
    length = np.hypot(z.real - foci[:, :1], z.imag - foci[:, 1:])
    best = []
    for sign in (1, -1):
        share = (sign * along > FOCUS_ANGLE * np.maximum(length, 1e-6)) @ weight
        k = int(np.argmax(share))
        does = weight * (sign * along[k] > FOCUS_ANGLE * np.maximum(length[k], 1e-6))
        parallel = float(np.abs((does * way).sum()) / does.sum()) if share[k] else 1.0
        best.append(Radial(float(share[k]) / total, parallel, float((does * apart).sum()) / total))
    return best[0], best[1]
