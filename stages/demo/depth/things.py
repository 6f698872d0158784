"""Pictures for the cards of scenes with depth: what stands, lies, drives and walks there, cut out.

All are RGBA (h, w, 4) uint8, the colours multiplied by the coverage.
"""

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np

from stages.demo.depth.paint import clouds, cut_out, outlined, tinted
from stages.demo.photos import photograph, sprite_image

Colour = tuple[int, int, int]
# Outlines in scikit-image's photographs, traced by eye: corners as shares of the width and the height.
PERSON = [
    *((0.05, 1.0), (0.05, 0.68), (0.08, 0.58), (0.13, 0.48), (0.22, 0.40), (0.25, 0.31), (0.31, 0.285)),
    *((0.35, 0.28), (0.34, 0.25), (0.305, 0.20), (0.30, 0.15), (0.33, 0.08), (0.38, 0.045), (0.45, 0.03)),
    *((0.52, 0.045), (0.57, 0.09), (0.59, 0.16), (0.57, 0.225), (0.53, 0.26), (0.515, 0.305), (0.56, 0.36)),
    *((0.595, 0.45), (0.66, 0.51), (0.69, 0.57), (0.71, 0.66), (0.78, 0.67), (0.87, 0.69), (0.94, 0.77)),
    *((0.97, 0.88), (1.0, 0.93), (1.0, 1.0)),
]
MOTORCYCLE = [
    *((0.19, 0.31), (0.24, 0.33), (0.30, 0.37), (0.38, 0.385), (0.48, 0.38), (0.50, 0.33), (0.55, 0.25)),
    *((0.60, 0.24), (0.635, 0.26), (0.665, 0.155), (0.70, 0.17), (0.77, 0.26), (0.75, 0.36), (0.755, 0.45)),
    *((0.79, 0.53), (0.86, 0.58), (0.91, 0.68), (0.92, 0.82), (0.88, 0.905), (0.80, 0.89), (0.72, 0.80)),
    *((0.685, 0.70), (0.64, 0.68), (0.60, 0.75), (0.47, 0.78), (0.475, 0.875), (0.44, 0.87), (0.43, 0.77)),
    *((0.37, 0.76), (0.32, 0.80), (0.24, 0.80), (0.18, 0.74), (0.16, 0.64), (0.17, 0.54), (0.13, 0.49)),
    *((0.12, 0.42), (0.19, 0.40)),
]


def _person(rng: np.random.Generator) -> np.ndarray:
    photo = photograph("astronaut")
    return cut_out(photo, outlined(photo.shape[:2], PERSON))[12:]


def _motorcycle(rng: np.random.Generator) -> np.ndarray:
    photo = photograph("motorcycle_left")
    return cut_out(photo, outlined(photo.shape[:2], MOTORCYCLE))[77:455, 88:684]


def _horse(rng: np.random.Generator) -> np.ndarray:
    """A silhouette, in a brown coat."""
    black = 255 - photograph("horse")[..., 0]
    coat = tinted(clouds(rng, black.shape), rng.uniform(0.7, 1.3) * np.array((120, 84, 58)), 0.22)
    return cut_out(coat, cv2.GaussianBlur(black, (0, 0), 0.8))[8:324, 14:386]


def _statue(rng: np.random.Generator) -> np.ndarray:
    """The same silhouette in stone, on a pedestal."""
    image = np.zeros((520, 400, 4), np.uint8)
    black = 255 - photograph("horse")[..., 0]
    image[:328] = cut_out(tinted(clouds(rng, black.shape), (150, 112, 68), 0.22), black)
    stone = tinted(clouds(rng, (200, 300)), (158, 152, 142), 0.08)
    for y in (0, 60, 120, 180):
        cv2.line(stone, (0, y), (300, y), (96, 92, 86), 4)
    image[320:, 50:350] = cut_out(stone, np.full((200, 300), 255, np.uint8))
    return image


def _tree(rng: np.random.Generator) -> np.ndarray:
    crown = clouds(rng, (512, 320), 4, 64)
    y, x = np.mgrid[-1 : 1 : 512 * 1j, -1 : 1 : 320 * 1j].astype(np.float32)
    inside = np.hypot(x / 0.86, (y + 0.36) / 0.56) + 0.10 * crown
    leaf = rng.uniform(0.8, 1.2) * np.array((72, 106, 50))
    light = 0.28 * clouds(rng, (512, 320), 2, 32) - 0.25 * y[:, :] - 0.18
    image = tinted(light, leaf, 1.0)
    trunk = (np.abs(x + 0.05 * y) < 0.07 + 0.05 * np.maximum(y - 0.8, 0)) & (y > -0.1)
    leafy = np.clip((0.9 - inside) * 24, 0, 1)
    bark = tinted(clouds(rng, (512, 320)), (86, 66, 50), 0.2)
    rgb = np.where(leafy[..., None] > 0.3, image, bark)
    return cut_out(rgb, (255 * np.maximum(leafy, trunk)).astype(np.uint8))[:, 10:310]


