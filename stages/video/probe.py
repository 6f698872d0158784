"""What is known of a clip before its frames are looked at, and which of them to take."""

from dataclasses import dataclass

import numpy as np

FEWEST = 9  # samples: with fewer, a short clip does not show whether a motion lasts


@dataclass(frozen=True)
class Probe:
    """A clip's properties.

    Attributes:
        width: Square pixels as shown: turned upright, and stretched where the file's pixels are not square.
        height: Square pixels as shown.
        fps: Mean frame rate.
        duration_s: From the first frame shown to the end of the last one.
        codec: FFmpeg's name of the codec.
        times: (N,) float64, when each frame is shown, seconds from the clip's start, ascending.
        clock_repair: What was wrong with the file's clock and has been repaired; empty: nothing.
    """

    width: int
    height: int
    fps: float
    duration_s: float
    codec: str
    times: np.ndarray
    clock_repair: str = ""


def sample_times(probe: Probe, fps: float, most: int) -> np.ndarray:
    """Choose the frames nearest to an even grid of times.

    Args:
        probe: The clip.
        fps: Samples per second; a lower rate is used where it would give more than `most`, and a higher one
            where it would give fewer than FEWEST.
        most: Largest number of samples.

    Returns:
        (N,) int, indices into `probe.times`, ascending, none twice.
    """
    fps = min(max(fps, FEWEST / probe.duration_s), most / probe.duration_s)
    if fps * probe.duration_s >= len(probe.times):
        return np.arange(len(probe.times))
    grid = np.arange(0, probe.times[-1] + 1e-9, 1 / fps)
    return np.unique(nearest(probe.times, grid))


def middles(probe: Probe, count: int) -> np.ndarray:
    """Choose the middle frames of `count` equal segments (the sampling of V_s in the MotionSight paper).

    Returns:
        (count,) int, indices into `probe.times`, ascending; one may occur twice in a short clip.
    """
    return nearest(probe.times, (np.arange(count) + 0.5) * probe.duration_s / count)


def nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Find the entry of `times` nearest to each of `wanted`.

    Args:
        times: (N,) float64, N >= 2, ascending.
        wanted: (M,) float64, in the same unit.

    Returns:
        (M,) int, indices into `times`.
    """
    right = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    left = right - 1
    return np.where(wanted - times[left] <= times[right] - wanted, left, right)
