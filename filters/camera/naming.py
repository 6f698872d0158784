"""Labels for the camera's motion: the moves that a viewer would name, and when nothing may be said."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from filters.camera.config import CameraConfig
from filters.camera.motion import Motion
from filters.camera.path import integrated, jitter, swings
from filters.camera.windows import Windows
from filters.evidence import CameraMotion, CameraMove
from pipeline.schema import CAMERA_LABELS

# The labels of a negative and a positive rate.
AXES = (
    ("pan_left", "pan_right"),
    ("tilt_up", "tilt_down"),
    ("zoom_out", "zoom_in"),
    ("roll_counterclockwise", "roll_clockwise"),
)
ZOOM = 2
DOLLIES = {"dolly_in": "zoom_in", "dolly_out": "zoom_out"}
TRUCKS = {
    "pan_left": "truck_left",
    "pan_right": "truck_right",
    "tilt_up": "pedestal_up",
    "tilt_down": "pedestal_down",
}
LONG_S = 3.0  # seconds: in a shorter clip, less of a move is enough to be seen
SHORTEST = 3 / 8  # of the extents: and in the shortest
CRAWL = 4.0  # pixels of the working frame per second: a slower move shows better in longer windows
SWAY = 20.0  # times the jitter: a hand that trembles by so much also sways
SWAY_MOST = 3.0  # times the extents: beyond it, a move is one however the hand trembles
RETURN = 0.7  # of the largest move along an axis: a move the other way that is smaller is its recoil
BEYOND_DOUBT = 0.9  # agreement that a move below the smallest rate needs
COHERENT = 0.5  # of the picture: what follows one motion is more than a subject
TRACE = 0.03  # of the picture: less that keeps its place may be by chance
STAYS = 0.7  # of the windows in which something must keep its place for the camera to stand still
RESTING = 0.3  # of the picture must be seen to rest for the camera to do so
SWEPT = 0.6  # of the picture: when more than this goes
ONE_WAY = 0.85  # one way to such a degree, what keeps its place is far away, or drawn over the picture,
UNEVEN = 0.1  # unless all of it goes as fast, like a large thing that passes
PARTED = 0.9  # unevenness above which a sideways move is a travelling one: no lens moves a picture so,
BESIDE = 0.99  # if all of it goes the same way,
WHOLE = 0.9  # and nothing stays, as a subject would
REST_S = 1.0  # seconds: a shorter rest is a pause
TRAVEL = ("truck", "pedestal", "dolly", "arc")
LOST = 0.1  # of the picture: when less follows the scene that was found, there is none
LONE = 0.2  # of the picture: a motion that less follows is that of a subject, or of nothing, unless
SHARED = 0.95  # of the picture agrees with it
RADIAL = 0.45  # of what moves must do so away from one point for the camera to go there
RADIAL_RATIO = 1.7  # times what moves toward one
RADIAL_MOVED = 0.3  # of the picture must move at all
PARALLEL = 0.92  # directions that are one to such a degree are a shift
RELIEF = 0.2  # of what moves must lie at another depth: a lens that zooms moves all alike


@dataclass(frozen=True)
class _Found:
    """A move before it is named. axis: as in AXES; amount: signed; sure: enough of the picture agrees."""

    axis: int
    start: float
    end: float
    amount: float
    sure: bool

    def move(self) -> CameraMove:
        return CameraMove(AXES[self.axis][self.amount > 0], self.start, self.end, abs(self.amount))


def summarise(motion: Motion, config: CameraConfig) -> CameraMotion:
    """Summarise the camera's motion over the longest shot, so that nothing is averaged over a cut.

    Args:
        motion: The motion of a clip.
        config: What counts as a move.

    Returns:
        Labels, moves and mean rates; without labels, and with `fit` 0, for a shot of a single sample. Only
        what each of several random draws finds is a label.
    """
    first, last = motion.shot()
    shifts = np.array([step.b for step in motion.steps[first:last]])
    draws = [(motion.windows, motion.slow, shifts), *motion.redrawn]
    times = motion.times[first : last + 1]
    camera, *others = (described(*draw, times, motion.size, config) for draw in draws)
    labels = tuple(label for label in camera.labels if all(label in other.labels for other in others))
    if labels == camera.labels:
        return camera
    reason = "" if labels else "which motion is the scene's is uncertain: so little of the picture shares one"
    moves = tuple(move for move in camera.moves if move.label in labels)
    return replace(camera, labels=labels, moves=moves, reason=reason)


def described(
    seen: Windows,
    slow: Windows,
    shifts: np.ndarray,
    times: np.ndarray,
    size: tuple[int, int],
    config: CameraConfig,
) -> CameraMotion:
    """Describe the camera's motion over a shot.

    Args:
        seen: What each second shows.
        slow: The same for windows of three seconds.
        shifts: (N - 1,) complex, shift of the scene from sample to sample, pixels.
        times: (N,) seconds, of the samples.
        size: Width and height of the working frame, pixels.
        config: What counts as a move.
    """
    if not len(seen.start):
        return CameraMotion((), fit=0.0, reason="the shot has a single frame")
    path = integrated(seen.rates, seen.middle, times)
    pan, tilt, zoom, roll = (float(rate) for rate in path[-1] / (times[-1] - times[0]))
    walked = np.concatenate([[0], np.cumsum(shifts)]) / size[0]
    shake = jitter(np.stack([walked.real, walked.imag], 1), times, config.smooth_s)
    fit = float(np.median(seen.follows + seen.rests))
    found = list(_moves(path, times, shake, size, (seen, slow), config))
    labels, reason = _labels(found, shake, seen, config)
    moves = [it.move() for it in sorted(found, key=lambda it: it.start) if it.sure]
    for dolly, zoom_label in DOLLIES.items():
        if dolly in labels:
            moves = [replace(it, label=dolly) if it.label == zoom_label else it for it in moves]
            if all(it.label != dolly for it in moves):
                moves.append(CameraMove(dolly, float(times[0]), float(times[-1]), abs(float(path[-1, ZOOM]))))
    if set(labels) & set(TRUCKS.values()):
        moves = [replace(it, label=TRUCKS[it.label]) for it in moves]
    rests = tuple(_rests(seen, config)) if shake < config.shake_min else ()
    return CameraMotion(labels, pan, tilt, zoom, roll, shake, fit, tuple(moves), reason, rests)


def steadied(motion: Motion, camera: CameraMotion) -> Motion:
    """Leave out the scene's motion where the camera stands still: what was fitted there is a subject."""
    if camera.labels != ("static",):
        return motion
    return replace(motion, steps=[replace(step, a=0j, b=0j) for step in motion.steps])