def _bush(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : 256 * 1j, -1 : 1 : 320 * 1j].astype(np.float32)
    inside = np.hypot(x / 0.9, (y - 0.9) / 1.6) + 0.08 * clouds(rng, (256, 320), 4, 64)
    image = tinted(
        0.3 * clouds(rng, (256, 320), 2, 32) - 0.25 * y, rng.uniform(0.8, 1.2) * np.array((66, 98, 52)), 1
    )
    return cut_out(image, (255 * np.clip((1 - inside) * 20, 0, 1)).astype(np.uint8))


def _hills(rng: np.random.Generator) -> np.ndarray:
    return _ridge(rng, np.array((92, 112, 104)), 0.12, 0.5)


def _skyline(rng: np.random.Generator) -> np.ndarray:
    """The houses of a town, far away."""
    image = np.zeros((256, 1024, 4), np.uint8)
    x = 0
    while x < 1024:
        wide, top = int(rng.integers(30, 80)), int(rng.integers(20, 190))
        shade = rng.uniform(110, 180) * np.array((0.95, 0.97, 1.0))
        image[top:, x : x + wide, :3], image[top:, x : x + wide, 3] = shade, 255
        for row in range(top + 8, 250, 14):
            for column in range(x + 5, min(x + wide - 6, 1018), 11):
                image[row : row + 8, column : column + 6, :3] = shade * rng.choice((0.55, 0.62, 0.9))
        x += wide + int(rng.integers(-6, 8))
    return image


def _ridge(rng: np.random.Generator, colour: np.ndarray, contrast: float, rough: float) -> np.ndarray:
    shape = (256, 1024)
    line = clouds(rng, (8, 1024), 16, 1024)[0] if rough == 0 else np.zeros(1024)
    for cells in (4, 8, 16, 64, 256):
        knots = rng.normal(size=(1, cells)).astype(np.float32)
        line = line + cv2.resize(knots, (1024, 1), interpolation=cv2.INTER_CUBIC)[0] * cells**-0.8
    top = 90 + 45 * rough * (line - line.mean()) / line.std()
    coverage = np.clip(np.arange(256)[:, None] - top[None] + 0.5, 0, 1)
    image = tinted(clouds(rng, shape, 2, 64), colour, contrast)
    return cut_out(image, (255 * coverage).astype(np.uint8))


def _forest(rng: np.random.Generator) -> np.ndarray:
    """The far edge of a wood."""
    return _ridge(rng, np.array((70, 94, 62)), 0.25, 0.35)


