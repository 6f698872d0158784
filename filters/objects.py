"""The own motion of an object, the camera's removed: its velocity over time, and the stretches of its path.

Velocities are complex, x + iy, in pixels of the working frame per second, y down. Boxes are xyxy in pixels of
the working frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from filters.camera.grid import CELL, clear_of_edge
from filters.camera.grid import positions as grid
from filters.camera.motion import Motion, Step, compose, moving, residual
from filters.camera.path import swings
from filters.camera.points import Pairs

SPAN_S = 0.5  # seconds over which the points in a box are compared
STILL = 0.6  # pixels per span up to which a point keeps its place
SPEED_MIN = 0.012  # frame diagonals per second: what is slower stands still
POINT_MIN = 1.2  # pixels per span: a smaller displacement is an error of following the point
SCENE_SHARE = 0.1  # and so is this share of the scene's own displacement
POINTS_MIN = 3  # fewer points may be carried along by noise
ONE_WAY = 0.6  # length of the mean of directions: below it, the points in a box move apart, not together
EXTENT = 0.05  # frame diagonals: a shorter stretch is no change of place
EXTENT_SHARE = 0.3  # of the box's side: nor is one shorter than this
SWAY = 0.015  # frame diagonals: a shorter way to and fro is trembling
SWAYS = 3  # ways one after the other, there, back and there again, make a to and fro
PAUSE_S = 1.0  # seconds: a longer pause parts two stretches in the same direction
STEADY = 0.6  # of a stretch: one in which the object is seen to move for less is no path, but an eddy
STRETCH_S = 0.3  # seconds: a direction kept for less is none that a person would name
REST = 2.0  # pixels up to which the scene is at rest while an object goes a stretch
FAR_NEARER = 2.0  # times the scene's shift: a thing at rest would be three times nearer than the scene
OUTRUNS = 1.5  # times the scene's shift: a thing that runs ahead of the camera
CARRIED = 0.35  # of a stretch: a box that goes less far along it is not carried by what moves in it
SPREAD = 0.6  # of a stretch: nor is one that goes so far across it
AT_EDGE = 3  # pixels from the frame's edge up to which a box is cut off by it
TURN = np.cos(np.radians(45))  # stretches whose directions differ by less are one


@dataclass(frozen=True)
class Phase:
    """A stretch of an object's path in one direction.

    Attributes:
        start: Seconds.
        end: Seconds.
        shift: Its own displacement, pixels, complex.
    """

    start: float
    end: float
    shift: complex

    @property
    def velocity(self) -> complex:
        """Pixels per second."""
        return self.shift / max(self.end - self.start, 1e-9)


@dataclass(frozen=True)
class Own:
    """What an object does by itself.

    Attributes:
        times: (K,) seconds.
        velocity: (K,) complex128, 0 where it stands still or nothing is certain.
        place: (K,) complex128, where it is, pixels from the frame's centre.
        phases: The stretches of its path, in order.
        sway: When it moves to and fro in its place, start and end in seconds; None if it does not.
    """

    times: np.ndarray
    velocity: np.ndarray
    place: np.ndarray
    phases: tuple[Phase, ...] = ()
    sway: tuple[float, float] | None = None


@dataclass(frozen=True)
class Shifts:
    """How points shift over half a second, the camera's motion removed.

    Attributes:
        times: (S,) seconds, the middles of the spans.
        seconds: (S,) their lengths.
        pairs: The points at both ends of each span.
        own: (M,) complex, each point's own displacement, pixels.
        moves: (M,) bool, whether it is one of a thing that moves, rather than an error.
    """

    times: np.ndarray
    seconds: np.ndarray
    pairs: Pairs
    own: np.ndarray
    moves: np.ndarray


def shifts(motion: Motion, speed_min: float = SPEED_MIN) -> Shifts:
    """Measure how the points of the longest shot shift by themselves.

    Args:
        motion: The clip's motion.
        speed_min: Slowest movement that counts, frame diagonals per second.
    """
    first, last = motion.shot()
    ends = np.searchsorted(motion.times, motion.times[first:last] + SPAN_S - 1e-6).clip(max=last)
    spans = [(i, int(j)) for i, j in zip(range(first, last), ends, strict=True)]
    pairs = motion.points.pairs(spans)
    camera = np.array([compose(motion.steps[i:j]) for i, j in spans]).reshape(-1, 2)
    scene = camera[pairs.span, 0] * pairs.z + camera[pairs.span, 1]
    own_shift = pairs.f - scene
    starts, stops = motion.times[first:last], motion.times[ends]
    seconds = stops - starts
    least = np.maximum(POINT_MIN, speed_min * np.hypot(*motion.size) * seconds)[pairs.span]
    moves = np.abs(own_shift) > least + SCENE_SHARE * np.abs(scene)
    # What keeps its place while the scene does not is drawn over the picture, or followed by the camera.
    moves &= ~((np.abs(pairs.f) < STILL) & (np.abs(scene) > 4 * STILL))
    return Shifts((starts + stops) / 2, seconds, pairs, own_shift, moves)


def by_points(seen: Shifts, times: np.ndarray, boxes: np.ndarray, motion: Motion) -> Own:
    """Measure an object's own motion by the points followed in its boxes.

    Args:
        seen: How the clip's points shift.
        times: (T,) seconds, ascending.
        boxes: (T, 4) float64, xyxy pixels of the working frame.
        motion: The clip's motion.
    """
    during = (seen.times >= times[0] - SPAN_S / 2) & (seen.times <= times[-1] + SPAN_S / 2)
    where = at_times(seen.times, times, boxes)
    low, high = (side[seen.pairs.span] for side in corner_points(where, motion.size))
    z = seen.pairs.z
    inside = (z.real >= low.real) & (z.real <= high.real) & (z.imag >= low.imag) & (z.imag <= high.imag)
    chosen = inside & seen.moves & during[seen.pairs.span]
    velocity = np.zeros(len(seen.times), np.complex128)
    for k in np.unique(seen.pairs.span[chosen]):
        those = seen.own[chosen & (seen.pairs.span == k)]
        if len(those) >= POINTS_MIN and abs((those / np.abs(those)).mean()) >= ONE_WAY:
            velocity[k] = (np.median(those.real) + 1j * np.median(those.imag)) / seen.seconds[k]
    return own(seen.times[during], velocity[during], where[during], motion)


def by_flow(motion: Motion, times: np.ndarray, boxes: np.ndarray) -> Own:
    """Measure the same by the dense flow between neighbouring samples: a second opinion.

    Args:
        motion: The clip's motion.
        times: (T,) seconds, ascending.
        boxes: (T, 4) float64, xyxy pixels of the working frame.
    """
    first, last = motion.shot()
    steps = [s for s in motion.steps[first:last] if times[0] - 0.1 <= motion.times[s.i] <= times[-1] + 0.1]
    at = np.array([(motion.times[s.i] + motion.times[s.j]) / 2 for s in steps])
    where = at_times(at, times, boxes) if steps else np.empty((0, 4))
    velocity = np.zeros(len(steps), np.complex128)
    z = grid(motion.size)
    for k, (step, box) in enumerate(zip(steps, where, strict=True)):
        area = cells(box, step.flow.shape)
        mask = (moving(step, motion, SPEED_MIN / 2) & clear_of_edge(z, motion.size))[area]
        if mask.any():
            shift = residual(step, z)[area][mask]
            middle = complex(np.median(shift.real), np.median(shift.imag))
            velocity[k] = middle / (motion.times[step.j] - motion.times[step.i])
    return own(at, velocity, where, motion)


def own(times: np.ndarray, velocity: np.ndarray, boxes: np.ndarray, motion: Motion) -> Own:
    """Make an object's own motion of velocities (K,) at times (K,), with its boxes (K, 4) there."""
    low, high = corner_points(boxes, motion.size)
    place = (low + high) / 2
    if len(times) < 2:
        return Own(times, velocity, place)
    side = float(np.median(np.sqrt(np.maximum((high - low).real * (high - low).imag, 1))))
    least = max(EXTENT * float(np.hypot(*motion.size)), EXTENT_SHARE * side)
    return Own(times, velocity, place, phases(times, velocity, least), sway(times, velocity, motion.size))


