"""Numbers for the flow of a whole clip and for what moves in it apart from the camera."""

import numpy as np

from filters.camera.grid import clear_of_edge, positions
from filters.camera.motion import Motion, moving


def statistics(motion: Motion) -> dict[str, float]:
    """Compute the motion statistics of the longest shot.

    Args:
        motion: The motion of a clip.

    Returns:
        `flow_mean` and `flow_p95`: mean and 95th percentile of the flow's speed, frame diagonals per second.
        `object_motion`: mean over the frame of the speed of what moves apart from the camera, frame diagonals
        per second. What does not move counts as 0: the errors of flow, which grow with zoom and roll, would
        otherwise drown small objects. `object_area`: share of the frame that moves apart from the camera over
        the long baseline, 0 to 1. Cells without texture count as not moving. `unexplained`: the largest share
        of the points that in any second moved apart from the scene, 0 to 1.
    """
    first, last = motion.shot()
    z = positions(motion.size)
    diagonal = float(np.hypot(*motion.size))
    speeds, own = [], []
    for s in motion.steps:
        if first <= s.i and s.j <= last:
            scale = diagonal * (motion.times[s.j] - motion.times[s.i])
            speeds.append(np.abs(s.flow).ravel() / scale)
            moves = moving(s, motion)
            goes = s.a * z[moves] + s.b
            inside = clear_of_edge(z[moves] + goes, motion.size)
            own.append(np.abs(s.flow[moves] - goes)[inside].sum() / z.size / scale)
    if not speeds:
        return {
            "flow_mean": 0.0,
            "flow_p95": 0.0,
            "object_motion": 0.0,
            "object_area": 0.0,
            "unexplained": 0.0,
        }
    every = np.concatenate(speeds)
    areas = [moving(s, motion).mean() for s in motion.long if first <= s.i and s.j <= last]
    return {
        "flow_mean": float(every.mean()),
        "flow_p95": float(np.percentile(every, 95)),
        "object_motion": float(np.mean(own)),
        "object_area": float(np.mean(areas)) if areas else 0.0,
        "unexplained": float(np.max(1 - motion.windows.follows - motion.windows.rests, initial=0.0)),
    }
