"""The camera's path over a shot, and the moves in it: stretches in which it goes one way.

A path has four columns, pan, tilt, zoom and roll, in the units and signs of `CameraMotion`.
"""

from itertools import pairwise

import numpy as np

DONE = 0.03  # of a move: what it covers before and after its main part is left out of its time


def smoothed(path: np.ndarray, times: np.ndarray, smooth_s: float) -> np.ndarray:
    """Smooth a path by fitting a line to the points within half of `smooth_s` of each point.

    A line rather than a mean: a mean would bend a steady pan at both ends of the clip.

    Args:
        path: (N, D) float64.
        times: (N,) seconds, ascending.
        smooth_s: Length of the window, seconds.

    Returns:
        (N, D) float64, in the path's unit.
    """
    reach = max(smooth_s / 2, 0.0) + 1e-9
    low, high = np.searchsorted(times, times - reach), np.searchsorted(times, times + reach, "right")
    count = (high - low)[:, None]
    t, y = (times - times.mean())[:, None], path - path.mean(0)

    def near(values: np.ndarray) -> np.ndarray:
        """Sums (N, D) over each point's window."""
        sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
        return sums[high] - sums[low]

    mean_t, mean_y = near(t) / count, near(y) / count
    spread = near(t * t) / count - mean_t**2
    with np.errstate(divide="ignore", invalid="ignore"):  # a single point has no spread
        slope = (near(t * y) / count - mean_t * mean_y) / spread
        line = path.mean(0) + mean_y + slope * (t - mean_t)
    return np.where(count < 3, path, line)


def jitter(path: np.ndarray, times: np.ndarray, smooth_s: float) -> float:
    """Compute the root mean square distance of a path (N, 2) from itself smoothed, in the path's unit."""
    return float(np.sqrt(((path - smoothed(path, times, smooth_s)) ** 2).sum(1).mean()))


def integrated(rates: np.ndarray, middle: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Integrate rates (S, D) known at times (S,) over `times` (N,): a path (N, D) that begins at 0."""
    at = np.stack([np.interp(times, middle, column) for column in rates.T], 1)
    steps = (at[1:] + at[:-1]) / 2 * np.diff(times)[:, None]
    return np.concatenate([np.zeros((1, rates.shape[1])), np.cumsum(steps, axis=0)])


def swings(path: np.ndarray, least: float) -> list[tuple[int, int]]:
    """Cut a path (N,) at its turning points: stretches (i, j) over which it rises or falls by at least
    `least`.

    Smaller movements to and fro within a stretch do not end it. A stretch begins and ends where its main part
    does: the first and the last 3 % of the way are left out.
    """
    turns, high, low, way = [0], 0, 0, 0
    for k in range(1, len(path)):
        high = k if path[k] > path[high] else high
        low = k if path[k] < path[low] else low
        fell, rose = path[high] - path[k] >= least, path[k] - path[low] >= least
        if (way >= 0 and fell) or (way <= 0 and rose):
            turn = high if fell and way >= 0 else low
            turns[-1 if abs(path[turn] - path[turns[-1]]) < least else len(turns) :] = [turn]
            way, high, low = (-1 if turn == high else 1), k, k
    if way:
        turns.append(high if way > 0 else low)
    pairs = [(i, j) for i, j in pairwise(turns) if abs(path[j] - path[i]) >= least]
    return [_main_part(path, i, j) for i, j in pairs]


def _main_part(path: np.ndarray, i: int, j: int) -> tuple[int, int]:
    done = (path[i : j + 1] - path[i]) / (path[j] - path[i])
    begin = int(np.flatnonzero(done <= DONE)[-1])  # of a path that came back, what goes on from there
    return i + begin, i + begin + int(np.flatnonzero(done[begin:] >= 1 - DONE)[0])