def _lamp(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((640, 96, 4), np.uint8)
    image[60:, 42:54] = (64, 66, 68, 255)
    image[560:, 36:60] = (54, 56, 58, 255)
    cv2.ellipse(image, (48, 40), (34, 36), 0, 0, 360, (236, 230, 206, 255), -1, cv2.LINE_AA)
    cv2.rectangle(image, (10, 62), (86, 72), (50, 52, 54, 255), -1)
    return _grained(rng, image)


def _column(rng: np.random.Generator) -> np.ndarray:
    x = np.linspace(-1, 1, 96, dtype=np.float32)
    image = tinted(clouds(rng, (640, 96)), (184, 172, 152), 0.1) * (1 - 0.4 * x**2)[:, None]
    for y in range(0, 640, 80):
        image[y : y + 4] *= 0.6
    return cut_out(image.astype(np.uint8), np.full((640, 96), 255, np.uint8))


def _sign(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((512, 200, 4), np.uint8)
    image[180:, 92:108] = (110, 112, 114, 255)
    colour = rng.choice([(170, 40, 36), (30, 70, 140), (34, 100, 62)])
    cv2.circle(image, (100, 100), 96, (*colour.tolist(), 255), -1, cv2.LINE_AA)
    cv2.circle(image, (100, 100), 96, (236, 236, 232, 255), 8, cv2.LINE_AA)
    text = str(rng.choice(["30", "50", "P", "B7", "A4"]))
    cv2.putText(image, text, (42, 130), cv2.FONT_HERSHEY_DUPLEX, 2.8, (240, 240, 236, 255), 6, cv2.LINE_AA)
    return _grained(rng, image)


def _fence(rng: np.random.Generator) -> np.ndarray:
    """Pales and two rails, to be repeated sideways."""
    image = np.zeros((256, 256, 4), np.uint8)
    for y in (70, 190):
        image[y : y + 16] = (132, 112, 88, 255)
    for x in range(24, 256, 64):
        image[10:, x : x + 18] = (*(rng.uniform(0.85, 1.15) * np.array((168, 146, 116))).astype(int), 255)
    return _grained(rng, image)


CAR = [
    (0.0, 0.62),
    (0.03, 0.46),
    (0.2, 0.40),
    (0.32, 0.06),
    (0.68, 0.05),
    (0.82, 0.40),
    (0.97, 0.5),
    (1.0, 0.8),
]


def _car(rng: np.random.Generator) -> np.ndarray:
    """Seen from its side."""
    high, wide = 200, 520
    image = np.zeros((high, wide, 4), np.uint8)
    paint = _paint(rng)
    _fill(image, [*CAR, (0.98, 0.84), (0.0, 0.84)], paint)
    _fill(image, [(0.245, 0.42), (0.345, 0.12), (0.49, 0.11), (0.49, 0.42)], (52, 62, 72))
    _fill(image, [(0.515, 0.42), (0.515, 0.11), (0.66, 0.11), (0.765, 0.42)], (44, 54, 64))
    _fill(image, [(0.0, 0.7), (1.0, 0.7), (1.0, 0.74), (0.0, 0.74)], tuple(v // 2 for v in paint))
    for x in (0.5, 0.25):
        cv2.line(image, (int(x * wide), 84), (int(x * wide), 150), (30, 30, 32, 255), 2)
    for x in (0.2, 0.8):
        at = (round(x * wide), 160)
        cv2.circle(image, at, 40, (22, 22, 24, 255), -1, cv2.LINE_AA)
        cv2.circle(image, at, 22, (150, 152, 156, 255), -1, cv2.LINE_AA)
        for angle in np.arange(5) * 1.257:
            tip = (at[0] + round(20 * np.cos(angle)), at[1] + round(20 * np.sin(angle)))
            cv2.line(image, at, tip, (70, 72, 76, 255), 3, cv2.LINE_AA)
    _fill(image, [(0.95, 0.5), (1.0, 0.55), (0.99, 0.62), (0.95, 0.6)], (240, 236, 200))
    _fill(image, [(0.0, 0.5), (0.03, 0.48), (0.04, 0.6), (0.0, 0.6)], (190, 30, 30))
    return _grained(rng, image)


def _car_front(rng: np.random.Generator) -> np.ndarray:
    """Seen from the front."""
    image = np.zeros((300, 360, 4), np.uint8)
    paint = _paint(rng)
    for x in (30, 270):
        cv2.rectangle(image, (x, 230), (x + 56, 298), (22, 22, 24, 255), -1)
    _fill(
        image,
        [
            (0.02, 0.42),
            (0.14, 0.36),
            (0.24, 0.03),
            (0.76, 0.03),
            (0.86, 0.36),
            (0.98, 0.42),
            (1, 0.88),
            (0, 0.88),
        ],
        paint,
    )
    _fill(image, [(0.2, 0.36), (0.28, 0.08), (0.72, 0.08), (0.8, 0.36)], (56, 68, 80))
    _fill(image, [(0.25, 0.56), (0.75, 0.56), (0.72, 0.7), (0.28, 0.7)], (30, 32, 34))
    for x in (40, 320):
        cv2.circle(image, (x, 176), 25, (250, 246, 220, 255), -1, cv2.LINE_AA)
    cv2.rectangle(image, (130, 226), (230, 252), (236, 236, 230, 255), -1)
    cv2.putText(
        image, f"K {int(rng.integers(100, 999))}", (138, 248), 0, 0.8, (20, 20, 20, 255), 2, cv2.LINE_AA
    )
    return _grained(rng, image)


def _walker(rng: np.random.Generator) -> np.ndarray:
    """Somebody on foot, seen from the side."""
    image = np.zeros((512, 200, 4), np.uint8)
    skin, coat, legs = (206, 164, 136), _paint(rng), tuple(int(v) for v in rng.integers(30, 90, 3))
    _fill(
        image, [(0.44, 0.5), (0.6, 0.5), (0.78, 0.95), (0.92, 0.98), (0.9, 1), (0.64, 1), (0.5, 0.66)], legs
    )
    _fill(
        image,
        [(0.4, 0.5), (0.58, 0.5), (0.4, 0.78), (0.22, 0.97), (0.34, 1), (0.1, 1), (0.08, 0.95), (0.32, 0.74)],
        legs,
    )
    _fill(image, [(0.36, 0.18), (0.6, 0.18), (0.66, 0.3), (0.63, 0.55), (0.34, 0.55), (0.3, 0.3)], coat)
    _fill(
        image,
        [(0.4, 0.22), (0.5, 0.22), (0.36, 0.4), (0.16, 0.5), (0.14, 0.46), (0.28, 0.36)],
        tuple(v * 3 // 4 for v in coat),
    )
    _fill(
        image,
        [(0.5, 0.22), (0.6, 0.22), (0.72, 0.38), (0.86, 0.46), (0.84, 0.5), (0.64, 0.41)],
        tuple(v * 3 // 4 for v in coat),
    )
    cv2.ellipse(image, (98, 50), (30, 38), 0, 0, 360, (*skin, 255), -1, cv2.LINE_AA)
    cv2.ellipse(image, (92, 36), (33, 30), 0, 150, 370, (60, 44, 34, 255), -1, cv2.LINE_AA)
    _fill(image, [(0.44, 0.15), (0.56, 0.15), (0.56, 0.2), (0.44, 0.2)], skin)
    return _grained(rng, image)


def _boat(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((360, 400, 4), np.uint8)
    _fill(image, [(0.02, 0.8), (0.98, 0.78), (0.86, 0.99), (0.14, 0.99)], _paint(rng))
    _fill(image, [(0.49, 0.02), (0.51, 0.02), (0.51, 0.82), (0.49, 0.82)], (110, 84, 60))
    _fill(image, [(0.53, 0.05), (0.92, 0.72), (0.53, 0.74)], (236, 232, 222))
    _fill(image, [(0.47, 0.12), (0.47, 0.72), (0.14, 0.72)], (222, 216, 204))
    return _grained(rng, image)


def _balloon(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((400, 300, 4), np.uint8)
    colours = _paint(rng), (230, 220, 196)
    cv2.ellipse(image, (150, 140), (140, 138), 0, 0, 360, (*colours[0], 255), -1, cv2.LINE_AA)
    _fill(image, [(0.08, 0.5), (0.92, 0.5), (0.6, 0.82), (0.4, 0.82)], colours[0])
    for wide in (0.27, 0.09):
        tone = colours[1] if wide > 0.2 else colours[0]
        cv2.ellipse(image, (150, 140), (round(300 * wide), 138), 0, 0, 360, (*tone, 255), -1, cv2.LINE_AA)
        _fill(
            image,
            [(0.5 - wide, 0.4), (0.5 + wide, 0.4), (0.5 + wide / 3, 0.82), (0.5 - wide / 3, 0.82)],
            tone,
        )
    for x in (0.42, 0.58):
        _fill(image, [(x - 0.005, 0.8), (x + 0.005, 0.8), (x + 0.005, 0.9), (x - 0.005, 0.9)], (60, 50, 40))
    _fill(image, [(0.41, 0.88), (0.59, 0.88), (0.57, 1.0), (0.43, 1.0)], (120, 84, 52))
    return _grained(rng, image)


def _sofa(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((220, 520, 4), np.uint8)
    colour = _paint(rng)
    for box, shade in (
        ((30, 10, 490, 150), 0.8),
        ((10, 70, 70, 190), 0.9),
        ((450, 70, 510, 190), 0.9),
        ((60, 110, 460, 180), 1.1),
    ):
        tone = tuple(min(int(v * shade), 255) for v in colour)
        cv2.rectangle(image, box[:2], box[2:], (*tone, 255), -1)
    for x in (195, 325):
        cv2.line(image, (x, 14), (x, 178), (30, 26, 24, 255), 3)
    for x in (30, 470):
        cv2.rectangle(image, (x, 190), (x + 20, 219), (60, 44, 34, 255), -1)
    return _grained(rng, image)


def _plant(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((400, 260, 4), np.uint8)
    root = np.array((130, 290))
    for angle in np.linspace(-2.9, -0.25, 15) + rng.normal(0, 0.1, 15):
        tip = root + rng.uniform(120, 250) * np.array((0.62 * np.cos(angle), np.sin(angle)))
        side = 15 * np.array((-np.sin(angle), np.cos(angle)))
        leaf = np.array([root, (tip + root) / 2 + side, tip, (tip + root) / 2 - side])
        colour = (rng.uniform(0.7, 1.3) * np.array((70, 118, 60))).astype(int).tolist()
        cv2.fillPoly(image, [leaf.round().astype(np.int32)], (*colour, 255), cv2.LINE_AA)
    _fill(image, [(0.3, 0.72), (0.7, 0.72), (0.64, 1.0), (0.36, 1.0)], (168, 96, 66))
    return _grained(rng, image)


def _table(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((220, 480, 4), np.uint8)
    image[:26] = (150, 104, 66, 255)
    for x in (20, 440):
        image[26:, x : x + 20] = (116, 78, 50, 255)
    image[26:50, 20:460] = (124, 84, 54, 255)
    return _grained(rng, image)


def _fire(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0 : 1 : 256 * 1j, -1 : 1 : 192 * 1j].astype(np.float32)
    body = 1.1 - np.abs(x) / (0.15 + 0.75 * y) + 0.28 * clouds(rng, (256, 192), 8, 64) * (1.2 - y)
    heat = np.clip(body, 0, 1)[..., None]
    colour = np.clip(np.array((2.6, 1.5, 0.7)) * 255 * heat ** np.array((0.7, 1.4, 2.6)), 0, 255)
    return cut_out(colour.astype(np.uint8), (255 * np.clip(3 * heat[..., 0], 0, 1)).astype(np.uint8))


def _bonnet(rng: np.random.Generator) -> np.ndarray:
    """The front of the camera's own car, seen from inside it."""
    image = np.zeros((160, 640, 4), np.uint8)
    _fill(
        image,
        [(0.0, 1.0), (0.06, 0.5), (0.25, 0.24), (0.5, 0.16), (0.75, 0.24), (0.94, 0.5), (1.0, 1.0)],
        (46, 52, 62),
    )
    _fill(image, [(0.3, 0.34), (0.5, 0.28), (0.7, 0.34), (0.62, 0.42), (0.38, 0.42)], (86, 94, 106))
    _fill(image, [(0.0, 0.86), (1.0, 0.86), (1.0, 1.0), (0.0, 1.0)], (18, 18, 20))
    return _grained(rng, image)


def _shade(value: int, most: float) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : 192 * 1j, -1 : 1 : 192 * 1j]
    coverage = most * np.clip(2.2 * (1 - np.hypot(x, y)), 0, 1)
    return cut_out(np.full((192, 192, 3), value, np.uint8), (255 * coverage).astype(np.uint8))


def _paint(rng: np.random.Generator) -> Colour:
    """The colour of a car or a coat."""
    colours = [(172, 40, 38), (40, 84, 150), (208, 206, 200), (54, 58, 62), (196, 150, 50), (60, 112, 84)]
    return colours[rng.integers(len(colours))]


def _fill(image: np.ndarray, outline: list[tuple[float, float]], colour: Sequence[int]) -> None:
    """Paint a polygon on (h, w, 4) uint8, in place; its corners are shares of the width and the height."""
    points = (np.array(outline) * (image.shape[1] - 1, image.shape[0] - 1) * 16).round().astype(np.int32)
    cv2.fillPoly(image, [points], (*colour, 255), cv2.LINE_AA, shift=4)


def _grained(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """A drawing (h, w, 4) uint8, colours multiplied by coverage, with a surface that is not quite even."""
    light = 1 + 0.05 * clouds(rng, image.shape[:2], 3, 48)[..., None]
    image[..., :3] = np.clip(image[..., :3] * light, 0, image[..., 3:])
    return image


THINGS = {
    "person": _person,
    "motorcycle": _motorcycle,
    "horse": _horse,
    "statue": _statue,
    "tree": _tree,
    "bush": _bush,
    "hills": _hills,
    "forest": _forest,
    "skyline": _skyline,
    "lamp": _lamp,
    "column": _column,
    "sign": _sign,
    "fence": _fence,
    "car": _car,
    "car_front": _car_front,
    "walker": _walker,
    "boat": _boat,
    "balloon": _balloon,
    "sofa": _sofa,
    "plant": _plant,
    "table": _table,
    "fire": _fire,
    "bonnet": _bonnet,
    "shadow": lambda rng: _shade(0, 0.5),
    "light": lambda rng: _shade(255, 0.4),
}


def _sprite(name: str, _: np.random.Generator) -> np.ndarray:
    image = sprite_image(name, 320)
    return cut_out(image[..., :3], image[..., 3])


THINGS |= {name: partial(_sprite, name) for name in ("cup", "cat", "face")}