def knows_objects(camera: CameraMotion, config: CameraConfig) -> bool:
    """Whether the camera's motion is known well enough to say what moves apart from it.

    Behind a camera that moves, that is what does not follow a scene that nearly all else does; behind one
    that travels, parallax moves everything.
    """
    if camera.labels in (("static",), ("shake",)):
        return True
    travels = any(label.split("_")[0] in TRAVEL for label in camera.labels)
    return bool(camera.labels) and not travels and camera.fit >= config.fit_min


def _rests(seen: Windows, config: CameraConfig) -> Iterator[tuple[float, float]]:
    """The stretches of at least a second in which all rates are far below what counts as a move."""
    slowest = np.array([config.pan_min, config.tilt_min, config.zoom_min, config.roll_min])
    still = (np.abs(seen.rates) < slowest / 2).all(1) & (seen.rests + seen.follows > RESTING)
    edges = np.flatnonzero(np.diff(still.astype(int), prepend=0, append=0))
    for i, j in zip(edges[::2], edges[1::2], strict=True):
        start, end = float(seen.start[i]), float(seen.end[j - 1])
        if end - start >= REST_S:
            yield start, end


def _moves(
    path: np.ndarray,
    times: np.ndarray,
    shake: float,
    size: tuple[int, int],
    windows: tuple[Windows, Windows],
    config: CameraConfig,
) -> Iterator[_Found]:
    """The moves along a path (N, 4) large enough to be seen. windows: of one and of three seconds."""
    width, height = size
    half = np.hypot(width, height) / 2
    # The speed that each rate causes at the frame's corner, pixels per second, so that moves compare.
    visible = np.array([width, height, half / np.sqrt(2), np.radians(half) / np.sqrt(2)])
    extents = np.array([config.pan_extent, config.tilt_extent, config.zoom_extent, config.roll_extent])
    slowest = np.array([config.pan_min, config.tilt_min, config.zoom_min, config.roll_min])
    extents = extents * np.clip((times[-1] - times[0]) / LONG_S, SHORTEST, 1)
    sway = SWAY * shake * np.array([1, width / height, 0, np.degrees(1)])
    for axis, least in enumerate(np.maximum(extents, np.minimum(sway, SWAY_MOST * extents))):
        line = path[:, axis]
        stretches = swings(line, least)
        most = {way: max((way * (line[j] - line[i]) for i, j in stretches), default=0) for way in (-1, 1)}
        for i, j in stretches:
            amount = path[j] - path[i]
            size_seen = np.abs(amount * visible)
            recoil = abs(amount[axis]) < RETURN * most[-int(np.sign(amount[axis]))]
            if recoil or size_seen[axis] < config.minor_share * size_seen.max():
                continue
            lasts = times[j] - times[i]
            crawls = lasts >= LONG_S and size_seen[axis] < CRAWL * lasts
            seen = windows[int(crawls)]
            inside = seen.during(times[i], times[j])
            agreed = np.average(seen.agreement[inside, axis], weights=np.abs(seen.rates[inside, axis]) + 1e-9)
            slow = abs(amount[axis]) < slowest[axis] * lasts
            lone = np.median(seen.follows[inside]) < LONE
            sure = agreed >= (SHARED if lone else BEYOND_DOUBT if slow else config.agreement_min)
            yield _Found(axis, float(times[i]), float(times[j]), float(amount[axis]), bool(sure))


