"""Places for scenes with depth: what stands where, seen from the origin at the height of the eyes."""

from collections.abc import Iterator

import numpy as np

from stages.demo.depth.recipe import Card

EYES = 1.6  # metres above the ground
FAR = 900.0  # metres to the sky
Cards = tuple[Card, ...]
# Width and height of things, metres.
SIZES = {
    "tree": (4.4, 7.5),
    "bush": (1.6, 1.2),
    "lamp": (0.6, 4.2),
    "sign": (0.7, 2.2),
    "column": (0.5, 3.4),
    "car": (4.2, 1.6),
    "car_front": (1.8, 1.5),
    "walker": (0.68, 1.75),
    "person": (0.9, 0.9),
    "horse": (2.2, 1.9),
    "motorcycle": (2.1, 1.35),
    "statue": (2.6, 3.4),
    "sofa": (2.2, 0.95),
    "plant": (0.75, 1.15),
    "table": (1.5, 0.72),
    "fire": (0.9, 1.2),
    "boat": (5.0, 4.5),
}


def stand(texture: str, x: float, z: float, scale: float = 1.0, ground: float = EYES) -> Card:
    """Something that stands on the ground at x and z, metres; `scale` times as large as usual."""
    width, height = SIZES[texture]
    return Card(texture, (x, ground - scale * height / 2, z), (scale * width, scale * height))


def ground(texture: str, x: tuple[float, float], z: tuple[float, float], tile: tuple[float, float]) -> Card:
    """A surface to walk on, between these limits in metres."""
    return Card(texture, ((x[0] + x[1]) / 2, EYES, (z[0] + z[1]) / 2), (x[1] - x[0], z[1] - z[0]), "up", tile)


def box(texture: str, x: float, z: float, size: tuple[float, float, float]) -> Iterator[Card]:
    """The sides of a house that can be seen; x and z are those of the middle of its front, size in metres."""
    width, height, depth = size
    y, wall = EYES - height / 2, (9.0, 9.0)
    for side in (-1, 1):
        if side * x < 12:  # the camera does not get so far that it sees the other one
            yield Card(texture, (x + side * width / 2, y, z + depth / 2), (depth, height), "side", wall)
    yield Card(texture, (x, y, z), (width, height), tile=wall)


def backdrop(near: str = "forest", sky: str = "sky") -> Iterator[Card]:
    """Sky, hills, and what closes the view."""
    yield Card(sky, (0, -FAR, FAR), (6 * FAR, 2 * FAR + 340))
    yield Card("hills", (0, -30, 0.9 * FAR), (6 * FAR, 120), tile=(FAR, 120))
    distance, height = (300.0, 26.0) if near == "skyline" else (140.0, 13.0)
    yield Card(near, (0, EYES - height / 2, distance), (6 * distance, height), tile=(4 * height, height))


def street(rng: np.random.Generator) -> Cards:
    """Across a street: a pavement, lamps and a tree on this side, parked cars, houses on the other side."""
    cards = [*backdrop("skyline"), ground("pavement", (-60, 60), (-4, 7), (3, 3))]
    cards += [
        ground("crossroad", (-60, 60), (7, 14), (12, 7)),
        ground("pavement", (-60, 60), (14, 40), (3, 3)),
    ]
    x = -42.0
    while x < 42:
        width, height = rng.uniform(8, 12), rng.uniform(8, 12)
        cards += box("facade", x + width / 2, 17 + rng.uniform(0, 1.5), (width, height, 9))
        x += width + rng.choice((0.0, 0.0, 3.5))
    for x in np.arange(-40, 41, 11) + rng.uniform(-2, 2):
        cards += [stand("tree", x, 15 + rng.uniform(0, 0.6), 0.8), stand("lamp", x + 5, 6.4)]
        if rng.random() < 0.7:
            cards.append(stand("car", x + 2.2, 13))
    cards += [stand("bush", x, 5.5 + rng.uniform(-1, 1), 0.7) for x in np.arange(-20, 20, 6.5)]
    cards += [stand("sign", rng.uniform(-3, 3), 5)]
    return tuple(cards)


def road(rng: np.random.Generator) -> Cards:
    """Along a road between houses, trees, lamps and parked cars."""
    cards = [*backdrop("forest"), ground("grass", (-150, 150), (-10, 140), (4, 4))]
    cards += [
        ground("pavement", (side * 5.5 - 1.5, side * 5.5 + 1.5), (-10, 130), (3, 3)) for side in (-1, 1)
    ]
    cards.append(ground("asphalt", (-4, 4), (-10, 138), (8, 12)))
    for side in (-1, 1):
        for z in np.array((7, 18, 31, 48, 72, 105)) + rng.uniform(-2, 2, 6):
            width, depth = rng.uniform(7, 10), rng.uniform(8, 11)
            cards += box("facade", side * (9.5 + width / 2), z, (width, rng.uniform(5, 9), depth))
            cards.append(stand("tree", side * rng.uniform(8, 9), z - 2.5, rng.uniform(0.6, 0.9)))
            cards.append(stand("lamp", side * 4.6, z + 2))
        cards.append(stand("bush", side * 7.4, rng.uniform(9, 16)))
        cards.append(stand("sign", side * 4.5, rng.uniform(12, 18)))
    cards += [stand("car_front", -3.1, z) for z in (23.0, 61.0)]
    return tuple(cards)


