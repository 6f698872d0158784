"""A robust fit of one similarity to a flow field: the motion that most of the scene follows.

A similarity (a, b) moves the scene's point z to z + a z + b, so its flow at z is a z + b: a holds rotation
and scale, b is the shift in pixels.
"""

from functools import cache

import numpy as np

from filters.camera.grid import squared_abs, upper_median
from filters.camera.motion import Similarity

SUBSET = 400  # cells on which hypotheses are compared
PAIRS = 96  # random hypotheses
SPAN_MIN = 0.15  # of the farthest cell's distance from the centre: closer pairs amplify noise
INERTIA = 1.5  # factor on the support of the previous motion: passers-by come and go, a camera keeps moving
MAJORITY = 0.5  # of the scene's weight: no other motion can have as much
CELLS_MIN = 8  # fewer cells cannot outvote noise
REFINEMENTS = (3.0, 2.0, 1.5, 1.5)  # widths of Tukey's biweight in turn, in tolerances


def fit(
    flow: np.ndarray,
    weight: np.ndarray,
    z: np.ndarray,
    tolerance: np.ndarray,
    guess: Similarity,
) -> tuple[complex, complex, float]:
    """Fit the camera's motion of the scene.

    The hypotheses are no motion, `guess`, the median shift and, unless one of these already has the majority,
    similarities through random pairs of cells (RANSAC, Fischler and Bolles 1981; seeded). The hypothesis with
    the most support is refined by iteratively reweighted least squares.

    Args:
        flow: (K,) complex, pixels.
        weight: (K,) float, at least 0: how much each cell counts.
        z: (K,) complex, positions in pixels.
        tolerance: (K,) float, pixels by which a cell may be off and still follow a motion.
        guess: The motion of the previous step.

    Returns:
        a, b, and the share of the weight that follows (a, b), 0 to 1. All 0 without anything to fit.
    """
    if float(weight.sum()) <= 0 or len(flow) < CELLS_MIN:
        return 0j, 0j, 0.0
    square = tolerance**2
    chosen = _subset(len(flow))
    f, w, p, near = flow[chosen], weight[chosen], z[chosen], square[chosen]
    a = np.array([0, guess[0], 0], np.complex64)
    b = np.array([0, guess[1], upper_median(f.real) + 1j * upper_median(f.imag)], np.complex64)
    support = supports(a, b, f, w, p, near)
    best = int(np.argmax(support))
    follows = squared_abs(f - a[best] * p - b[best]) < near
    if w @ follows <= MAJORITY * w.sum():
        turn, shift = _random_hypotheses(f, w, p)
        a, b = np.concatenate([a, turn]), np.concatenate([b, shift])
        support = np.concatenate([support, supports(turn, shift, f, w, p, near)])
    support[1] *= INERTIA
    best = int(np.argmax(support))
    return _refined((complex(a[best]), complex(b[best])), flow, weight, z, square)


def _random_hypotheses(flow: np.ndarray, weight: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Similarities (a, b), two arrays (M,), through pairs of cells drawn in proportion to their weight."""
    cumulative = np.cumsum(weight, dtype=np.float64)
    pairs = np.searchsorted(cumulative, cumulative[-1] * _draws(), side="right")
    span = z[pairs[:, 0]] - z[pairs[:, 1]]
    far = np.abs(span) > SPAN_MIN * np.abs(z).max()
    pairs, span = pairs[far], span[far]
    turn = (flow[pairs[:, 0]] - flow[pairs[:, 1]]) / span
    return turn, flow[pairs[:, 0]] - turn * z[pairs[:, 0]]


def _refined(
    model: Similarity, flow: np.ndarray, weight: np.ndarray, z: np.ndarray, square: np.ndarray
) -> tuple[complex, complex, float]:
    """Weighted least squares with Tukey's biweight (Beaton and Tukey 1974); returns as `fit` does."""
    a, b = model
    for scale in REFINEMENTS:
        off = squared_abs(flow - a * z - b)
        keep = weight * np.maximum(1 - off / (scale**2 * square), 0) ** 2
        mass = keep.sum()
        if mass <= 1e-9:
            break
        centre_z, centre_f = keep @ z / mass, keep @ flow / mass
        from_centre = z - centre_z
        spread = keep @ squared_abs(from_centre)
        if spread <= 1e-6:
            break
        a = complex(np.vdot(keep * from_centre, flow - centre_f) / spread)
        b = complex(centre_f - a * centre_z)
    off = squared_abs(flow - a * z - b)
    return a, b, float(weight @ (off < 4 * square) / float(weight.sum()))


@cache
def _subset(count: int) -> np.ndarray:
    """Indices of at most SUBSET of `count` cells; always the same."""
    return np.random.default_rng(0).choice(count, size=min(SUBSET, count), replace=False)


@cache
def _draws() -> np.ndarray:
    """(PAIRS, 2) random numbers in [0, 1); always the same."""
    return np.random.default_rng(0).random((PAIRS, 2))


def supports(
    a: np.ndarray, b: np.ndarray, flow: np.ndarray, weight: np.ndarray, z: np.ndarray, square: np.ndarray
) -> np.ndarray:
    """Sum the weight that follows each of M motions, falling off with the distance from it.

    Args:
        a: (M,) complex.
        b: (M,) complex, pixels.
        flow: (K,) complex, pixels.
        weight: (K,) float.
        z: (K,) complex, pixels.
        square: (K,) float, the squared distance at which a cell counts half, pixels squared.

    Returns:
        (M,) float.
    """
    off = squared_abs(flow - a[:, None] * z - b[:, None])
    return (1 / (1 + off / square)) @ weight
