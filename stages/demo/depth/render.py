"""Draw the frames of a scene with depth: each card by its own homography, far ones first.

Where a card is drawn smaller than it was painted, a smaller copy of it is used (Williams, "Pyramidal
Parametrics", 1983), since aliasing looks like motion.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from stages.demo.depth.boil import boiled
from stages.demo.depth.camera import NEAR, corners, plane, poses
from stages.demo.depth.recipe import Card, DepthRecipe
from stages.demo.depth.textures import VARIANTS, texture
from stages.demo.render import encode, finished

CELL = 8  # pixels between the places where the level of detail is computed
SMALLEST = 4  # pixels of a copy's longer side
STEP = 0.5  # octaves from one copy to the next
THINNEST = 1e-3  # pixels: what is seen edge-on is not drawn
# How fast copies of a card shrink across and down, as powers of 2. A surface along the line of sight at a
# distance z is foreshortened as z^2 along it and as z across it.
SHRINK = {"camera": (1.0, 1.0), "side": (1.0, 0.5), "up": (0.5, 1.0)}
SKY = (176, 200, 226, 255)  # where there is no card


@dataclass(frozen=True)
class Picture:
    """A texture in all sizes.

    Attributes:
        sheet: (H, W, 4) uint8, ever smaller copies below each other, each with its border repeated around it.
        sizes: (n, 2) float32, width and height of each copy without that border.
        tops: (n,) float32, the row of each copy's first pixel; the column is 1.
        shrink: As in SHRINK.
    """

    sheet: np.ndarray
    sizes: np.ndarray
    tops: np.ndarray
    shrink: tuple[float, float]


def depth_frames(recipe: DepthRecipe) -> Iterator[np.ndarray]:
    """Draw the frames of a clip: (H, W, 3) uint8 RGB each, the same ones whenever the recipe is the same."""
    return finished(recipe, drawn)


def render_depth(recipe: DepthRecipe, path: Path) -> None:
    """Write the clip as H.264.

    Args:
        recipe: The clip.
        path: The file to write; its suffix chooses the container.

    Raises:
        CallError: scikit-image, which brings the photographs, is not installed.
    """
    encode(recipe, depth_frames(recipe), path)


def drawn(recipe: DepthRecipe) -> Iterator[np.ndarray]:
    """Draw the frames before shutter, sensor and editor: (H, W, 3) uint8 RGB each."""
    frame = np.empty((recipe.height, recipe.width, 4), np.uint8)
    for time, pose in zip(recipe.times, poses(recipe), strict=True):
        frame[:] = SKY
        lens = pose.matrix(recipe.width, recipe.height)
        planes = [(number, card, plane(card, pose, time)) for number, card in enumerate(recipe.cards)]
        for number, card, metres in sorted(planes, key=_farthest, reverse=True):
            outline = _outline(corners(card), metres, lens)
            if len(outline):
                picture = _picture(card, (recipe.seed + number) % VARIANTS, time)
                _draw(frame, picture, outline, lens @ metres @ _spread(card), card.tile is not None)
        yield cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB)


def _farthest(entry: tuple[int, Card, np.ndarray]) -> float:
    """Depth of a card's farthest corner, metres: of two that overlap, that of the nearer one is less."""
    _, card, ((_, _, _), (_, _, _), (across, down, middle)) = entry
    return float(middle + (abs(across) * card.size[0] + abs(down) * card.size[1]) / 2)


def _picture(card: Card, variant: int, time: float) -> Picture:
    return _kept(card.texture, variant, SHRINK[card.facing], card.boil, time if card.boil else 0.0)


@lru_cache(maxsize=128)  # those at rest are used for each frame, and stay
def _kept(name: str, variant: int, shrink: tuple[float, float], boil: str | None, time: float) -> Picture:
    image = texture(name, variant)
    return _in_all_sizes(boiled(image, boil, variant, time) if boil else image, shrink)


def _in_all_sizes(image: np.ndarray, shrink: tuple[float, float]) -> Picture:
    copies = [image]
    while True:
        share = [2 ** (-STEP * len(copies) * power) for power in shrink]
        width, height = round(image.shape[1] * share[0]), round(image.shape[0] * share[1])
        if max(width, height) < SMALLEST:
            break
        larger = copies[max(len(copies) - 2, 0)]
        size = max(width, 1), max(height, 1)
        copies.append(cv2.resize(larger, size, interpolation=cv2.INTER_AREA))
    sizes = np.array([copy.shape[1::-1] for copy in copies], np.float32)
    whole = image.shape[1] + 2
    bordered = [
        cv2.copyMakeBorder(copy, 1, 1, 1, whole - 1 - copy.shape[1], cv2.BORDER_REPLICATE) for copy in copies
    ]
    tops = np.cumsum([1, *(len(one) for one in bordered[:-1])])
    return Picture(np.vstack(bordered), sizes, tops.astype(np.float32), shrink)


def _outline(flat: np.ndarray, metres: np.ndarray, lens: np.ndarray) -> np.ndarray:
    """What lies before the camera of a convex polygon (K, 2) on a card: (L, 2) pixels, L = K for all."""
    points = flat @ metres[:, :2].T + metres[:, 2]
    if points[:, 2].min() < NEAR:
        kept = []
        for a, b in zip(points, np.roll(points, -1, 0), strict=True):
            if a[2] >= NEAR:
                kept.append(a)
            if (a[2] >= NEAR) != (b[2] >= NEAR):
                kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
        points = np.array(kept).reshape(-1, 3)
    seen = points @ lens.T
    return seen[:, :2] / seen[:, 2:]