def park(rng: np.random.Generator) -> Cards:
    """A lawn with trees near and far, and a statue in the middle, 9 metres ahead."""
    cards = [
        *backdrop(),
        ground("grass", (-150, 150), (-40, 140), (4, 4)),
        ground("gravel", (-9, 9), (4, 12), (3, 3)),
    ]
    cards.append(stand("statue", 0, 9, 0.8))
    for z in np.geomspace(5.5, 80, 16):
        x = rng.uniform(-0.8, 0.8) * (z + 4)
        x = x if abs(x) > 2 + 14 / z else np.sign(x) * (2 + 14 / z)
        cards.append(stand("tree", x, z, rng.uniform(0.6, 1.1)))
        cards.append(stand("bush", rng.uniform(-0.8, 0.8) * z, z * 0.9))
    return tuple(cards)


def room(rng: np.random.Generator) -> Cards:
    """A living room, 6 metres deep."""
    left, right, back, top = -3.4, 3.4, 6.0, -1.2
    high = EYES - top
    middle = (EYES + top) / 2
    cards = [ground("planks", (left, right), (-4, back), (1.6, 1.6))]
    cards.append(Card("ceiling", (0, top, 1), (right - left, 10), "up", (2.4, 2.4)))
    cards += [Card("wallpaper", (x, middle, 1), (10, high), "side", (1.6, 1.6)) for x in (left, right)]
    cards.append(Card("wallpaper", (0, middle, back), (right - left, high), tile=(1.6, 1.6)))
    photos = rng.permutation(["coffee", "chelsea", "astronaut", "rocket", "coins"])
    for x, photo in zip((-2.3, -0.1, 1.2), photos, strict=False):
        cards.append(Card(str(photo), (x, -0.1 + rng.uniform(-0.1, 0.1), back - 0.02), (0.9, 0.65)))
    cards.append(Card(str(photos[3]), (left + 0.02, 0, 3.4), (1.1, 0.8), "side"))
    cards.append(Card("door", (right - 0.02, EYES - 1.0, 4.4), (0.9, 2.0), "side"))
    cards.append(Card("shelf", (2.5, EYES - 1.0, 5.6), (1.3, 2.0)))
    cards += [stand("sofa", -0.7, 5.2), stand("plant", -2.7, 4.6), stand("plant", 1.6, 3.7, 0.8)]
    cards += [stand("table", -0.2, 3.2, 0.8), Card("cup", (0.0, EYES - 0.65, 3.15), (0.3, 0.22))]
    return tuple(cards)


def corridor(rng: np.random.Generator) -> Cards:
    """A long corridor with doors, pictures and columns."""
    half, top, end = 1.7, -1.3, 36.0
    high, middle = EYES - top, (EYES + top) / 2
    cards = [ground("tiles", (-half, half), (-4, end), (1.7, 1.7))]
    cards.append(Card("ceiling", (0, top, 16), (2 * half, 40), "up", (3.4, 3.4)))
    cards += [Card("plaster", (x, middle, 16), (40, high), "side", (3, 3)) for x in (-half, half)]
    cards += [
        Card("plaster", (0, middle, end), (2 * half, high)),
        Card("door", (0, EYES - 1.05, end - 0.1), (1.2, 2.1)),
    ]
    for side in (-1, 1):
        for z in np.arange(1, 34, 4.0) + rng.uniform(0, 1.5):
            cards.append(Card("door", (side * (half - 0.02), EYES - 1.05, z), (1.0, 2.1), "side"))
            photo = str(rng.choice(["coffee", "chelsea", "rocket", "motorcycle_left", "coins"]))
            cards.append(Card(photo, (side * (half - 0.02), 0.0, z + 2), (1.0, 0.7), "side"))
        cards += [
            stand("plant", side * 1.35, z, 0.8) for z in np.array((7.0, 15.0, 25.0)) + rng.uniform(-1, 1)
        ]
    return tuple(cards)


def desk(rng: np.random.Generator) -> Cards:
    """Close by: a table with things on it 0.35 metres below the eyes, and a wall; look down 15 degrees."""
    low = 0.35
    cards = [
        Card("wallpaper", (0, 0, 1.9), (6, 3), tile=(0.8, 0.8)),
        Card("shelf", (-0.9, -0.3, 1.8), (0.9, 0.9)),
    ]
    cards += [
        Card("chelsea", (0.6, -0.25, 1.85), (0.7, 0.5)),
        Card("planks", (0, low, 0.9), (4, 1.8), "up", (0.9, 0.9)),
    ]
    things = [
        ("cup", 0.16, 0.12),
        ("plant", 0.2, 0.31),
        ("coffee", 0.2, 0.14),
        ("boat", 0.2, 0.18),
        ("statue", 0.16, 0.21),
    ]
    places = [(-0.30, 0.62), (0.3, 0.72), (0.02, 0.9), (-0.42, 1.05), (0.45, 1.15), (0.0, 1.4), (-0.7, 1.5)]
    for (x, z), n in zip(places, rng.permutation(7), strict=True):
        name, width, height = things[n % len(things)]
        cards.append(Card(name, (x, low - height / 2, z), (width, height)))
    return tuple(cards)


