"""The scene among the points of a shot: the set of points that keeps moving as one, and how it moves.

Points on the background follow the camera for as long as they are seen; points on a subject do for a while at
most. So the fit goes over all of a shot in rounds, and a point's say in each is how well it has followed
before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from filters.camera.grid import squared_abs, toward_edge
from filters.camera.points import Pairs

# Random hypotheses for each span (RANSAC, Fischler and Bolles 1981; seeded) in each round of fitting and
# rating the points; later rounds begin with what the one before found.
HYPOTHESES = (32, 16, 16)
SAMPLED = 128  # points of each span, on average, on which hypotheses are compared
STILL_BONUS = 1.15  # on the support of no motion: it needs no explanation
REFINEMENTS = (3.0, 2.0, 1.5)  # widths of Tukey's biweight (Beaton and Tukey 1974) in turn, in tolerances
TOLERANCE = 0.3  # pixels by which a point of the scene is off: the error of following it
TOLERANCE_SHARE = 0.03  # and of its displacement
FOLLOWS = 0.4  # pixels by which a point may be off and still follow the scene with one half
FOLLOWS_SHARE = 0.04  # and of the scene's displacement there
YOUNG = 3  # samples: a point seen for so long has half of the say of one seen for ever
SPAN_MIN = 0.15  # of the half diagonal between the two points of a hypothesis: closer pairs amplify noise
COLUMNS, ROWS = 6, 4  # parts of the frame that get a say alike, however many points each has


@dataclass(frozen=True)
class Fits:
    """A similarity for each of S spans: the scene's point z goes to z + a z + b.

    Attributes:
        spans: S pairs (i, j) of samples.
        pairs: The points at both ends of each span.
        weight: (M,) float64, how much each of these counts by where it is, without regard to what it does.
        a: (S,) complex64, rotation and scale.
        b: (S,) complex64, shift, pixels.
    """

    spans: Sequence[tuple[int, int]]
    pairs: Pairs
    weight: np.ndarray
    a: np.ndarray
    b: np.ndarray

    @property
    def moved(self) -> np.ndarray:
        """(M,) complex64: how far the scene moves at each point, pixels."""
        return self.pairs.each(self.a) * self.pairs.z + self.pairs.each(self.b)

    def followed(self) -> np.ndarray:
        """Rate (M,) how well each point follows the scene: 1 exactly, 0.5 at the tolerance, towards 0."""
        moved = self.moved
        return 1 / (1 + squared_abs(self.pairs.f - moved) / (FOLLOWS + FOLLOWS_SHARE * np.abs(moved)) ** 2)

    def share(self, chosen: np.ndarray) -> np.ndarray:
        """Compute the share (S,) of each span's weight that is chosen (M,)."""
        return sums(self.weight * chosen, self.pairs) / np.maximum(sums(self.weight, self.pairs), 1e-9)


