"""The camera's path over a shot: rates, integrated, and separated into a smooth path and jitter.

Rates are pan, tilt, zoom and roll, in this order, in the units and signs of `CameraMotion`.
"""

import numpy as np

from filters.camera.motion import Step


def rates(step: Step, times: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Convert a step's motion of the scene into rates of the camera.

    Args:
        step: A step.
        times: (N,) seconds of the samples.
        size: Width and height of the working frame, pixels.

    Returns:
        (4,) float64: pan, tilt, zoom, roll.
    """
    width, height = size
    turn = 1 + step.a
    change = [-step.b.real / width, -step.b.imag / height, np.log(abs(turn)), -np.degrees(np.angle(turn))]
    return np.array(change) / (times[step.j] - times[step.i])


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


def travel(path: np.ndarray, times: np.ndarray, smooth_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Sum how far each column of a path (N, D), smoothed, falls and rises: two arrays (D,), at least 0."""
    change = np.diff(smoothed(path, times, smooth_s), axis=0)
    return -np.minimum(change, 0).sum(0), np.maximum(change, 0).sum(0)
