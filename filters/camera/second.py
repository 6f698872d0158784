"""A second opinion on the camera: dense flow over a second instead of points, and a fit of its own."""

from itertools import pairwise

import numpy as np

from filters.camera.config import CameraConfig
from filters.camera.fit import fit
from filters.camera.grid import border_prior, positions, scene_weight, upper_median
from filters.camera.motion import TEXTURED, Motion
from filters.camera.naming import described
from filters.camera.points import Pairs
from filters.camera.scene import Fits
from filters.camera.windows import shaped, windows
from filters.evidence import CameraMotion

# The error of flow: about a tenth of a pixel, and a few percent of its length.
TOLERANCE = 0.15  # pixels
TOLERANCE_SHARE = 0.03  # of the length


def second_opinion(motion: Motion, config: CameraConfig) -> CameraMotion:
    """Describe the camera's motion over the longest shot from its dense flow alone.

    Args:
        motion: The motion of a clip.
        config: What counts as a move.

    Returns:
        As `summarise`; without labels for a shot that is too short, or too quick, for flow over a second.
    """
    first, last = motion.shot()
    if not motion.long or any(before.j < after.i for before, after in pairwise(motion.long)):
        return CameraMotion((), fit=0.0, reason="the flow over a second is not known throughout")
    z, prior = positions(motion.size), border_prior(motion.size)
    fitted, parts, guess = [], [], (0j, 0j)
    for step in motion.long:
        weight = scene_weight(step.weight, prior)
        known = (step.weight > TEXTURED) & (weight > 0)
        flow, at = step.flow[known], z[known]
        a, b, _ = fit(flow, weight[known], at, TOLERANCE + TOLERANCE_SHARE * np.abs(flow), guess)
        guess = (a, b)
        fitted.append(guess)
        parts.append((at, flow, (weight / prior)[known]))
    counts = [len(at) for at, _, _ in parts]
    at, flow, weight = (np.concatenate(each) for each in zip(*parts, strict=True))
    span = np.repeat(np.arange(len(parts)), counts)
    pairs = Pairs(span, span, at, flow, len(parts))
    a, b = np.array(fitted, np.complex64).T
    fits = Fits([(step.i, step.j) for step in motion.long], pairs, weight.astype(np.float64), a, b)
    seen = shaped(windows(fits, None, motion.times, motion.size), fits, motion.size)
    edge = prior > 4
    shifts = [_middle(step.flow[edge & (step.weight > TEXTURED)]) for step in motion.steps[first:last]]
    return described(seen, seen, np.array(shifts), motion.times[first : last + 1], motion.size, config)


def _middle(flow: np.ndarray) -> complex:
    """The median of flow (K,), each component by itself; 0 without any."""
    return complex(upper_median(flow.real), upper_median(flow.imag)) if len(flow) else 0j