def _labels(
    found: list[_Found], shake: float, seen: Windows, config: CameraConfig
) -> tuple[tuple[str, ...], str]:
    """The labels, and why there are none."""
    names = {it.move().label for it in found if it.sure}
    for dolly, zoom in DOLLIES.items():
        if _travels(dolly, seen):
            names = names - {zoom} | {dolly}
    if not (seen.moved + seen.in_place).any():
        return (), "nothing in the picture can be followed"
    if np.median(seen.follows + seen.rests) < LOST and not names & set(DOLLIES):
        return (), "no one motion explains more than a small part of the picture"
    # Along both axes, it may travel along one and turn along the other.
    if any(names and names <= set(axis) for axis in AXES[:ZOOM]) and _trucks(seen):
        names = {TRUCKS[name] for name in names}
    if names:
        return tuple(label for label in CAMERA_LABELS if label in names), ""
    shakes = shake > config.shake_min
    if np.median(seen.moved) > SWEPT and seen.one_way > ONE_WAY and seen.uneven > UNEVEN:
        return (), "most of the picture goes one way, but no one motion explains it"
    times = [seen.during(it.start, it.end) for it in found] or [np.ones(len(seen.start), bool)]
    stays = all(np.mean(seen.in_place[inside] > TRACE) > STAYS for inside in times)
    stays = stays and not np.median(seen.follows) > COHERENT
    if (found or shakes) and stays:
        return ("static",), ""
    if found:
        return (), "no one motion is shared by enough of the picture"
    return (("shake",) if shakes else ("static",)), ""


def _travels(dolly: str, seen: Windows) -> bool:
    """Whether what moves does so away from one point (toward one, for `dolly_out`), near faster than far."""
    one, other = (seen.outward, seen.inward)[:: 1 if dolly == "dolly_in" else -1]
    return bool(
        np.median(seen.moved) > RADIAL_MOVED
        and np.median(seen.follows) < COHERENT
        and one.share > max(RADIAL, RADIAL_RATIO * other.share)
        and one.parallel < PARALLEL
        and one.relief > RELIEF
    )


def _trucks(seen: Windows) -> bool:
    """Whether a picture that moves sideways does so at speeds that only things at unlike depths have."""
    return bool(seen.uneven > PARTED and seen.parallel > BESIDE and np.median(seen.moved) > WHOLE)