def sums(values: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Sum values (M,) over each span: (S,), 0 where a span has none."""
    total = np.zeros(pairs.count, np.result_type(values, np.float32))
    if len(pairs.seen):
        total[pairs.seen] = np.add.reduceat(values, pairs.starts[pairs.seen], dtype=total.dtype)
    return total


def evenly(pairs: Pairs, size: tuple[int, int]) -> np.ndarray:
    """Weigh points (M,) so that parts of the frame count more alike than the number of their points."""
    width, height = size
    column = ((pairs.z.real / width + 0.5) * COLUMNS).astype(np.intp).clip(0, COLUMNS - 1)
    row = ((pairs.z.imag / height + 0.5) * ROWS).astype(np.intp).clip(0, ROWS - 1)
    part = (pairs.span * ROWS + row) * COLUMNS + column
    return 1 / np.sqrt(1 + np.bincount(part, minlength=pairs.count * ROWS * COLUMNS)[part])


def fit_scene(
    pairs: Sequence[tuple[Sequence[tuple[int, int]], Pairs]], size: tuple[int, int], seed: int = 0
) -> list[Fits]:
    """Find the scene and its motion over a shot.

    Args:
        pairs: Lists of spans of the shot, each with the points seen at both ends of its spans; the first is
            that of the neighbouring samples, in order, which later ones start from. All lists together decide
            what belongs to the scene.
        size: Width and height of the working frame, pixels.
        seed: Of the random hypotheses.

    Returns:
        The fits, one for each list.
    """
    rng = np.random.default_rng(seed)
    spans, seen = zip(*pairs, strict=True)
    weights = [evenly(each, size) for each in seen]
    tracks = 1 + max((int(each.track.max()) for each in seen if len(each.track)), default=0)
    age = np.bincount(seen[0].track, minlength=tracks)
    say = np.ones(tracks)
    fits: list[Fits] = []
    for turn, count in enumerate(HYPOTHESES):
        before, fits = fits, []
        for k, (each, both, weight) in enumerate(zip(spans, seen, weights, strict=True)):
            guesses = [(before[k].a, before[k].b)] if before else []
            if k:
                guesses.append(_walked(fits[0], each))
            counts = (weight * toward_edge(both.z, size) * say[both.track]).astype(np.float32)
            guesses += _hypotheses(both, counts, SPAN_MIN * np.hypot(*size) / 2, count, rng)
            a, b = _fit(both, counts, guesses)
            fits.append(Fits(each, both, weight, a, b))
        rated = [_rated(fit, tracks) for fit in fits]
        say = (0.05 + np.fmin.reduce(rated)) ** (1 + turn) * age / (age + YOUNG)
    return fits


def _rated(fits: Fits, tracks: int) -> np.ndarray:
    """How well each of the tracks follows on average; NaN for those not seen at both ends of any span."""
    count = np.bincount(fits.pairs.track, minlength=tracks)
    total = np.bincount(fits.pairs.track, fits.followed(), tracks)
    return np.divide(total, count, out=np.full(tracks, np.nan), where=count > 0)


def _walked(steps: Fits, spans: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """The motion over spans that the steps between neighbours amount to."""
    first = steps.spans[0][0]
    turn = np.concatenate([[1], np.cumprod(1 + steps.a.astype(np.complex128))])
    # After n steps, z has become turn[n] * (z + shift[n]).
    shift = np.concatenate([[0], np.cumsum(steps.b / turn[1:])])
    i, j = np.array(spans).T - first
    scale = turn[j] / turn[i]
    return (scale - 1).astype(np.complex64), (turn[j] * (shift[j] - shift[i])).astype(np.complex64)


def _fit(
    pairs: Pairs, weight: np.ndarray, guesses: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The similarity (a, b), two arrays (S,) complex64, that most of the weight (M,) of each span follows."""
    square = (TOLERANCE + TOLERANCE_SHARE * np.abs(pairs.f)) ** 2
    zero = np.zeros(pairs.count, np.complex64)
    stride = max(1, len(pairs.z) // max(1, SAMPLED * pairs.count))
    some = Pairs(
        pairs.span[::stride], pairs.track[::stride], pairs.z[::stride], pairs.f[::stride], pairs.count
    )
    a, b, best = zero.copy(), zero.copy(), np.full(pairs.count, -1, np.float32)
    for k, (turn, shift) in enumerate([(zero, zero), *guesses]):
        off = squared_abs(some.f - some.each(turn) * some.z - some.each(shift))
        support = sums(weight[::stride] / (1 + off / square[::stride]), some) * (1 if k else STILL_BONUS)
        better = support > best
        a, b, best = np.where(better, turn, a), np.where(better, shift, b), np.maximum(support, best)
    for scale in REFINEMENTS:
        off = squared_abs(pairs.f - pairs.each(a) * pairs.z - pairs.each(b))
        keep = weight * np.maximum(1 - off / (scale**2 * square), 0) ** 2
        mass = np.maximum(sums(keep, pairs), 1e-12)
        centre_z, centre_f = sums(keep * pairs.z, pairs) / mass, sums(keep * pairs.f, pairs) / mass
        from_centre = pairs.z - pairs.each(centre_z)
        spread = sums(keep * squared_abs(from_centre), pairs)
        lean = sums(keep * np.conj(from_centre) * (pairs.f - pairs.each(centre_f)), pairs)
        known = (mass > 1e-6) & (spread > 1e-3)
        turn = np.divide(lean, spread, out=np.zeros_like(lean), where=known)
        a = np.where(known, turn, a).astype(np.complex64)
        b = np.where(known, centre_f - turn * centre_z, b).astype(np.complex64)
    return a, b


def _hypotheses(
    pairs: Pairs, weight: np.ndarray, reach: float, count: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Similarities through two points of each span, drawn in proportion to their weight."""
    if not len(pairs.z):
        return []
    total = np.concatenate([[0.0], np.cumsum(weight, dtype=np.float64)])
    low, high = total[pairs.starts[:-1]], total[pairs.starts[1:]]
    drawn = low + rng.random((2, count, pairs.count)) * (high - low)
    one, other = (np.searchsorted(total, drawn, side="right") - 1).clip(0, len(pairs.z) - 1)
    apart = pairs.z[one] - pairs.z[other]
    far = np.abs(apart) > reach
    turn = np.divide(pairs.f[one] - pairs.f[other], apart, out=np.zeros_like(apart), where=far)
    return list(zip(turn, pairs.f[one] - turn * pairs.z[one], strict=True))
