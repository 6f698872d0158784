"""What the describer sees without MotionSight: a few plain frames, nothing compensated, nothing tracked."""

from itertools import pairwise

import numpy as np

from filters.camera.config import CameraConfig
from filters.camera.grid import on_grid, positions
from filters.evidence import CameraMotion, Evidence, Track
from filters.flow.estimator import FlowEstimator


def evidence(
    samples: np.ndarray,
    times: np.ndarray,
    estimate: FlowEstimator,
    config: CameraConfig,
    size: tuple[int, int],
    duration_s: float,
) -> Evidence:
    """Evidence from samples (K, H, W) uint8 at times (K,) seconds, K >= 2, seconds apart.

    The mean flow is taken for the camera's; the place of the fastest flow for the object, moving as the raw
    flow does. Real measurements with the usual mistakes: moves between the frames are missed, a large object
    drags the camera along, and a moving camera makes still things move. size: (width, height) of the frames.
    """
    height, width = samples.shape[1:]
    flow = np.mean([on_grid(estimate(a, b)) for a, b in pairwise(samples)], axis=0)
    rate = flow / float(np.mean(np.diff(times)))
    mean = complex(rate.mean())
    pan, tilt = -mean.real / width, -mean.imag / height
    labels = []
    if abs(pan) > config.pan_min:
        labels.append("pan_right" if pan > 0 else "pan_left")
    if abs(tilt) > config.tilt_min:
        labels.append("tilt_down" if tilt > 0 else "tilt_up")
    camera = CameraMotion(tuple(labels) or ("static",), pan=pan, tilt=tilt)
    speed = np.abs(rate) / np.hypot(width, height)
    fast = speed >= np.quantile(speed, 0.95)
    tracks: tuple[Track, ...] = ()
    if speed[fast].mean() > 0.01:
        place = positions((width, height))[fast]
        low = np.array([place.real.min() / width + 0.5, place.imag.min() / height + 0.5])
        high = np.array([place.real.max() / width + 0.5, place.imag.max() / height + 0.5])
        box = np.concatenate([low * size, high * size]).astype(np.float32)
        middle = complex(rate[fast].mean())
        velocity = (middle.real / width, middle.imag / height)
        tracks = (
            Track(
                "",
                times,
                np.tile(box, (len(times), 1)),
                np.ones(len(times), np.float32),
                velocity,
                speed=float(speed[fast].mean()),
                moving=(0.0, duration_s),
                phases=((0.0, duration_s, *velocity),),
            ),
        )
    return Evidence(size[0], size[1], duration_s, camera, tracks, float(fast.mean()), float(speed.mean()))