def _spread(card: Card) -> np.ndarray:
    """The (3, 3) matrix from shares of a picture's width and height to metres from the middle of the card."""
    width, height = card.tile or card.size
    return np.array([[width, 0, -card.size[0] / 2], [0, height, -card.size[1] / 2], [0, 0, 1]])


def _draw(
    frame: np.ndarray, picture: Picture, outline: np.ndarray, to_frame: np.ndarray, repeat: bool
) -> None:
    """Blend a card over a frame, in place.

    Args:
        frame: (H, W, 4) uint8.
        picture: What is on the card.
        outline: (K, 2) pixels, of the part of it that is before the camera.
        to_frame: (3, 3), shares of the picture's width and height to pixels.
        repeat: Whether the picture is repeated beyond its edges, every other one mirrored.
    """
    (x0, y0), (x1, y1) = outline.min(0).tolist(), outline.max(0).tolist()
    left, top = max(math.floor(x0), 0), max(math.floor(y0), 0)
    right, bottom = min(math.ceil(x1) + 1, frame.shape[1]), min(math.ceil(y1) + 1, frame.shape[0])
    if left >= right or top >= bottom or min(x1 - x0, y1 - y0) < THINNEST:
        return
    part = frame[top:bottom, left:right]
    shape = bottom - top, right - left
    shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top], [0.0, 0.0, 1.0]])
    seen = _sampled(picture, shift @ to_frame, shape, repeat)
    share = _coverage(outline - (left, top), shape)
    if share is not None:
        seen = cv2.multiply(seen, cv2.merge([share] * 4), scale=1 / 255)
    behind = cv2.merge([255 - seen[..., 3]] * 4)
    part[:] = cv2.add(seen, cv2.multiply(part, behind, scale=1 / 255))


def _coverage(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
    """How much of each pixel of a part of the frame a convex polygon (K, 2) covers.

    Returns:
        (h, w) uint8; None where it covers all of it.
    """
    share = None
    rows, columns = (np.arange(n, dtype=np.float32) for n in shape)
    following = np.roll(outline, -1, 0) - outline
    area = float((outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0]).sum())
    for x, y, dx, dy in zip(*outline.T.tolist(), *following.T.tolist(), strict=True):
        length = math.copysign(math.hypot(dx, dy), area)
        if abs(length) < THINNEST:
            continue
        down, right = dx / length, -dy / length
        # Distance from the edge in pixels, positive inside.
        first = -y * down - x * right
        if first + min(down * (shape[0] - 1), 0) + min(right * (shape[1] - 1), 0) < 0.5:
            inside = np.add.outer(rows * down + (first + 0.5), columns * right)
            inside = np.minimum(np.maximum(inside, 0, out=inside), 1, out=inside)
            share = inside if share is None else share * inside
    return None if share is None else cv2.convertScaleAbs(share, alpha=255)


def _sampled(picture: Picture, to_part: np.ndarray, shape: tuple[int, int], repeat: bool) -> np.ndarray:
    """A picture as a part of the frame shows it.

    Args:
        picture: The picture.
        to_part: (3, 3), shares of its width and height to pixels of the part.
        shape: (h, w) of the part.
        repeat: As in `_draw`.

    Returns:
        (h, w, 4) uint8.
    """
    back = np.linalg.inv(to_part)
    detail = _detail(picture, back, shape)
    least, most = round(float(detail.min())), round(float(detail.max()))
    if least == most and not repeat:
        (width, height), top = picture.sizes[least].astype(int), int(picture.tops[least])
        copy = picture.sheet[top : top + height, 1 : 1 + width]
        texels = np.array([[1 / width, 0, 0.5 / width], [0, 1 / height, 0.5 / height], [0, 0, 1]])
        return cv2.warpPerspective(
            copy, to_part @ texels, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    x, y = np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32)[:, None]
    across, down, nearness = ((x * np.float32(a) + (y * np.float32(b) + np.float32(c))) for a, b, c in back)
    level = np.rint(cv2.resize(detail, shape[::-1])).astype(np.intp)
    places: list[np.ndarray] = []
    for share, size, first in (
        (across, picture.sizes[:, 0], np.float32(0.5)),
        (down, picture.sizes[:, 1], (picture.tops - np.float32(0.5))[level]),
    ):
        share /= nearness
        if repeat:
            share -= 2 * np.floor(share / 2)
            share = 1 - np.abs(share - 1)
        else:
            share = np.minimum(np.maximum(share, 0), 1)
        places.append(share * size[level] + first)
    return cv2.remap(picture.sheet, places[0], places[1], cv2.INTER_LINEAR)


def _detail(picture: Picture, back: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which copy of a picture has texels as large as the pixels of a part of the frame, with its fraction.

    Args:
        picture: The picture.
        back: (3, 3), pixels of the part to shares of the picture's width and height.
        shape: (h, w) of the part.

    Returns:
        (m, n) float32 for as many equal cells of the part.
    """
    rows, columns = (-(-length // CELL) for length in shape)
    x = (np.arange(columns) + 0.5) * (shape[1] / columns) - 0.5
    y = (np.arange(rows)[:, None] + 0.5) * (shape[0] / rows) - 0.5
    nearness = np.maximum(back[2, 0] * x + back[2, 1] * y + back[2, 2], 1e-9)
    level = np.zeros((rows, columns))
    for axis in (0, 1):
        place = (back[axis, 0] * x + back[axis, 1] * y + back[axis, 2]) / nearness
        slope = np.hypot(back[axis, 0] - place * back[2, 0], back[axis, 1] - place * back[2, 1]) / nearness
        octaves = np.log2(np.maximum(slope * picture.sizes[0, axis], 1e-9)) / picture.shrink[axis]
        level = np.maximum(level, octaves / STEP)
    return np.minimum(level, len(picture.sizes) - 1).astype(np.float32)
