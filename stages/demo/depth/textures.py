"""Pictures for the cards of scenes with depth: surfaces. What stands on them is in `things`.

All are RGBA (h, w, 4) uint8, the colours multiplied by the coverage, so that they can be averaged.
"""

from functools import lru_cache

import cv2
import numpy as np

from stages.demo.depth.paint import clouds, opaque, tinted
from stages.demo.depth.things import THINGS
from stages.demo.photos import SCENES, photograph

SIDE = 512  # pixels of a surface's longer side
VARIANTS = 6  # pictures of the same name
WALLS = np.array(
    [(206, 186, 150), (190, 132, 106), (200, 200, 196), (178, 166, 172), (154, 168, 178), (212, 196, 120)]
)


@lru_cache(maxsize=128)
def texture(name: str, variant: int) -> np.ndarray:
    """Paint a picture.

    Args:
        name: One of TEXTURES.
        variant: Below VARIANTS: which of several with the same name.

    Returns:
        (h, w, 4) uint8: RGB multiplied by coverage, and coverage.
    """
    rng = np.random.default_rng((variant, *name.encode()))
    if name in THINGS:
        return THINGS[name](rng)
    if name in SURFACES:
        return opaque(SURFACES[name](rng))
    photo = photograph(name)
    scale = SIDE / max(photo.shape[:2])
    return opaque(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _asphalt(rng: np.random.Generator) -> np.ndarray:
    """A road of two lanes with a broken line between them, running upwards."""
    image = tinted(clouds(rng, (768, SIDE)), (98, 98, 102), 0.1)
    for column in (24, SIDE - 24):
        cv2.rectangle(image, (column - 5, 0), (column + 5, 768), (206, 206, 200), -1)
    cv2.rectangle(image, (SIDE // 2 - 5, 128), (SIDE // 2 + 5, 512), (206, 206, 200), -1)
    for _ in range(5):  # patches of repair
        x, y = rng.integers(30, SIDE - 90), rng.integers(0, 700)
        shade = int(rng.integers(70, 90))
        cv2.rectangle(image, (x, y), (x + int(rng.integers(20, 90)), y + 50), (shade, shade, shade + 3), -1)
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def _crossroad(rng: np.random.Generator) -> np.ndarray:
    """The same road, running to the right."""
    return np.ascontiguousarray(_asphalt(rng).swapaxes(0, 1))


def _pavement(rng: np.random.Generator) -> np.ndarray:
    image = tinted(clouds(rng, (SIDE, SIDE)), (150, 146, 140), 0.05)
    for x in range(0, SIDE, 128):
        for y in range(0, SIDE, 128):
            slab = image[y : y + 126, x : x + 126]
            slab[:] = np.clip(slab * rng.uniform(0.85, 1.1), 0, 255)
            cv2.rectangle(image, (x, y), (x + 128, y + 128), (96, 93, 90), 3)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


def _photo_ground(photo: str, colour: tuple[int, int, int]) -> np.ndarray:
    gray = photograph(photo)[..., 0].astype(np.float32)
    image = np.clip(gray[..., None] / gray.mean() * np.array(colour, np.float32), 0, 255)
    return cv2.GaussianBlur(image.astype(np.uint8), (0, 0), 1.0)


def _brick(rng: np.random.Generator) -> np.ndarray:
    image = np.full((SIDE, SIDE, 3), (176, 168, 158), np.uint8)
    for row, y in enumerate(range(0, SIDE, 32)):
        for x in range(-64 * (row % 2) // 2, SIDE, 64):
            colour = np.array((152, 84, 66)) * rng.uniform(0.7, 1.15)
            cv2.rectangle(image, (x + 2, y + 2), (x + 61, y + 29), colour.tolist(), -1)
    return _weathered(rng, image)


def _planks(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for x in range(0, SIDE, 64):
        y = -int(rng.integers(0, 256))
        while y < SIDE:
            colour = np.array((158, 112, 72)) * rng.uniform(0.75, 1.15)
            cv2.rectangle(image, (x, y), (x + 62, y + 254), colour.tolist(), -1)
            y += 256
    grain = cv2.resize(rng.normal(size=(SIDE // 32, SIDE // 2)).astype(np.float32), (SIDE, SIDE))
    return cv2.GaussianBlur(
        np.clip(image * (1 + 0.08 * grain[..., None]), 0, 255).astype(np.uint8), (0, 0), 0.8
    )


def _tiles(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for x in range(4):
        for y in range(4):
            colour = np.array((196, 190, 178) if (x + y) % 2 else (112, 116, 118)) * rng.uniform(0.92, 1.06)
            cv2.rectangle(image, (128 * x, 128 * y), (128 * x + 125, 128 * y + 125), colour.tolist(), -1)
    return _weathered(rng, image)


def _wallpaper(rng: np.random.Generator) -> np.ndarray:
    colour = rng.integers(150, 200, 3)
    image = tinted(clouds(rng, (SIDE, SIDE)), colour, 0.02)
    for x in range(32, SIDE, 64):
        for row, y in enumerate(range(32, SIDE, 64)):
            at = (x + 16 * (row % 2), y)
            cv2.circle(image, at, 12, (colour * 0.78).tolist(), 3, cv2.LINE_AA)
            cv2.circle(image, at, 4, (colour * 0.6).tolist(), -1, cv2.LINE_AA)
    return image


def _plaster(rng: np.random.Generator) -> np.ndarray:
    return tinted(clouds(rng, (SIDE, SIDE), coarsest=8), (196, 188, 174), 0.035)


def _plain(rng: np.random.Generator) -> np.ndarray:
    """A wall that shows nearly nothing."""
    return tinted(clouds(rng, (SIDE, SIDE), finest=4), (188, 186, 180), 0.012)


def _ceiling(rng: np.random.Generator) -> np.ndarray:
    image = tinted(clouds(rng, (SIDE, SIDE), finest=8), (214, 212, 206), 0.01)
    for k in range(0, SIDE, 128):
        cv2.line(image, (k, 0), (k, SIDE), (188, 186, 180), 3)
        cv2.line(image, (0, k), (SIDE, k), (188, 186, 180), 3)
    cv2.rectangle(image, (140, 268), (244, 372), (255, 255, 250), -1)
    return image


def _facade(rng: np.random.Generator) -> np.ndarray:
    """The front of a house of three floors, with a door."""
    wall = rng.uniform(0.85, 1.1) * rng.choice(WALLS)
    image = tinted(clouds(rng, (SIDE, SIDE)), wall, 0.05)
    trim = (np.clip(wall * 1.25, 0, 255)).tolist()
    columns = int(rng.integers(3, 6))
    pitch = SIDE / columns
    wide, door = 0.46 * pitch, int(rng.integers(columns))
    for floor in range(3):
        top = 40 + 158 * floor
        cv2.rectangle(image, (0, top + 130), (SIDE, top + 138), (wall * 0.8).tolist(), -1)
        for column in range(columns):
            left = round((column + 0.5) * pitch - wide / 2)
            high = 148 if floor == 2 and column == door else 96
            where = (left, top), (round(left + wide), top + high)
            pane = (
                (88, 62, 44)
                if high > 100
                else tuple(int(v) for v in rng.integers(28, 96, 3) + np.array((0, 6, 16)))
            )
            cv2.rectangle(image, *where, pane, -1)
            if high < 100 and rng.random() < 0.6:  # curtains
                edge = round(left + wide * rng.uniform(0.2, 0.45))
                cv2.rectangle(image, where[0], (edge, top + high), (206, 200, 190), -1)
            cv2.rectangle(image, *where, trim, 5)
            cv2.line(image, (left, top + 40), (round(left + wide), top + 40), trim, 3)
            cv2.line(image, (round(left + wide / 2), top), (round(left + wide / 2), top + high), trim, 3)
    return _weathered(rng, image)


def _roof(rng: np.random.Generator) -> np.ndarray:
    image = tinted(clouds(rng, (SIDE, SIDE)), (126, 70, 56), 0.08)
    for y in range(0, SIDE, 32):
        cv2.line(image, (0, y), (SIDE, y), (84, 46, 38), 4)
        for x in range(16 * (y // 32 % 2), SIDE, 32):
            cv2.line(image, (x, y), (x, y + 32), (100, 56, 46), 2)
    return _weathered(rng, image)


def _fields(rng: np.random.Generator) -> np.ndarray:
    """Farmland, seen from far away."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    colours = np.array([(112, 128, 70), (164, 150, 88), (84, 110, 60), (140, 120, 84), (98, 124, 82)])
    y = 0
    while y < SIDE:
        x, high = -int(rng.integers(0, 60)), int(rng.integers(24, 64))
        while x < SIDE:
            wide = int(rng.integers(40, 150))
            colour = rng.choice(colours) * rng.uniform(0.85, 1.1)
            cv2.rectangle(image, (x, y), (x + wide - 3, y + high - 3), colour.tolist(), -1)
            for _ in range(int(rng.integers(0, 5))):  # trees along the hedge
                at = (x + int(rng.integers(0, wide)), y + high - 2)
                cv2.circle(image, at, int(rng.integers(3, 8)), (46, 70, 40), -1, cv2.LINE_AA)
            x += wide
        y += high
    image[(image == 0).all(2)] = (62, 84, 48)
    return _weathered(rng, image)


def _sky(rng: np.random.Generator) -> np.ndarray:
    """Clouds that thin out towards the horizon, which is the lower edge."""
    height = np.linspace(1, 0, SIDE, dtype=np.float32)[:, None, None]
    blue = (1 - height) * np.array([206, 220, 232]) + height * np.array([96, 146, 206])
    cover = np.clip(0.9 * clouds(rng, (SIDE, SIDE), finest=6) - 0.3, 0, 1)[..., None] * height**0.5
    return (blue * (1 - cover) + 246 * cover).astype(np.uint8)


def _dusk(rng: np.random.Generator) -> np.ndarray:
    height = np.linspace(1, 0, SIDE, dtype=np.float32)[:, None, None]
    low = (1 - height) * np.array([210, 140, 96]) + height * np.array([30, 38, 76])
    return np.broadcast_to(low, (SIDE, SIDE, 3)).astype(np.uint8)


def _water(rng: np.random.Generator) -> np.ndarray:
    return tinted(clouds(rng, (SIDE // 2, SIDE // 2)), (78, 116, 140), 0.16)


def _leaves(rng: np.random.Generator) -> np.ndarray:
    return _photo_ground("grass", (74, 116, 52))[: SIDE // 2, : SIDE // 2]


def _screen(rng: np.random.Generator) -> np.ndarray:
    return np.full((SIDE // 4, SIDE // 4, 3), 118, np.uint8)


def _door(rng: np.random.Generator) -> np.ndarray:
    image = tinted(clouds(rng, (SIDE, SIDE // 2)), rng.uniform(70, 170) * np.array((1.0, 0.8, 0.6)), 0.05)
    for y in (40, 280):
        cv2.rectangle(image, (36, y), (220, y + 190), (60, 46, 36), 5)
        cv2.rectangle(image, (46, y + 10), (210, y + 180), (176, 150, 120), 2)
    cv2.circle(image, (228, 262), 9, (214, 196, 120), -1, cv2.LINE_AA)
    cv2.rectangle(image, (0, 0), (255, 511), (224, 218, 206), 14)
    return image


def _shelf(rng: np.random.Generator) -> np.ndarray:
    """A case of books."""
    image = np.full((SIDE, SIDE, 3), (58, 42, 32), np.uint8)
    for floor in range(4):
        low, x = 128 * floor + 116, 12
        while x < SIDE - 40:
            wide, high = int(rng.integers(10, 30)), int(rng.integers(70, 104))
            colour = rng.integers(40, 220, 3)
            cv2.rectangle(image, (x, low - high), (x + wide, low), colour.tolist(), -1)
            cv2.rectangle(
                image, (x + 2, low - high + 12), (x + wide - 2, low - high + 24), (226, 214, 170), -1
            )
            x += wide + 2
        cv2.rectangle(image, (0, low), (SIDE, low + 12), (138, 98, 64), -1)
    cv2.rectangle(image, (0, 0), (SIDE, SIDE), (138, 98, 64), 20)
    return image


def _weathered(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    stains = 1 + 0.07 * clouds(rng, image.shape[:2])[..., None]
    return cv2.GaussianBlur(np.clip(image * stains, 0, 255).astype(np.uint8), (0, 0), 0.8)


SURFACES = {
    "asphalt": _asphalt,
    "crossroad": _crossroad,
    "pavement": _pavement,
    "grass": lambda rng: _photo_ground("grass", (94, 122, 62)),
    "gravel": lambda rng: _photo_ground("gravel", (150, 138, 120)),
    "brick": _brick,
    "planks": _planks,
    "tiles": _tiles,
    "wallpaper": _wallpaper,
    "plaster": _plaster,
    "plain": _plain,
    "ceiling": _ceiling,
    "facade": _facade,
    "roof": _roof,
    "fields": _fields,
    "sky": _sky,
    "dusk": _dusk,
    "water": _water,
    "leaves": _leaves,
    "screen": _screen,
    "door": _door,
    "shelf": _shelf,
}
PLAIN = ("sky", "dusk", "plain", "screen")  # nothing on them can be followed
TEXTURES = (*SURFACES, *THINGS, *SCENES)
