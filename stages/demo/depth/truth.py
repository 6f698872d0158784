"""What is true of a clip with depth, computed from its recipe and never from its pixels."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from stages.demo.depth.camera import NEAR, Pose, corners, plane, poses
from stages.demo.depth.recipe import SHADES, Card, DepthRecipe, Leg
from stages.demo.depth.textures import PLAIN, VARIANTS, texture
from stages.demo.recipe import direction_of

GRID = 24  # rays across the frame, and about as dense ones down
MOMENTS = 5  # of a segment at which its parallax is measured
SHARE = 0.1  # of the picture: so much of it must part from the rest
PROVABLE = 0.01  # frame widths in a second: what travelling must leave unexplained by turning
DRIFT = 0.005  # frame widths in a second: slower, an object has no direction in the frame
ALONG = 0.5  # of an object's velocity along the line of sight: from there on it comes closer or goes away


@dataclass(frozen=True)
class Segment:
    """What the camera does in a stretch of time.

    Attributes:
        start_s: Seconds from the start of the clip.
        end_s: Seconds.
        labels: From `pipeline.schema.CAMERA_LABELS`, in its order.
        parallax: How far a tenth of what can be followed in the scene moves at least in a second, or in the
            segment if that is shorter, beyond what turning, rolling and zooming explain: frame widths. Where
            the camera only turns or zooms, that of the travelling that would move the picture as far.
        provable: Whether the picture can tell its travelling from turning or zooming.
    """

    start_s: float
    end_s: float
    labels: tuple[str, ...]
    parallax: float
    provable: bool


@dataclass(frozen=True)
class Stretch:
    """What an object does in a stretch of time, the camera's motion taken out.

    Attributes:
        start_s: Seconds from the start of the clip.
        end_s: Seconds.
        direction: In the frame, from `recipe.DIRECTIONS`; None if it has none.
        depth: "closer" or "away" if it moves along the line of sight; None else.
        speed: In the frame, frame widths per second.
    """

    start_s: float
    end_s: float
    direction: str | None
    depth: str | None
    speed: float


@dataclass(frozen=True)
class MoverTruth:
    """An object that moves on its own.

    Attributes:
        texture: What it is.
        boxes: (T, 4) float64 xyxy pixels, also of what is outside the frame; NaN behind the camera.
        inside: (T,) share of the box that is in the frame.
        stretches: Its motion; no direction and no depth while it rests.
    """

    texture: str
    boxes: np.ndarray
    inside: np.ndarray
    stretches: tuple[Stretch, ...]


def segments(recipe: DepthRecipe) -> tuple[Segment, ...]:
    """What the camera does, in stretches of time that cover the clip."""
    found = []
    way = poses(recipe)
    for start, end, leg in recipe.segments:
        first, last = round(start * recipe.fps), min(round(end * recipe.fps), len(way)) - 1
        moments = np.linspace(first, last, MOMENTS).round().astype(int)
        rates = [_parallax(recipe, way[k], k / recipe.fps, leg) for k in moments]
        parallax = float(np.mean(rates)) * min(end - start, 1.0)
        can_be_confused = any(leg.travel) or leg.yaw or leg.pitch or leg.zoom
        provable = parallax >= PROVABLE or not can_be_confused
        found.append(Segment(start, end, recipe.labels_of(leg), parallax, bool(provable)))
    return tuple(found)


def movers(recipe: DepthRecipe) -> tuple[MoverTruth, ...]:
    """The objects that move on their own, in the order of the recipe."""
    found = []
    way = poses(recipe)
    for card in recipe.movers:
        boxes = card_boxes(recipe, recipe.cards.index(card))
        found.append(MoverTruth(card.texture, boxes, _inside(recipe, boxes), _stretches(recipe, card, way)))
    return tuple(found)


def decoys(recipe: DepthRecipe) -> tuple[str, ...]:
    """What looks like a moving object and is none: overlays, boiling textures, shadows, light, parallax."""
    found = [f"boil:{card.texture}" for card in recipe.cards if card.boil]
    found += [card.texture for card in recipe.cards if card.texture in SHADES and card.path]
    found += [f"attached:{card.texture}" for card in recipe.cards if card.attached]
    if recipe.finish.caption:
        found.append(f"overlay:{recipe.finish.caption}")
    if recipe.flicker:
        found.append("flicker")
    if any(any(leg.travel) for leg in recipe.legs) and any(
        segment.parallax >= PROVABLE for segment in segments(recipe)
    ):
        found.append("parallax")
    return tuple(dict.fromkeys(found))


def card_boxes(recipe: DepthRecipe, number: int) -> np.ndarray:
    """Bounding boxes of a card, (T, 4) float64 xyxy pixels, also outside the frame; NaN behind the camera."""
    card = recipe.cards[number]
    flat = np.column_stack([corners(card), np.ones(4)])
    boxes = np.full((len(recipe.times), 4), np.nan)
    for k, (time, pose) in enumerate(zip(recipe.times, poses(recipe), strict=True)):
        points = flat @ plane(card, pose, time).T
        if points[:, 2].min() >= NEAR:
            seen = points @ pose.matrix(recipe.width, recipe.height).T
            seen = seen[:, :2] / seen[:, 2:]
            boxes[k] = *seen.min(0), *seen.max(0)
    return boxes


def depths(recipe: DepthRecipe, pose: Pose, time: float) -> tuple[np.ndarray, np.ndarray]:
    """How far away the scene is where the frame shows something of it that can be followed.

    Returns:
        (K, 2) float64, places in the frame in units of the focal length from its middle; (K,) float64, depth
        in metres. Sky, bare walls, moving objects and what is fixed to the camera do not count.
    """
    down = max(round(GRID * recipe.height / recipe.width), 1)
    x, y = np.meshgrid(
        *(
            ((np.arange(n) + 0.5) / n - 0.5) * size / pose.focal
            for n, size in ((GRID, recipe.width), (down, recipe.height))
        )
    )
    rays = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    depth = np.full(x.size, np.inf)
    counts = np.zeros(x.size, bool)
    for number, card in enumerate(recipe.cards):
        if card.texture in SHADES:
            continue
        metres = plane(card, pose, time)
        if abs(np.linalg.det(metres)) < 1e-9:
            continue
        across, below, nearness = np.linalg.inv(metres) @ rays
        with np.errstate(divide="ignore", invalid="ignore"):
            away, across, below = 1 / nearness, across / nearness, below / nearness
        share_x, share_y = across / card.size[0] + 0.5, below / card.size[1] + 0.5
        hit = (nearness > 0) & (away > NEAR) & (away < depth)
        hit &= (share_x > 0) & (share_x < 1) & (share_y > 0) & (share_y < 1)
        if card.tile is None:
            coverage = texture(card.texture, (recipe.seed + number) % VARIANTS)[..., 3]
            rows, columns = coverage.shape
            hit[hit] &= (
                coverage[(share_y[hit] * rows).astype(int), (share_x[hit] * columns).astype(int)] > 127
            )
        depth[hit] = away[hit]
        counts[hit] = not (card.texture in PLAIN or card.is_mover or card.attached or card.boil)
    return rays[:2, counts].T, depth[counts]


def _parallax(recipe: DepthRecipe, pose: Pose, time: float, leg: Leg) -> float:
    """As `Segment.parallax`, frame widths per second at one moment."""
    places, depth = depths(recipe, pose, time)
    if len(depth) < 2:
        return 0.0
    (x, y), near = places.T, 1 / depth
    right, down, forward = leg.travel
    if not any(leg.travel):
        # Travelling that would move the picture as far.
        yaw, pitch, _ = leg.turn
        right, down, forward = np.array([yaw, pitch, leg.zoom]) / near.mean()
    flow = np.concatenate([(x * forward - right) * near, (y * forward - down) * near])
    o, i = np.zeros_like(x), np.ones_like(x)
    # Pan, tilt, zoom, roll, and what panning and tilting add with a lens of any focal length.
    turning = [(i, o), (o, i), (x, y), (-y, x), (x * x, x * y), (x * y, y * y)]
    basis = np.stack([np.concatenate(pair) for pair in turning], 1)
    rest = flow - basis @ np.linalg.lstsq(basis, flow, rcond=None)[0]
    length = np.hypot(*rest.reshape(2, -1))
    return float(np.quantile(length, 1 - SHARE)) * pose.focal / recipe.width


def _inside(recipe: DepthRecipe, boxes: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = boxes.T
    wide = np.minimum(x1, recipe.width - 0.5) - np.maximum(x0, -0.5)
    high = np.minimum(y1, recipe.height - 0.5) - np.maximum(y0, -0.5)
    return np.nan_to_num(wide.clip(0) * high.clip(0) / ((x1 - x0) * (y1 - y0)))


def _stretches(recipe: DepthRecipe, card: Card, way: list[Pose]) -> tuple[Stretch, ...]:
    step = 1e-4  # seconds
    moments = []
    for time, pose in zip(recipe.times.tolist(), way, strict=True):
        here, there = card.at(time), card.at(time + step)
        velocity = pose.axes @ (there - here) / step
        seen = pose.project(np.stack([here, there]), recipe.width, recipe.height)
        right, down = (seen[1] - seen[0]) / step
        speed = float(np.hypot(right, down)) / recipe.width
        direction = direction_of(right, down) if speed >= DRIFT else None
        whole = float(np.linalg.norm(velocity))
        along = velocity[2] / whole if whole else 0.0
        depth = None if abs(along) < ALONG else "closer" if along < 0 else "away"
        moments.append((time, direction, depth, speed))
    found = []
    for (direction, depth), group in groupby(moments, key=lambda moment: moment[1:3]):
        times, _, _, speeds = zip(*group, strict=True)
        found.append(Stretch(times[0], times[-1] + 1 / recipe.fps, direction, depth, float(np.mean(speeds))))
    return tuple(found)