def phases(times: np.ndarray, velocity: np.ndarray, least: float) -> tuple[Phase, ...]:
    """Cut a path at its turning points into stretches of at least `least` pixels.

    Args:
        times: (K,) seconds.
        velocity: (K,) complex, pixels per second.
        least: Length of the shortest stretch, pixels.
    """
    steps = (velocity[1:] + velocity[:-1]) / 2 * np.diff(times)
    path = np.concatenate([[0], np.cumsum(steps)])
    ends = {k for line in (path.real, path.imag) for pair in swings(line, least / np.sqrt(2)) for k in pair}
    found: list[Phase] = []
    for i, j in zip(sorted(ends), sorted(ends)[1:], strict=False):
        shift = complex(path[j] - path[i])
        eddy = np.mean(velocity[i : j + 1] != 0) < STEADY
        if eddy or abs(shift) < least / np.sqrt(2) or times[j] - times[i] < STRETCH_S:
            continue
        before = found[-1] if found else None
        close = before and times[i] - before.end < PAUSE_S
        if (
            before
            and close
            and (shift * before.shift.conjugate()).real > TURN * abs(shift) * abs(before.shift)
        ):
            found[-1] = Phase(before.start, float(times[j]), before.shift + shift)
        else:
            found.append(Phase(float(times[i]), float(times[j]), shift))
    return tuple(phase for phase in found if abs(phase.shift) >= least)


