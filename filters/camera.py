"""Camera motion out of optical flow: a robust global fit, signed rates, and the labels they earn.

Positions are complex numbers x + iy in pixels from the frame's centre, y down, so that one complex number
holds both turn and scale: a camera's motion moves the scene's point z to z + a z + b.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.evidence import CameraMotion
from filters.flow.estimator import FlowEstimator
from pipeline.schema import CAMERA_LABELS

CELL = 4  # pixels of the working frame for each cell of the motion grid
CHANGED = 0.35  # of `Step.change`: what moves leaves another picture behind, what is misjudged does not
INERTIA = 1.5  # times the support of moving on as before: what passes comes and goes, a camera goes on
FLASH = 40.0  # gray levels of mean brightness: flicker, clouds and lamps being lit swing less or stay
DISSOLVED = 0.6  # of `Step.change`, median of the frame: nearer to two different things than to the same
MIN_EIGEN_SCALE = 6.15e-5  # cv2.cornerMinEigenVal(uint8, 5) of a slope of one gray level a pixel
MAJORITY = 0.5  # of the scene's weight: no other motion can have as much


class CameraConfig(BaseModel):
    """When a measured rate is a camera move: what a viewer sees, whatever the frame rate or size."""

    model_config = ConfigDict(extra="forbid")

    pan_min: float = Field(0.015, gt=0, description="frame widths per second that make a pan")
    tilt_min: float = Field(0.015, gt=0, description="frame heights per second that make a tilt")
    zoom_min: float = Field(0.02, gt=0, description="e-folds of scale per second that make a zoom")
    roll_min: float = Field(1.5, gt=0, description="degrees per second that make a roll")
    shake_min: float = Field(
        0.0015, gt=0, description="rms jitter, share of the frame width, that is a shake"
    )
    minor_share: float = Field(
        0.2, ge=0, le=1, description="a move smaller than this share of the largest one is not named"
    )
    agreement_min: float = Field(
        0.75, ge=0.5, le=1, description="share of the scene that must move the way a label says"
    )
    fit_min: float = Field(
        0.35, ge=0, le=1, description="share of the scene explained, under which nothing is named"
    )
    baseline_s: float = Field(1.0, gt=0, description="length of the longer baseline for slow moves, seconds")
    smooth_s: float = Field(
        1.0, gt=0, description="what is slower than this is path, faster is shake, seconds"
    )
    cut_correlation: float = Field(
        0.35, ge=0, le=1, description="two frames that correlate less than this, aligned, may be a cut"
    )


@dataclass(frozen=True)
class Step:
    """Motion from sample i to sample j.

    flow: (h, w) complex64, pixels of the working frame at each cell. weight: (h, w) float32 0 to 1, how far
    the flow there can be believed (texture). a, b: the camera's motion of the scene. fit: 0 to 1.
    change: (h, w) float32, how unlike the picture is there once the camera's motion is undone, 0 the same, 1
    as unlike as two different things, NaN where it left the frame (steps over the longer baseline only).
    still: the frame's sides show that the camera does not move (`stands_still`).
    """

    i: int
    j: int
    flow: np.ndarray
    weight: np.ndarray
    a: complex
    b: complex
    fit: float
    change: np.ndarray | None = None
    still: bool = False


@dataclass(frozen=True)
class Motion:
    """All that flow says of a clip.

    times: (N,) float64 seconds of the samples. size: (width, height) of the working frame, pixels.
    steps: the N - 1 steps between neighbours. cuts: indices of the samples that start a new shot.
    long: steps over the longer baseline, none across a cut.
    """

    times: np.ndarray
    size: tuple[int, int]
    steps: list[Step]
    cuts: list[int]
    long: list[Step]

    def shot(self) -> tuple[int, int]:
        """First and last sample (inclusive) of the longest shot."""
        edges = [0, *self.cuts, len(self.times)]
        spans = [(self.times[hi - 1] - self.times[lo], -lo, lo, hi - 1) for lo, hi in pairwise(edges)]
        _, _, first, last = max(spans)
        return first, last


@cache
def positions(size: tuple[int, int]) -> np.ndarray:
    """Cell centres (h, w) complex64 for a working frame (width, height)."""
    width, height = size
    columns, rows = width // CELL, height // CELL
    x = (np.arange(columns) + 0.5) * width / columns - width / 2
    y = (np.arange(rows) + 0.5) * height / rows - height / 2
    return (x[None, :] + 1j * y[:, None]).astype(np.complex64)


def texture(image: np.ndarray) -> np.ndarray:
    """How far flow can be believed at each cell (h, w) 0 to 1: low on flat areas and straight edges."""
    height, width = image.shape
    eigen = np.maximum(cv2.cornerMinEigenVal(image, 5), 0) / MIN_EIGEN_SCALE
    weight = eigen / (eigen + 4.0)  # half weight at a slope of two gray levels a pixel
    return cv2.resize(weight, (width // CELL, height // CELL), interpolation=cv2.INTER_AREA)


def on_grid(flow: np.ndarray) -> np.ndarray:
    """Flow (H, W, 2) averaged over each cell: (h, w) complex64."""
    height, width = flow.shape[:2]
    small = cv2.resize(flow, (width // CELL, height // CELL), interpolation=cv2.INTER_AREA)
    return small[..., 0] + 1j * small[..., 1]


@cache
def border_prior(size: tuple[int, int]) -> np.ndarray:
    """Weight (h, w) of a cell as background, 1 to 8: the scene reaches the frame's edges, most things do not.

    Up to 8, so that a tenth of the frame along each edge, a third of its area, still outweighs all that is
    inside when half of it is hidden.
    """
    z = positions(size)
    edge = np.maximum(np.abs(z.real) / (size[0] / 2), np.abs(z.imag) / (size[1] / 2))
    return (1 + 7 * np.clip((edge - 0.6) / 0.3, 0, 1)).astype(np.float32)


def scenery(weight: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Weight (h, w) of a cell as a part of the scene, from that of its texture and of its place.

    Even over the frame: divided by its mean around, so that a caption, or one thing rich in detail, does not
    speak for the plainer rest. What has next to no texture, a mean under 0.1, stays light: its flow is noise.
    """
    side = (max(1, weight.shape[1] // 4), max(1, weight.shape[0] // 4))
    return prior * weight / (0.1 + cv2.blur(weight, side))


def fit(
    flow: np.ndarray,
    weight: np.ndarray,
    z: np.ndarray,
    tolerance: np.ndarray,
    guess: tuple[complex, complex],
    still: bool = False,
) -> tuple[complex, complex, float]:
    """The camera's motion (a, b) that most of the believable scene follows, and the share that does, 0 to 1.

    flow, weight, z: (K,) complex, float, complex. Hypotheses come from pairs of cells (RANSAC, seeded), from
    no motion and from `guess`; the best is refined by weighted least squares on what follows it.
    tolerance: (K,) pixels off that still count as following. still: no motion it is.
    """
    total = float(weight.sum())
    if total <= 0 or len(flow) < 8:
        return 0j, 0j, 0.0
    square = tolerance**2
    chosen = _some(len(flow))
    f, w, p, near = flow[chosen], weight[chosen], z[chosen], square[chosen]
    a = np.array([0, guess[0], 0], np.complex64)
    b = np.array([0, guess[1], middle(f.real) + 1j * middle(f.imag)], np.complex64)
    support = supports(a, b, f, w, p, near)
    best = int(np.argmax(support))
    follows = squared(f - a[best] * p - b[best]) < near
    if not still and w @ follows <= MAJORITY * w.sum():
        heap = np.cumsum(w, dtype=np.float64)
        pairs = np.searchsorted(heap, heap[-1] * _draws(), side="right")  # the heavier, the oftener
        span = p[pairs[:, 0]] - p[pairs[:, 1]]
        far = np.abs(span) > 0.15 * np.abs(p).max()
        pairs, span = pairs[far], span[far]
        turn = (f[pairs[:, 0]] - f[pairs[:, 1]]) / span
        shift = f[pairs[:, 0]] - turn * p[pairs[:, 0]]
        a, b = np.concatenate([a, turn]), np.concatenate([b, shift])
        support = np.concatenate([support, supports(turn, shift, f, w, p, near)])
    support[1] *= INERTIA
    best = 0 if still else int(np.argmax(support))
    model_a, model_b = complex(a[best]), complex(b[best])
    for scale in (3.0, 2.0, 1.5, 1.5):
        off = squared(flow - model_a * z - model_b)
        keep = weight * np.maximum(1 - off / (scale**2 * square), 0) ** 2  # Tukey's biweight
        mass = keep.sum()
        if mass <= 1e-9:
            break
        centre_z, centre_f = keep @ z / mass, keep @ flow / mass
        from_centre = z - centre_z
        spread = keep @ squared(from_centre)
        if spread <= 1e-6:
            break
        model_a = complex(np.vdot(keep * from_centre, flow - centre_f) / spread)
        model_b = complex(centre_f - model_a * centre_z)
    off = squared(flow - model_a * z - model_b)
    return model_a, model_b, float(weight @ (off < 4 * square) / total)


def squared(values: np.ndarray) -> np.ndarray:
    """The squared lengths of complex numbers, in a fraction of the time of their lengths."""
    return values.real**2 + values.imag**2


@cache
def _some(count: int) -> np.ndarray:
    """Indices of at most 400 out of `count` cells, always the same."""
    return np.random.default_rng(0).choice(count, size=min(400, count), replace=False)


@cache
def _draws() -> np.ndarray:
    """(96, 2) random numbers from 0 up to 1, always the same."""
    return np.random.default_rng(0).random((96, 2))


def middle(values: np.ndarray) -> float:
    """The upper median of (K,) numbers, K >= 1, in a fraction of the time of numpy's own."""
    return float(np.partition(values, len(values) // 2)[len(values) // 2])


def supports(
    a: np.ndarray, b: np.ndarray, flow: np.ndarray, weight: np.ndarray, z: np.ndarray, square: np.ndarray
) -> np.ndarray:
    """The weight (M,) that follows each motion (a, b) of M, falling off with the distance.

    square: (K,) the squared distance at which half is left.
    """
    off = squared(flow - a[:, None] * z - b[:, None])
    return (1 / (1 + off / square)) @ weight


def stands_still(still: np.ndarray, weight: np.ndarray) -> bool:
    """True when a whole side of the frame does not move, left or right, or something of both sides.

    still: (h, w) bool. weight: (h, w). A moving camera leaves nothing in its place, so this holds even where
    things that move fill most of the frame. What does stay there is a subject that the camera follows, in the
    middle and down to the lower edge, and captions: so it is the sides that tell, a quarter of the width
    each, and of them the corners, where logos are, count half. Half of a side is more than a subject reaching
    into it has; 0.15 of both is left beside a thing of 0.8 of the frame's width that is half way across.
    """
    height, width = weight.shape
    quarter, fourths = max(1, width // 4), np.arange(4) * height // 4

    def blocks(values: np.ndarray) -> np.ndarray:
        sides = [values[:, :quarter].sum(1), values[:, -quarter:].sum(1)]
        return np.add.reduceat(np.stack(sides), fourths, axis=1)

    total = blocks(weight)
    textured = total > weight.sum() / 64  # a quarter of the share of one of sixteen blocks
    share = np.divide(blocks(weight * still), total, out=np.zeros((2, 4)), where=textured)
    sides = share @ np.array([1, 2, 2, 1]) / 6
    return bool(sides.max() >= 0.5 or sides.min() >= 0.15)


def measure(samples: np.ndarray, times: np.ndarray, estimate: FlowEstimator, config: CameraConfig) -> Motion:
    """Flow and camera motion of samples (N, H, W) uint8 at times (N,) seconds, N >= 2."""
    height, width = samples.shape[1:]
    size = (width, height)
    z = positions(size)
    prior = border_prior(size)
    samples = without_flashes(samples, estimate, config.cut_correlation)
    weights = [texture(image) for image in samples]
    steps: list[Step] = []
    alike = np.ones(len(samples))
    guess = (0j, 0j)
    for i in range(len(samples) - 1):
        dense = estimate(samples[i], samples[i + 1])
        alike[i + 1] = correlation(samples[i], samples[i + 1], dense)
        step = _step(i, i + 1, on_grid(dense), weights[i], z, prior, guess)
        guess = (step.a, step.b)
        steps.append(step)
    cuts = find_cuts(samples, alike, config.cut_correlation)
    long = list(_long_steps(samples, times, steps, cuts, weights, estimate, config))
    dissolves = find_dissolves(samples, long)
    long = [s for s in long if not any(s.i < cut <= s.j for cut in dissolves)]
    return Motion(times, size, steps, sorted({*cuts, *dissolves}), long)


def without_flashes(samples: np.ndarray, estimate: FlowEstimator, threshold: float) -> np.ndarray:
    """Samples (N, H, W) uint8, each that a flash lights drawn anew, half way between its neighbours.

    A flash is over before the next sample: far brighter than both its neighbours, which are as bright as one
    another. Where these correlate less than the threshold, a cut lies between, and the one before is held.
    """
    light = samples[:, ::4, ::4].mean((1, 2))  # every sixteenth pixel is enough
    over = np.minimum(light[1:-1] - light[:-2], light[1:-1] - light[2:])
    flashes = 1 + np.flatnonzero((over > FLASH) & (over > 4 * np.abs(light[2:] - light[:-2])))
    if not len(flashes):
        return samples
    samples = samples.copy()
    x, y = _pixels(samples.shape[1:])
    for k in flashes:
        # What is at a pixel half way came from half the motion before it, and motion is smooth enough.
        flow = estimate(samples[k - 1], samples[k + 1])
        flow *= 0.5 if correlation(samples[k - 1], samples[k + 1], flow) > threshold else 0
        at = x - flow[..., 0], y - flow[..., 1]
        samples[k] = cv2.remap(samples[k - 1], *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return samples


def find_dissolves(samples: np.ndarray, long: list[Step]) -> list[int]:
    """Samples in the middle of a dissolve: the picture changes altogether, and loses contrast between.

    Two pictures that lie half and half over each other have half of their variance when they have nothing to
    do with each other.
    """
    found: list[int] = []
    for s in long:
        if found and s.i < found[-1]:
            continue  # the one already found, seen from the next, overlapping step
        seen = np.empty(0) if s.change is None else s.change[~np.isnan(s.change)]
        if not seen.size or np.median(seen) < DISSOLVED:
            continue
        variance = samples[s.i : s.j + 1].var((1, 2))
        k = int(np.argmin(variance))
        if 0 < k < s.j - s.i and variance[k] < 0.75 * (variance[0] + variance[-1]) / 2:
            found.append(s.i + k)
    return found


def _step(
    i: int,
    j: int,
    flow: np.ndarray,
    weight: np.ndarray,
    z: np.ndarray,
    prior: np.ndarray,
    guess: tuple[complex, complex],
) -> Step:
    # Flow is good to about a tenth of a pixel, and to a few percent of its length.
    speed = np.abs(flow)
    tolerance = 0.15 + 0.03 * speed
    weighed = scenery(weight, prior)
    still = stands_still(speed < tolerance, weighed)
    a, b, share = fit(flow.ravel(), weighed.ravel(), z.ravel(), tolerance.ravel(), guess, still)
    return Step(i, j, flow, weight, a, b, share, still=still)


def correlation(a: np.ndarray, b: np.ndarray, flow: np.ndarray) -> float:
    """Correlation, -1 to 1, of frame a with frame b brought back along the flow: blind to brightness."""
    # Every second pixel of every second row tells enough.
    x, y = (pixels[::2, ::2] for pixels in _pixels(a.shape))
    x, y = x + flow[::2, ::2, 0], y + flow[::2, ::2, 1]
    back = cv2.remap(b, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    p, q = (cv2.subtract(image, cv2.mean(image)[0], dtype=cv2.CV_32F) for image in (a[::2, ::2], back))
    scale = (np.vdot(p, p) * np.vdot(q, q)) ** 0.5
    return float(np.vdot(p, q) / scale) if scale > 1e-3 * p.size else 1.0


@cache
def _pixels(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The column and the row of every pixel, (H, W) float32 each."""
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    return x, y


def find_cuts(samples: np.ndarray, alike: np.ndarray, threshold: float) -> list[int]:
    """Samples that start a new shot: unlike the one before, while the steps around are alike.

    A fast pan also spoils the alignment, but over many steps and with the same brightnesses in the frame.
    """
    cuts = []
    for k in range(1, len(samples)):
        around = [alike[n] for n in (k - 2, k - 1, k + 1, k + 2) if 1 <= n < len(samples)]
        if alike[k] < threshold and (not around or alike[k] < 0.6 * float(np.median(around))):
            cuts.append(k)
    return cuts


def compose(steps: list[Step]) -> tuple[complex, complex]:
    """One motion (a, b) that does what the steps do one after the other."""
    scale, shift = 1 + 0j, 0j
    for step in steps:
        scale, shift = (1 + step.a) * scale, (1 + step.a) * shift + step.b
    return scale - 1, shift


def _long_steps(
    samples: np.ndarray,
    times: np.ndarray,
    steps: list[Step],
    cuts: list[int],
    weights: list[np.ndarray],
    estimate: FlowEstimator,
    config: CameraConfig,
) -> Iterator[Step]:
    """Steps over `baseline_s`, half overlapping: a slow move is many times its noise there."""
    height, width = samples.shape[1:]
    size = (width, height)
    z, prior = positions(size), border_prior(size)
    edges = [0, *cuts, len(samples)]
    for low, high in pairwise(edges):
        i = low
        while i < high - 1:
            j = min(int(np.searchsorted(times, times[i] + config.baseline_s - 1e-6)), high - 1)
            if j - i < 2:
                break
            a, b = compose(steps[i:j])
            moved = np.abs(a * z + b)
            if np.median(moved) < 0.35 * width:
                yield _aligned_step(samples, i, j, a, b, weights[i], z, prior, estimate)
            if j == high - 1:
                break
            i += max(1, (j - i) // 2)


def _aligned_step(
    samples: np.ndarray,
    i: int,
    j: int,
    a: complex,
    b: complex,
    weight: np.ndarray,
    z: np.ndarray,
    prior: np.ndarray,
    estimate: FlowEstimator,
) -> Step:
    """Flow from i to j with the predicted motion (a, b) taken out first, so that little is left to find."""
    height, width = samples.shape[1:]
    left = on_grid(estimate(samples[i], undone(samples[j], a, b)))
    landed = z + left
    landed = landed + a * landed + b
    inside = within(landed, (width, height))
    step = _step(i, j, (landed - z).astype(np.complex64), weight * inside, z, prior, (a, b))
    # By the motion found: after a fast roll the predicted one is off by pixels, and all looks changed.
    unlike = change(samples[i], undone(samples[j], step.a, step.b))
    return replace(step, change=np.where(inside, unlike, np.nan))


def undone(image: np.ndarray, a: complex, b: complex) -> np.ndarray:
    """An image (H, W) uint8 as it was before the motion (a, b); what was not in the frame is its edge."""
    height, width = image.shape
    centre = complex((width - 1) / 2, (height - 1) / 2)
    turn, shift = 1 + a, b + centre - (1 + a) * centre
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def change(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How unlike two frames (H, W) uint8 are around each cell: (h, w) float32, 1 minus the local correlation.

    Both are smoothed first, since aligning smooths one of them; a few gray levels of noise are added to both
    contrasts, so that flat areas come out alike.
    """
    # Once smooth, every second pixel of every second row tells enough.
    x, y = (cv2.GaussianBlur(image, (0, 0), 1.2)[::2, ::2].astype(np.float32) for image in (a, b))
    side = (5, 5)
    mean_x, mean_y = cv2.blur(x, side), cv2.blur(y, side)
    var_x, var_y = cv2.blur(x * x, side) - mean_x**2, cv2.blur(y * y, side) - mean_y**2
    noise = 16.0  # variance of coding noise, gray levels squared
    unlike = (var_x + var_y - 2 * (cv2.blur(x * y, side) - mean_x * mean_y)) / (var_x + var_y + 2 * noise)
    return cv2.resize(unlike, (a.shape[1] // CELL, a.shape[0] // CELL), interpolation=cv2.INTER_AREA)


def rates(step: Step, times: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Camera rates (4,) of a step: pan, tilt, zoom, roll in the units of `CameraMotion`."""
    width, height = size
    turn = 1 + step.a
    change = [-step.b.real / width, -step.b.imag / height, np.log(abs(turn)), -np.degrees(np.angle(turn))]
    return np.array(change) / (times[step.j] - times[step.i])


def summarise(motion: Motion, config: CameraConfig) -> CameraMotion:
    """The camera motion of the clip's longest shot; a cut is never averaged over."""
    first, last = motion.shot()
    steps = [s for s in motion.steps if first <= s.i and s.j <= last]
    if not steps:
        return CameraMotion((), fit=0.0)
    times, size = motion.times, motion.size
    spans = np.array([times[s.j] - times[s.i] for s in steps])
    short = np.stack([rates(s, times, size) for s in steps])
    path = np.concatenate([np.zeros((1, 4)), np.cumsum(short * spans[:, None], axis=0)])
    long = [s for s in motion.long if first <= s.i and s.j <= last]
    net = np.mean([rates(s, times, size) for s in long], axis=0) if long else path[-1] / spans.sum()
    shake = jitter(path[:, :2] * [1, size[1] / size[0]], times[first : last + 1], config.smooth_s)
    apart = np.zeros(4, bool)
    if long:
        # Both measure the same, so where they differ one went with something other than the scene. A better
        # fit of the steps is believed as far as it says that the camera moves.
        walked = [(path[s.j - first] - path[s.i - first]) / (times[s.j] - times[s.i]) for s in long]
        apart = np.abs(np.mean(walked, axis=0) - net) > floors(config) + 0.5 * np.abs(net)
        if apart.any() and np.median([s.fit for s in steps]) > np.median([s.fit for s in long]):
            long, net = [], path[-1] / spans.sum()
            apart &= np.abs(net) < floors(config)
    share = float(np.median([s.fit for s in long or steps]))
    labels = name_motion(
        net, path, times[first : last + 1], shake, share, apart, long or steps, motion, config
    )
    pan, tilt, zoom, roll = (float(rate) for rate in net)
    return CameraMotion(labels, pan, tilt, zoom, roll, shake, share)


def floors(config: CameraConfig) -> np.ndarray:
    """The least rates (4,) that are a move."""
    return np.array([config.pan_min, config.tilt_min, config.zoom_min, config.roll_min])


def jitter(path: np.ndarray, times: np.ndarray, smooth_s: float) -> float:
    """Root mean square distance of a path (N, 2) from itself smoothed over `smooth_s`, in the path's unit."""
    return float(np.sqrt(((path - smoothed(path, times, smooth_s)) ** 2).sum(1).mean()))


def smoothed(path: np.ndarray, times: np.ndarray, smooth_s: float) -> np.ndarray:
    """A path (N, D) with each point replaced by a line fitted to the points within half of `smooth_s`.

    A line, not a mean: a mean bends a steady pan at both ends of the clip.
    """
    reach = max(smooth_s / 2, 0.0) + 1e-9
    low, high = np.searchsorted(times, times - reach), np.searchsorted(times, times + reach, "right")
    count = (high - low)[:, None]
    t, y = (times - times.mean())[:, None], path - path.mean(0)

    def near(values: np.ndarray) -> np.ndarray:
        """The sum over what is near each point."""
        sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
        return sums[high] - sums[low]

    mean_t, mean_y = near(t) / count, near(y) / count
    spread = near(t * t) / count - mean_t**2
    with np.errstate(divide="ignore", invalid="ignore"):  # a single point has no spread
        slope = (near(t * y) / count - mean_t * mean_y) / spread
        line = path.mean(0) + mean_y + slope * (t - mean_t)
    return np.where(count < 3, path, line)


AXES = (
    ("pan_left", "pan_right"),
    ("tilt_up", "tilt_down"),
    ("zoom_out", "zoom_in"),
    ("roll_counterclockwise", "roll_clockwise"),
)


def name_motion(
    net: np.ndarray,
    path: np.ndarray,
    times: np.ndarray,
    shake: float,
    share: float,
    apart: np.ndarray,
    long: list[Step],
    motion: Motion,
    config: CameraConfig,
) -> tuple[str, ...]:
    """Labels that the rates earn; empty when the camera moves in no way that can be named for sure.

    apart: (4,) bool, the rates of which two measurements differ.
    """
    floor = floors(config)
    width, height = motion.size
    half = np.hypot(width, height) / 2
    # Every rate as what it moves at the frame's corner, in pixels a second, so that moves compare.
    visible = np.array([width, height, half / np.sqrt(2), np.radians(half) / np.sqrt(2)])
    duration = times[-1] - times[0]
    back, forth = travel(path, times, config.smooth_s)
    turned = np.minimum(back, forth) / duration  # how much of the path is gone over the other way
    both = (turned > 2 * floor) & (np.minimum(back, forth) > 0.35 * np.maximum(back, forth))
    size = np.where(both, turned, np.abs(net))
    # Sway as wide as the jitter itself is no move.
    steady = size * duration > np.array([3 * shake, 3 * shake * width / height, 0, 0])
    moves = (size > floor) & (steady | both)
    seen = size * visible
    moves &= seen >= config.minor_share * seen.max()
    agreement = agreements(long, motion.size)
    sure = both | (agreement >= (config.agreement_min if share >= config.fit_min else 0.9))
    sure &= both | ~apart
    if not moves.any():
        shakes = shake > config.shake_min
        unsure = share < config.fit_min and (shakes or scene_speed(long, motion) > config.pan_min)
        still = not shakes and np.mean([s.still for s in long]) > 0.5
        if (unsure or apart.any()) and not still:
            return ()
        return ("shake",) if shakes else ("static",)
    named = moves & sure
    names = set()
    for axis in np.flatnonzero(named):
        negative, positive = AXES[axis]
        if both[axis] or net[axis] < 0:
            names.add(negative)
        if both[axis] or net[axis] > 0:
            names.add(positive)
    return tuple(label for label in CAMERA_LABELS if label in names)


def travel(path: np.ndarray, times: np.ndarray, smooth_s: float) -> tuple[np.ndarray, np.ndarray]:
    """How far each column of a path (N, D), smoothed, goes down and up in all: two arrays (D,)."""
    change = np.diff(smoothed(path, times, smooth_s), axis=0)
    return -np.minimum(change, 0).sum(0), np.maximum(change, 0).sum(0)


def agreements(long: list[Step], size: tuple[int, int]) -> np.ndarray:
    """For pan, tilt, zoom and roll, the share (4,) of the believable scene that moves as the fit says."""
    z, prior = positions(size), border_prior(size)
    shares = []
    for s in long:
        weight = scenery(s.weight, prior)
        shift = s.flow - s.a * z
        turn = np.conj(z) * (s.flow - s.b)
        lever = weight * np.abs(z)
        shares.append(
            [
                weight[np.sign(shift.real) == np.sign(s.b.real)].sum() / max(weight.sum(), 1e-9),
                weight[np.sign(shift.imag) == np.sign(s.b.imag)].sum() / max(weight.sum(), 1e-9),
                lever[np.sign(turn.real) == np.sign(s.a.real)].sum() / max(lever.sum(), 1e-9),
                lever[np.sign(turn.imag) == np.sign(s.a.imag)].sum() / max(lever.sum(), 1e-9),
            ]
        )
    return np.mean(shares, axis=0)


def scene_speed(steps: list[Step], motion: Motion) -> float:
    """Median speed of the believable scene at the frame's edges, frame widths per second."""
    edge = border_prior(motion.size) > 4
    speeds = []
    for s in steps:
        sure = s.flow[edge & (s.weight > 0.3)]
        if sure.size:
            speeds.append(np.median(np.abs(sure)) / motion.size[0] / (motion.times[s.j] - motion.times[s.i]))
    return float(np.median(speeds)) if speeds else 0.0


def residual(step: Step, z: np.ndarray) -> np.ndarray:
    """What moves on its own: the flow (h, w) complex64 with the camera's motion taken out, pixels."""
    return (step.flow - step.a * z - step.b).astype(np.complex64)


def statistics(motion: Motion) -> dict[str, float]:
    """flow_mean, flow_p95, object_motion (frame diagonals per second) and object_area (share of the frame).

    All over the longest shot. object_motion is the mean over the frame of the speed of what moves on its own,
    0 for what does not: errors of flow, which grow with zoom and roll, would drown small objects otherwise.
    object_area is of what moves over the longer baseline. Without texture nothing is said of a cell.
    """
    first, last = motion.shot()
    z = positions(motion.size)
    diagonal = float(np.hypot(*motion.size))
    speeds, own = [], []
    for s in motion.steps:
        if first <= s.i and s.j <= last:
            scale = diagonal * (motion.times[s.j] - motion.times[s.i])
            speeds.append(np.abs(s.flow).ravel() / scale)
            moves = moving(s, motion) & within(z + s.a * z + s.b, motion.size)
            own.append(np.abs(residual(s, z)[moves]).sum() / z.size / scale)
    if not speeds:
        return {"flow_mean": 0.0, "flow_p95": 0.0, "object_motion": 0.0, "object_area": 0.0}
    every = np.concatenate(speeds)
    areas = [moving(s, motion).mean() for s in motion.long if first <= s.i and s.j <= last]
    return {
        "flow_mean": float(every.mean()),
        "flow_p95": float(np.percentile(every, 95)),
        "object_motion": float(np.mean(own)),
        "object_area": float(np.mean(areas)) if areas else 0.0,
    }


def within(z: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which positions (h, w) are in the frame, clear of its edge; where others go, flow can only guess."""
    return (np.abs(z.real) < 0.48 * size[0]) & (np.abs(z.imag) < 0.48 * size[1])


def moving(step: Step, motion: Motion, speed_min: float = 0.004) -> np.ndarray:
    """Cells (h, w) bool that move on their own in a step: faster than flow's error, and than `speed_min`.

    speed_min: frame diagonals per second.
    """
    seconds = motion.times[step.j] - motion.times[step.i]
    floor = max(0.5, speed_min * float(np.hypot(*motion.size)) * seconds)
    width, height = motion.size
    camera = np.sqrt(abs(step.a) ** 2 * (width**2 + height**2) / 12 + abs(step.b) ** 2)  # rms over the frame
    own = squared(residual(step, positions(motion.size)))
    mask = (own > (floor + 0.05 * camera) ** 2) & (step.weight > 0.15)
    return mask if step.change is None else mask & (step.change > CHANGED)
