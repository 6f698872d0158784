"""What the describer can tell without MotionSight: a few plain frames, no compensation, no tracking."""

import numpy as np

from filters.camera.config import CameraConfig
from filters.camera.grid import on_grid, positions
from filters.evidence import CameraMotion, Evidence, Track
from filters.flow.estimator import FlowEstimator, flows


def evidence(
    samples: np.ndarray,
    times: np.ndarray,
    estimate: FlowEstimator,
    config: CameraConfig,
    size: tuple[int, int],
    duration_s: float,
) -> Evidence:
    """Measure a few frames the naive way.

    The mean flow stands for the camera, and the area of the fastest flow for the object, moving with the raw
    flow. These are real measurements with the usual mistakes: motion between the frames is missed, a large
    object passes for camera motion, and under a moving camera still things seem to move.

    Args:
        samples: (K, H, W) uint8 luma, K >= 2, typically seconds apart.
        times: (K,) seconds.
        estimate: The optical flow.
        config: The thresholds above which a pan or tilt is named.
        size: Width and height, pixels, of the frames in which the box is given.
        duration_s: Length of the clip, seconds.
    """
    height, width = samples.shape[1:]
    flow = np.mean([on_grid(pair) for pair in flows(estimate, samples[:-1], samples[1:])], axis=0)
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
    area = float(fast.mean()) if tracks else 0.0
    return Evidence(size[0], size[1], duration_s, camera, tracks, area, float(speed.mean()))