def sway(times: np.ndarray, velocity: np.ndarray, size: tuple[int, int]) -> tuple[float, float] | None:
    """Find when a path goes to and fro along its longer axis, at least SWAYS times one way or the other.

    Args:
        times: (K,) seconds.
        velocity: (K,) complex, pixels per second.
        size: Width and height of the working frame, pixels.

    Returns:
        Start and end, seconds; None for a path that does not, or that gets anywhere by it.
    """
    steps = (velocity[1:] + velocity[:-1]) / 2 * np.diff(times)
    path = np.concatenate([[0], np.cumsum(steps)])
    spread = np.linalg.eigh(np.cov(np.stack([path.real, path.imag])))[1][:, -1]
    line = path.real * spread[0] + path.imag * spread[1]
    found = swings(line, SWAY * float(np.hypot(*size)))
    widths = [abs(line[j] - line[i]) for i, j in found]
    if len(found) < SWAYS or abs(line[found[-1][1]] - line[found[0][0]]) > 1.5 * max(widths):
        return None
    return float(times[found[0][0]]), float(times[found[-1][1]])


def at_times(wanted: np.ndarray, times: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Interpolate boxes (T, 4) known at times (T,): (K, 4) at the wanted ones."""
    return np.stack([np.interp(wanted, times, side) for side in boxes.T], axis=1)


def corner_points(boxes: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper left and lower right corners of boxes (K, 4), complex, from the frame's centre."""
    centre = complex(size[0] / 2, size[1] / 2)
    return boxes[:, 0] + 1j * boxes[:, 1] - centre, boxes[:, 2] + 1j * boxes[:, 3] - centre


def cells(box: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of the motion grid (h, w) under a box (4,)."""
    x0, y0 = np.floor(box[:2] / CELL).astype(int).clip(0)
    x1, y1 = np.ceil(box[2:] / CELL).astype(int)
    return slice(min(y0, shape[0] - 1), max(y1, y0 + 1)), slice(min(x0, shape[1] - 1), max(x1, x0 + 1))


def agreed(phase: Phase, other: Own) -> bool:
    """Whether another measurement bears out a stretch: at that time it goes the same way, a third as far."""
    during = (other.times >= phase.start - 0.1) & (other.times <= phase.end + 0.1)
    if not during.any():
        return False
    shift = complex(other.velocity[during].mean()) * (phase.end - phase.start)
    along = (shift * phase.shift.conjugate()).real / max(abs(phase.shift), 1e-9)
    return along > 0.35 * abs(phase.shift) and along > 0.6 * abs(shift)


def carried(phase: Phase, times: np.ndarray, boxes: np.ndarray, motion: Motion) -> bool:
    """Whether an object goes where a stretch of its path leads: its points do, and the box around them.

    Ripples pass through a place, and a hand that comes slowly and leaves at once seems to have gone one way;
    neither a point nor the box goes with them. The box of a thing that enters or leaves the frame shows less
    of its way, or none; its points have to show the more.

    Args:
        phase: The stretch.
        times: (T,) seconds, ascending.
        boxes: (T, 4) float64, xyxy pixels of the working frame.
        motion: The clip's motion.
    """
    first, last = motion.shot()
    steps = [s for s in motion.steps[first:last] if phase.start <= motion.times[s.i] < phase.end]
    if not steps:
        return False
    points = _ridden(phase, steps, at_times(motion.times[[s.i for s in steps]], times, boxes), motion)
    ends = at_times(np.array([phase.start, phase.end]), times, boxes)
    low, high = corner_points(ends, motion.size)
    a, b = compose(steps)
    begin, end = (low + high) / 2
    gone = (end - begin - a * begin - b) * phase.shift.conjugate() / abs(phase.shift) ** 2
    cut_off = (ends[:, :2] < AT_EDGE).any() or (ends[:, 2:] > np.array(motion.size) - AT_EDGE).any()
    if gone.real >= CARRIED and abs(gone.imag) <= SPREAD:
        return points >= CARRIED
    return bool(cut_off) and points >= SPREAD


def _ridden(phase: Phase, steps: Sequence[Step], boxes: np.ndarray, motion: Motion) -> float:
    """The share of a stretch that single points go, of those seen in the boxes (S, 4) of S steps.

    All but a tenth of them go less far.
    """
    pairs = motion.points.pairs([(step.i, step.j) for step in steps])
    low, high = (side[pairs.span] for side in corner_points(boxes, motion.size))
    z = pairs.z
    inside = (z.real >= low.real) & (z.real <= high.real) & (z.imag >= low.imag) & (z.imag <= high.imag)
    camera = np.array([compose([step]) for step in steps])[pairs.span]
    along = ((pairs.f - camera[:, 0] * z - camera[:, 1]) * np.conj(phase.shift)).real / abs(phase.shift) ** 2
    known, member = np.unique(pairs.track, return_inverse=True)
    gone = np.bincount(member, along, len(known))[np.unique(member[inside])]
    return float(np.percentile(gone, 90)) if len(gone) else 0.0


def by_itself(phase: Phase, one: Own, motion: Motion) -> bool:
    """Whether a stretch of an object's path cannot be parallax: see `beyond_parallax`."""
    first, last = motion.shot()
    steps = [s for s in motion.steps[first:last] if phase.start <= motion.times[s.i] < phase.end]
    if not steps:
        return False
    a, b = compose(steps)
    scene = a * one.place[np.abs(one.times - phase.start).argmin()] + b
    return bool(beyond_parallax(np.array([phase.shift]), np.array([scene]), REST)[0])


def apart(one: Own, motion: Motion) -> Own:
    """Leave out the motion that parallax may explain, half second by half second."""
    first, last = motion.shot()
    times = motion.times
    begins = np.clip(np.searchsorted(times, one.times - SPAN_S / 2), first, max(first, last - 1))
    ends = np.clip(np.searchsorted(times, one.times + SPAN_S / 2), begins + 1, last)
    camera = np.array([compose(motion.steps[i:j]) for i, j in zip(begins, ends, strict=True)]).reshape(-1, 2)
    scene = camera[:, 0] * one.place + camera[:, 1]
    sure = beyond_parallax(one.velocity * (times[ends] - times[begins]), scene, STILL)
    return replace(one, velocity=np.where(sure, one.velocity, 0))


def beyond_parallax(shift: np.ndarray, scene: np.ndarray, rest: float) -> np.ndarray:
    """Tell what moves by itself from a thing at rest, nearer or farther than the scene around it.

    Under a camera that travels, a nearer thing at rest is shifted further the way the scene is, and one that
    the camera circles keeps its place in the frame. So what is shifted across the scene's way, or along it by
    far more than parallax does, moves by itself.

    Args:
        shift: (K,) complex, an object's own displacements, pixels.
        scene: (K,) complex, those of the scene there.
        rest: Pixels up to which the scene is at rest.

    Returns:
        (K,) bool.
    """
    far = np.abs(scene)
    way = shift * np.conj(scene) / np.maximum(far, 1e-9)
    along, across = way.real, np.abs(way.imag)
    still = far < np.maximum(rest, 0.15 * np.abs(shift))
    return still | (across > np.abs(along)) | (along > FAR_NEARER * far) | (along < -OUTRUNS * far)