def vista(rng: np.random.Generator) -> Cards:
    """From a mountain: a town and hills, all about as far away; nothing is near."""
    cards = [*backdrop("forest")][:1]
    cards += [
        Card("hills", (0, -10, 760), (6000, 160), tile=(900, 160)),
        Card("forest", (0, 70, 700), (6000, 170), tile=(700, 90)),
    ]
    for x in np.arange(-1600, 1600, 130):
        cards.append(Card("skyline", (x + rng.uniform(-30, 30), 40, 680 + rng.uniform(-20, 20)), (140, 40)))
    cards.append(Card("fields", (0, 215, 670), (6000, 330), tile=(330, 220)))
    return tuple(cards)


def wall(rng: np.random.Generator) -> Cards:
    """A brick wall with posters, 3 metres ahead, and nothing else."""
    cards = [Card("brick", (0, 0, 3), (40, 20), tile=(1.6, 1.6))]
    photos = rng.permutation(["coffee", "chelsea", "astronaut", "rocket", "motorcycle_left", "coins"])
    for n, x in enumerate(np.arange(-9, 10, 1.25)):
        photo = str(photos[n % len(photos)])
        cards.append(Card(photo, (x, rng.uniform(-0.4, 0.3), 2.999), (0.8, 0.55)))
        cards.append(
            Card(photo, (x + 0.5, rng.choice((-1.5, 1.5)) + rng.uniform(-0.3, 0.3), 2.999), (0.6, 0.4))
        )
    return tuple(cards)


def bare(rng: np.random.Generator) -> Cards:
    """A nearly empty room: plain walls, a door, a skirting board, one column."""
    cards = [Card("plain", (0, 0, 5), (14, 3.2)), ground("plaster", (-7, 7), (-2, 5), (3, 3))]
    cards += [
        Card("door", (rng.uniform(0.8, 1.4), EYES - 1.0, 4.98), (0.9, 2.0)),
        Card("plain", (0, -1.6, 1.5), (14, 7), "up"),
    ]
    cards += [
        Card("column", (0, EYES - 0.05, 4.97), (14, 0.1)),
        stand("column", rng.uniform(-1.6, -1.0), 2.6),
    ]
    return tuple(cards)


def lake(rng: np.random.Generator) -> Cards:
    """A lake before hills: its water moves, and gets nowhere."""
    cards = [*backdrop(), ground("grass", (-150, 150), (-10, 6), (4, 4))]
    cards.append(Card("water", (0, EYES, 72), (400, 132), "up", (9, 9), boil="waves"))
    cards += [stand("bush", x, 5.6) for x in np.array((-4.4, -1.9, 2.4, 4.6)) + rng.uniform(-0.4, 0.4, 4)]
    cards.append(stand("tree", rng.choice((-3.4, 3.4)), 6.5))
    cards += [stand("boat", x, z) for x, z in zip(rng.uniform(-14, 14, 3), (24, 40, 60), strict=True)]
    return tuple(cards)


def wood(rng: np.random.Generator) -> Cards:
    """Leaves in the wind, near and far."""
    cards = [*backdrop(), ground("grass", (-150, 150), (-10, 140), (4, 4))]
    for z in np.geomspace(6, 40, 18):
        x = rng.uniform(-0.7, 0.7) * z
        cards.append(Card("tree", (x, EYES - 3.75, z), (4.4, 7.5), boil="sway"))
    cards += [Card("bush", (x, EYES - 0.6, 4.6), (1.8, 1.2), boil="sway") for x in np.arange(-3, 4, 1.9)]
    return tuple(cards)


def camp(rng: np.random.Generator) -> Cards:
    """A fire at night."""
    cards = [*backdrop(sky="dusk"), ground("gravel", (-60, 60), (-10, 60), (3, 3))]
    cards += [stand("tree", rng.uniform(-0.7, 0.7) * z, z) for z in np.geomspace(9, 50, 14)]
    x, y = rng.uniform(-0.4, 0.4), EYES - 0.6
    cards += [Card("fire", (x, y, 4.6), (0.9, 1.2), boil="flames"), stand("table", x, 4.65, 0.5)]
    cards += [stand("bush", -2.2, 4.4), stand("bush", 2.4, 5.0)]
    return tuple(cards)


def gravel(rng: np.random.Generator) -> Cards:
    """The ground with some leaves on it: look straight down."""
    cards = [ground("gravel", (-30, 30), (-30, 30), (1.4, 1.4))]
    places = rng.uniform(-2.5, 2.5, (30, 2))
    cards += [Card("cup", (x, EYES - 0.001, z), (0.22, 0.22), "up") for x, z in places]
    return tuple(cards)
