"""Labelled clips: photographs seen by a camera that moves in a known way, with objects moving over them.

A clip is drawn by continuous inverse warps of one flat scene (a photograph, mirrored past its borders), so
camera and objects move exactly as the recipe says, to a fraction of a pixel, with no parallax.

Geometry, in complex pixels (x right, y down) from the centre of the frame: the point p of a frame shows the
point c(t) + p exp(i roll t) / scale(t) of the scene. Times in formulas count from the middle of the clip,
when the scale is 1 and the camera looks at the middle of the photograph.
"""

import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import av
import cv2
import numpy as np
from PIL import Image

NOISE = 2.5  # gray levels, standard deviation: a small sensor in daylight
NOISE_MARGIN = 64  # pixels that the noise is larger than the frame, to be cut at a new place for each frame
SCENE_COVER = 1.15  # the photograph is this much larger than the frame
SCENE_BLUR = 0.6  # pixels, standard deviation: keeps the warped scene from aliasing when the scale is below 1
SHAKE_BAND = (1.0, 6.0)  # Hz, a hand's tremor
SHAKE_ROLL = 0.4  # radians of jitter in roll for a jitter of one frame width
SOFT_EDGE = 2.0  # pixels over which an object's outline fades
FLICKER_HZ = 3.0
CRF = 26
TICKER_SPEED = 0.15  # frame widths per second that a ticker's text runs to the left
SUBTITLE = ("Nobody had told him that the last", "train had left an hour before.")
TICKER = "FLOODS IN THE NORTH - TALKS GO ON - RAIN BY NIGHT - "

# What can be seen as a scene: photographs inside the scikit-image package, no download.
SCENES = (
    "astronaut",
    "coffee",
    "motorcycle_left",
    "chelsea",
    "camera",
    "rocket",
    "gravel",
    "coins",
    "ihc",
    "hubble_deep_field",
)
# What can move over it: photograph and crop (x0, y0, x1, y1), shares of the photograph.
LOOKS = {
    "face": ("astronaut", (0.27, 0.0, 0.63, 0.5)),
    "cat": ("chelsea", (0.1, 0.02, 0.98, 0.98)),
    "cup": ("coffee", (0.13, 0.0, 0.82, 0.97)),
    "badge": ("logo", (0.03, 0.02, 0.98, 0.98)),
    "motorcycle": ("motorcycle_left", (0.13, 0.26, 0.95, 0.92)),
}
SECTORS = ("right", "down-right", "down", "down-left", "left", "up-left", "up", "up-right")


@dataclass(frozen=True)
class Camera:
    """Constant rates, signs from the camera's point of view, as in `stages.models.protocols.CameraMotion`.

    pan: frame widths per second, positive right. tilt: frame heights per second, positive down.
    zoom: e-folds of scale per second, positive in. roll: degrees per second, positive clockwise.
    shake: root mean square length of the jitter, share of the frame width.
    """

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    roll: float = 0.0
    shake: float = 0.0


@dataclass(frozen=True)
class Mover:
    """An object that moves over the scene, and with the scene when the camera moves.

    velocity: relative to the scene, frame widths per second right, frame heights per second down.
    size: its width at mid-clip, share of the frame width. look: a key of LOOKS, cut out as an ellipse.
    start: its centre at mid-clip, shares of the frame width and height.
    """

    velocity: tuple[float, float]
    size: float
    look: str
    start: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Finish:
    """What shutter, sensor, editor and coder do to the pictures.

    light: brightness at the start and at the end, 1 as photographed. noise: gray levels, standard deviation.
    exposures: pictures averaged into a frame while the shutter is open, 1 no motion blur, many a shutter
    that is open from frame to frame. hold: frames that each picture is shown for. flash_s: seconds into the
    clip when one frame is all but white. bars: share of the height that is black, above and below each.
    caption: a channel's logo and two lines of text that stay, or a line of text that runs. crf: of H.264.
    """

    light: tuple[float, float] = (1.0, 1.0)
    noise: float = NOISE
    exposures: int = 1
    hold: int = 1
    flash_s: float | None = None
    bars: float = 0.0
    caption: Literal["subtitle", "ticker"] | None = None
    crf: int = CRF


@dataclass(frozen=True)
class Recipe:
    """One clip, whole. fps: frames per second. width, height: pixels, even.

    contrast: of the scene, 1 as photographed, towards 0 a blurred gray wall. flicker: swing of the
    brightness, share of it; bands: how many dark bands of that flicker roll over the frame's height, 0 when
    the whole frame flickers at once. then: what follows a cut, of the same size and fps. dissolve_s: how long
    the two overlap, one fading into the other, 0 a hard cut; `seconds` of both include it.
    """

    name: str
    photo: str
    camera: Camera = Camera()
    movers: tuple[Mover, ...] = ()
    seconds: float = 3.0
    fps: int = 24
    width: int = 480
    height: int = 320
    seed: int = 0
    contrast: float = 1.0
    flicker: float = 0.0
    bands: float = 0.0
    then: "Recipe | None" = None
    dissolve_s: float = 0.0
    finish: Finish = Finish()

    @property
    def camera_labels(self) -> tuple[str, ...]:
        """Names out of `pipeline.schema.CAMERA_LABELS`, in its order, of the part before any cut."""
        camera = self.camera
        moving = (
            ("pan_left", camera.pan < 0),
            ("pan_right", camera.pan > 0),
            ("tilt_up", camera.tilt < 0),
            ("tilt_down", camera.tilt > 0),
            ("roll_clockwise", camera.roll > 0),
            ("roll_counterclockwise", camera.roll < 0),
            ("zoom_in", camera.zoom > 0),
            ("zoom_out", camera.zoom < 0),
        )
        labels = tuple(label for label, true in moving if true)
        return labels or (("shake",) if camera.shake else ("static",))

    @property
    def direction(self) -> str | None:
        """The one of SECTORS that the first mover heads in, in pixels, relative to the scene."""
        if not self.movers:
            return None
        right, down = self.movers[0].velocity
        angle = math.atan2(down * self.height, right * self.width)
        return SECTORS[round(angle / (math.pi / 4)) % 8]

    @property
    def cut_s(self) -> float | None:
        """When the first cut is, the middle of it if it is a dissolve, seconds."""
        return self.seconds - self.dissolve_s / 2 if self.then else None

    @property
    def cuts_s(self) -> tuple[float, ...]:
        """When each cut is, seconds."""
        if not self.then:
            return ()
        start = self.seconds - self.dissolve_s
        return (self.seconds - self.dissolve_s / 2, *(start + cut for cut in self.then.cuts_s))

    @property
    def times(self) -> np.ndarray:
        """(T,) float64, seconds from the start, of the frames before any cut."""
        return np.arange(round(self.seconds * self.fps)) / self.fps


class Heading(NamedTuple):
    """How `recipes` orders an object: one of SECTORS, frame widths per second, size and start of a Mover."""

    direction: str
    speed: float
    size: float
    start: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Trajectory:
    """The camera over T frames: centre (T,) complex scene pixels, turn (T,) complex, exp(i roll) / scale.

    jitter: (T,) complex frame pixels, added to a frame's points before they are carried to the scene.
    """

    centre: np.ndarray
    turn: np.ndarray
    jitter: np.ndarray


def trajectory(recipe: Recipe) -> Trajectory:
    """Where the camera looks at each frame, by integrating its rates along its own, turning, axes."""
    camera = recipe.camera
    times = recipe.times - recipe.times.mean()
    velocity = complex(camera.pan * recipe.width, camera.tilt * recipe.height)
    rate = complex(-camera.zoom, math.radians(camera.roll))
    turn = np.exp(rate * times)
    centre = velocity * ((turn - 1) / rate if rate else times)
    if not camera.shake:
        return Trajectory(centre, turn, np.zeros_like(centre))
    x, y, roll = camera.shake * smooth_noise(recipe.times, recipe.seconds, recipe.seed)
    jitter = recipe.width * (x + 1j * y) / math.sqrt(2)
    return Trajectory(centre, turn * np.exp(1j * SHAKE_ROLL * roll), jitter)


def smooth_noise(times: np.ndarray, seconds: float, seed: int) -> np.ndarray:
    """(3, T) float64, each of mean 0 and root mean square 1: sines in SHAKE_BAND, slow ones larger.

    Whole periods fit in `seconds`, so there is no drift.
    """
    rng = np.random.default_rng((seed, 1))
    low, high = SHAKE_BAND
    hertz = np.arange(math.ceil(low * seconds), math.floor(high * seconds) + 1) / seconds
    phase = rng.uniform(0, 2 * np.pi, (3, len(hertz), 1))
    weight = rng.uniform(0.5, 1.5, (3, len(hertz), 1)) / hertz[:, None]
    noise = (weight * np.sin(2 * np.pi * hertz[:, None] * times + phase)).sum(1)
    noise -= noise.mean(1, keepdims=True)
    return noise / np.sqrt((noise**2).mean(1, keepdims=True))


def mover_boxes(recipe: Recipe, mover: Mover) -> np.ndarray:
    """(T, 4) float64 xyxy pixels, the whole object, also where it is outside of the frame."""
    path = trajectory(recipe)
    view = 1 / path.turn
    centre = (mover_path(recipe, mover) - path.centre) * view - path.jitter
    centre += middle(recipe.width, recipe.height)
    height, width = sprite(mover, recipe.width).shape[:2]
    half_width = np.hypot(width * view.real, height * view.imag) / 2
    half_height = np.hypot(width * view.imag, height * view.real) / 2
    return np.stack(
        [
            centre.real - half_width,
            centre.imag - half_height,
            centre.real + half_width,
            centre.imag + half_height,
        ],
        axis=1,
    )


def mover_path(recipe: Recipe, mover: Mover) -> np.ndarray:
    """(T,) complex scene pixels of the object's centre."""
    times = recipe.times - recipe.times.mean()
    x, y = ((mover.start[k] - 0.5 + mover.velocity[k] * times) for k in (0, 1))
    return x * recipe.width + 1j * y * recipe.height


def middle(width: int, height: int) -> complex:
    """The centre of an image in complex pixels, its first pixel's centre being 0."""
    return complex(width - 1, height - 1) / 2


@cache
def photograph(name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB, one that the scikit-image package holds on disk."""
    from skimage.data import data_dir

    file = next(Path(data_dir).glob(f"{name}.*"))
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    smaller = width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def scene_of(recipe: Recipe) -> np.ndarray:
    """(H, W, 3) uint8, the photograph at the scale of mid-clip, covering the frame."""
    photo = photograph(recipe.photo)
    height, width = photo.shape[:2]
    scale = SCENE_COVER * max(recipe.width / width, recipe.height / height)
    scene = resize(photo, round(width * scale), round(height * scale))
    if recipe.contrast < 1:
        scene = cv2.GaussianBlur(scene, (0, 0), 4)
        scene = cv2.addWeighted(scene, recipe.contrast, np.full_like(scene, 128), 1 - recipe.contrast, 0)
    return cv2.GaussianBlur(scene, (0, 0), SCENE_BLUR)


def sprite(mover: Mover, frame_width: int) -> np.ndarray:
    """(h, w, 4) uint8: RGB and coverage 0 to 255, an ellipse with a soft edge."""
    photo, (x0, y0, x1, y1) = LOOKS[mover.look]
    image = photograph(photo)
    rows, columns = image.shape[:2]
    patch = image[round(y0 * rows) : round(y1 * rows), round(x0 * columns) : round(x1 * columns)]
    width = round(mover.size * frame_width)
    height = round(width * patch.shape[0] / patch.shape[1])
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    edge = (1 - np.hypot(x, y)) * min(width, height) / 2  # pixels, about
    coverage = np.clip(edge / SOFT_EDGE, 0, 1)
    return np.dstack([resize(patch, width, height), np.round(coverage * 255).astype(np.uint8)])


def frames(recipe: Recipe) -> Iterator[np.ndarray]:
    """The clip's frames, (H, W, 3) uint8 RGB, noise included; the same for the same recipe."""
    following = frames(recipe.then) if recipe.then else iter(())
    fading = round(recipe.dissolve_s * recipe.fps)
    for t, frame in enumerate(finished(recipe)):
        gone = t + 1 + fading - len(recipe.times)
        share = max(gone, 0) / (fading + 1)
        yield cv2.addWeighted(frame, 1 - share, next(following), share, 0) if gone > 0 else frame
    yield from following


def finished(recipe: Recipe) -> Iterator[np.ndarray]:
    """The pictures of one shot as `recipe.finish` leaves them, (H, W, 3) uint8 RGB."""
    finish = recipe.finish
    rng = np.random.default_rng((recipe.seed, 0))
    noise = rng.normal(0, finish.noise, (recipe.height + NOISE_MARGIN, recipe.width + NOISE_MARGIN, 3))
    noise = noise.round().astype(np.int16)
    rows = np.arange(recipe.height)[:, None, None] / recipe.height
    light = np.linspace(*finish.light, len(recipe.times))
    bar = round(finish.bars * recipe.height)
    held = np.empty(0)
    for t, frame in enumerate(exposed(recipe)):
        cycles = FLICKER_HZ * recipe.times[t] + recipe.bands * rows
        gain = light[t] * (1 + recipe.flicker * np.sin(2 * np.pi * cycles))
        if recipe.flicker or light[t] != 1:
            frame = np.clip(frame * gain, 0, 255).astype(np.uint8)
        y, x = rng.integers(0, NOISE_MARGIN, 2)
        grain = noise[y : y + recipe.height, x : x + recipe.width]
        frame = cv2.add(frame, grain, dtype=cv2.CV_8U)
        if finish.flash_s is not None and t == round(finish.flash_s * recipe.fps):
            frame = 255 - (255 - frame) // 8
        frame[:bar] = frame[recipe.height - bar :] = 0
        if finish.caption:
            write(frame, finish.caption, recipe.times[t])
        if t % finish.hold == 0:
            held = frame
        yield held


def exposed(recipe: Recipe) -> Iterator[np.ndarray]:
    """The pictures of one shot with the motion blur of an open shutter, (H, W, 3) uint8 RGB."""
    count = recipe.finish.exposures
    moments = drawn(replace(recipe, fps=recipe.fps * count))
    for first in moments:
        yield np.mean([first, *itertools.islice(moments, count - 1)], axis=0).astype(np.uint8)


def drawn(recipe: Recipe) -> Iterator[np.ndarray]:
    """The pictures of one shot, (H, W, 3) uint8 RGB, sharp, clean and evenly lit."""
    scene = scene_of(recipe)
    centre = middle(recipe.width, recipe.height)
    path = trajectory(recipe)
    sprites = [(sprite(mover, recipe.width), mover_path(recipe, mover)) for mover in recipe.movers]
    for t, turn in enumerate(path.turn):
        # The scene point seen at frame pixel 0.
        corner = path.centre[t] + turn * (path.jitter[t] - centre)
        frame = cv2.warpAffine(
            scene,
            inverse_map(turn, corner + middle(scene.shape[1], scene.shape[0])),
            (recipe.width, recipe.height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for image, where in sprites:
            origin = corner - where[t] + middle(image.shape[1], image.shape[0])
            paste(frame, image, inverse_map(turn, origin))
        yield frame


def write(frame: np.ndarray, caption: str, time: float) -> None:
    """Burn a caption of `Finish` into frame (H, W, 3) uint8 as it is at a time in seconds, in place."""
    height, width = frame.shape[:2]
    white, font, scale = (255, 255, 255), cv2.FONT_HERSHEY_DUPLEX, height / 500
    if caption == "subtitle":
        badge = sprite(Mover((0, 0), 0.12, "badge"), width)
        corner = complex(0.02 * width, 0.03 * height)
        paste(frame, badge, inverse_map(1 + 0j, -corner))
        for row, line in enumerate(SUBTITLE):
            (length, _), _ = cv2.getTextSize(line, font, scale, 1)
            where = ((width - length) // 2, round((0.89 + 0.07 * row) * height))
            cv2.putText(frame, line, where, font, scale, (0, 0, 0), 3, cv2.LINE_AA)
            cv2.putText(frame, line, where, font, scale, white, 1, cv2.LINE_AA)
        return
    frame[round(0.88 * height) :] = (20, 20, 90)
    where = (round(-TICKER_SPEED * time * width), round(0.965 * height))
    cv2.putText(frame, 4 * TICKER, where, font, scale, white, 1, cv2.LINE_AA)


def inverse_map(turn: complex, origin: complex) -> np.ndarray:
    """(2, 3) float64 matrix that takes a frame's pixel p to turn * p + origin."""
    return np.array([[turn.real, -turn.imag, origin.real], [turn.imag, turn.real, origin.imag]])


def paste(frame: np.ndarray, image: np.ndarray, inverse: np.ndarray) -> None:
    """Lay image (h, w, 4) uint8 over frame (H, W, 3) uint8, in place; `inverse` as of `inverse_map`."""
    height, width = frame.shape[:2]
    layer = cv2.warpAffine(image, inverse, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    coverage = layer[..., 3].astype(np.float32) / 255
    cv2.blendLinear(np.ascontiguousarray(layer[..., :3]), frame, coverage, 1 - coverage, frame)


def render(recipe: Recipe, path: Path) -> None:
    """Write the clip as H.264; the same recipe gives the same bytes with the same encoder."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(recipe.fps))
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
        # x264's macroblock tree is not the same twice on processors with AVX-512 (seen: one encode in ten).
        stream.options = {"crf": str(recipe.finish.crf), "preset": "veryfast", "x264-params": "no-mbtree=1"}
        stream.codec_context.thread_count = 1
        for frame in frames(recipe):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def recipes(seed: int = 0) -> list[Recipe]:
    """The clips of `motionsight demo`: every camera label and every direction, alone and together."""
    rng = np.random.default_rng(seed)
    scenes = itertools.cycle(rng.permutation(SCENES).tolist())
    looks = itertools.cycle(rng.permutation(list(LOOKS)).tolist())
    sizes = itertools.cycle([(480, 320), (480, 270), (640, 360), (480, 360), (480, 320), (360, 640)])
    made: list[Recipe] = []

    def about(value: float) -> float:
        return round(value * rng.uniform(0.9, 1.1), 4)

    def add(name: str, *headings: Heading, **rates: float) -> None:
        photo = next(scenes)
        width, height = next(sizes)
        movers = []
        for direction, speed, size, start in headings:
            look = next(look for look in looks if LOOKS[look][0] != photo)
            angle = SECTORS.index(direction) * math.pi / 4
            speed = about(speed)
            right, down = speed * math.cos(angle), speed * math.sin(angle) * width / height
            movers.append(
                Mover((round(right, 4), round(down, 4)), size, look, (about(start[0]), about(start[1])))
            )
        camera = Camera(**{rate: about(value) for rate, value in rates.items()})
        number = len(made)
        made.append(
            Recipe(
                f"{number:02d}_{name}",
                photo,
                camera,
                tuple(movers),
                width=width,
                height=height,
                seed=1000 * seed + number,
            )
        )

    for pace in ("a", "b", "c"):
        add(f"static_{pace}")
    for pace, speed, zoom, roll in (
        ("slow", 0.055, 0.07, 5.5),
        ("", 0.15, 0.15, 12),
        ("fast", 0.33, 0.33, 23),
    ):
        tail = f"_{pace}" if pace else ""
        add(f"pan_left{tail}", pan=-speed)
        add(f"pan_right{tail}", pan=speed)
        add(f"tilt_up{tail}", tilt=-speed)
        add(f"tilt_down{tail}", tilt=speed)
        add(f"roll_clockwise{tail}", roll=roll)
        add(f"roll_counterclockwise{tail}", roll=-roll)
        add(f"zoom_in{tail}", zoom=zoom)
        add(f"zoom_out{tail}", zoom=-zoom)
    for pace, shake in (("slight", 0.006), ("handheld", 0.010), ("rough", 0.016)):
        add(f"shake_{pace}", shake=shake)

    add("pan_right_tilt_up", pan=0.15, tilt=-0.15)
    add("pan_left_tilt_down", pan=-0.2, tilt=0.12)
    add("pan_right_zoom_in", pan=0.15, zoom=0.15)
    add("pan_left_zoom_out", pan=-0.12, zoom=-0.15)
    add("tilt_up_zoom_in", tilt=-0.15, zoom=0.15)
    add("pan_left_roll_clockwise", pan=-0.15, roll=10)
    add("zoom_in_roll_counterclockwise", zoom=0.15, roll=-10)
    add("pan_left_handheld", pan=-0.15, shake=0.003)

    speeds = (0.2, 0.12, 0.08, 0.1, 0.16, 0.12, 0.1, 0.07)
    for direction, speed, size in zip(SECTORS, speeds, itertools.cycle((0.22, 0.28)), strict=False):
        add(f"object_{direction}", Heading(direction, speed, size))
    add("object_right_pan_right", Heading("right", 0.14, 0.22), pan=0.12)
    add("object_left_pan_right", Heading("left", 0.08, 0.22), pan=0.1)
    add("object_up_pan_left", Heading("up", 0.09, 0.24), pan=-0.12)
    add("object_left_tilt_down", Heading("left", 0.14, 0.24), tilt=0.1)
    add("object_down-right_tilt_up", Heading("down-right", 0.08, 0.22), tilt=-0.08)
    add("object_right_zoom_in", Heading("right", 0.12, 0.2), zoom=0.12)
    add("object_down_zoom_out", Heading("down", 0.09, 0.24), zoom=-0.12)
    add("two_objects", Heading("right", 0.1, 0.24, (0.35, 0.25)), Heading("up", 0.08, 0.2, (0.8, 0.6)))
    add("object_left_shake", Heading("left", 0.14, 0.26), shake=0.008)
    add("large_object_left", Heading("left", 0.1, 0.45))
    add("large_object_up-right", Heading("up-right", 0.09, 0.45))
    return made


def hard_cases() -> list[Recipe]:
    """Clips that mislead a careless estimator, each with the label that a person gives it."""
    wall = Mover((0.04, 0.0), 0.9, "cup")
    second = Recipe("second_shot", "motorcycle_left", Camera(tilt=0.12), seconds=1.5, seed=1)
    return [
        # Cuts, of which the longest shot, the first, is named.
        Recipe("cut_static", "coffee", seconds=1.5, seed=2, then=replace(second, camera=Camera())),
        Recipe("cut_pan_right", "astronaut", Camera(pan=0.15), seconds=1.5, seed=3, then=second),
        Recipe(
            "cut_in_a_pan",
            "chelsea",
            Camera(pan=-0.15),
            seconds=1.7,
            seed=20,
            then=replace(second, camera=Camera(pan=-0.15)),
        ),
        Recipe(
            "two_cuts",
            "rocket",
            seconds=1.8,
            seed=21,
            then=replace(second, photo="coins", then=Recipe("third_shot", "chelsea", seconds=1.2)),
        ),
        Recipe("dissolve", "astronaut", Camera(pan=0.12), seconds=2.3, seed=22, then=second, dissolve_s=0.6),
        # Light.
        Recipe("flicker_static", "astronaut", seed=4, flicker=0.15),
        Recipe("rolling_bands_static", "motorcycle_left", seed=5, flicker=0.1, bands=1.5),
        Recipe("rolling_bands_pan_right", "coffee", Camera(pan=0.08), seed=23, flicker=0.1, bands=1.5),
        Recipe("flash_static", "coffee", seed=24, finish=Finish(flash_s=1.5)),
        Recipe("flash_pan_left", "motorcycle_left", Camera(pan=-0.12), seed=25, finish=Finish(flash_s=1.5)),
        Recipe(
            "flash_before_a_cut",
            "coffee",
            seconds=2.0,
            seed=57,
            finish=Finish(flash_s=1.875),
            then=replace(second, camera=Camera()),
        ),
        Recipe("fade_in_static", "astronaut", seed=26, finish=Finish(light=(0.05, 1))),
        Recipe("fade_out_tilt_down", "coffee", Camera(tilt=0.12), seed=27, finish=Finish(light=(1, 0.05))),
        Recipe("dark_static", "motorcycle_left", seed=28, finish=Finish(light=(0.15, 0.15), noise=6)),
        Recipe(
            "dark_pan_left",
            "astronaut",
            Camera(pan=-0.12),
            seed=29,
            finish=Finish(light=(0.15, 0.15), noise=6),
        ),
        # Little to see.
        Recipe("low_texture_static", "chelsea", seed=6, contrast=0.15),
        Recipe("low_texture_pan_right", "coffee", Camera(pan=0.12), seed=7, contrast=0.15),
        Recipe("noisy_wall_static", "coffee", seed=30, contrast=0.1, finish=Finish(noise=7)),
        Recipe(
            "noisy_wall_tilt_up",
            "astronaut",
            Camera(tilt=-0.15),
            seed=31,
            contrast=0.1,
            finish=Finish(noise=7),
        ),
        Recipe("coarse_coding_static", "rocket", seed=32, finish=Finish(crf=42)),
        Recipe("coarse_coding_pan_right", "chelsea", Camera(pan=0.06), seed=33, finish=Finish(crf=42)),
        Recipe("blurred_pan_left", "coffee", Camera(pan=-0.6), seed=34, finish=Finish(exposures=6)),
        # What a hand and a frame rate do.
        Recipe("handheld", "motorcycle_left", Camera(shake=0.005), seed=35),
        Recipe("handheld_pan_right", "astronaut", Camera(pan=0.12, shake=0.005), seed=36),
        Recipe("shaken_pan_left", "coffee", Camera(pan=-0.25, shake=0.012), seed=37),
        Recipe("repeated_frames_pan_left", "chelsea", Camera(pan=-0.15), seed=38, finish=Finish(hold=2)),
        Recipe("stuttering_tilt_down", "astronaut", Camera(tilt=0.15), seed=39, finish=Finish(hold=5)),
        # What an editor lays over it.
        Recipe("letterbox_pan_left", "coffee", Camera(pan=-0.1), seed=40, finish=Finish(bars=0.14)),
        Recipe("letterbox_zoom_in", "chelsea", Camera(zoom=0.15), seed=41, finish=Finish(bars=0.14)),
        Recipe("subtitle_pan_right", "gravel", Camera(pan=0.1), seed=42, finish=Finish(caption="subtitle")),
        Recipe(
            "subtitle_flat_tilt_up",
            "coffee",
            Camera(tilt=-0.15),
            seed=43,
            contrast=0.25,
            finish=Finish(caption="subtitle"),
        ),
        Recipe("ticker_static", "coffee", seed=44, finish=Finish(caption="ticker")),
        Recipe("ticker_flat_static", "chelsea", seed=45, contrast=0.25, finish=Finish(caption="ticker")),
        # Large things in front: their share of the frame where the name has one.
        Recipe("huge_object_static", "camera", movers=(wall,), seed=8),
        Recipe("crossing_30_static", "coffee", movers=(Mover((0.3, 0), 0.43, "face"),), seed=46),
        Recipe("crossing_50_static", "astronaut", movers=(Mover((-0.2, 0), 0.67, "cup"),), seed=47),
        Recipe("crossing_70_static", "gravel", movers=(Mover((0.1, 0), 0.8, "cup"),), seed=48),
        Recipe("rising_50_static", "motorcycle_left", movers=(Mover((0, -0.25), 0.55, "face"),), seed=49),
        Recipe("entering_50_static", "rocket", movers=(Mover((0.2, 0), 0.67, "cup", (0.2, 0.6)),), seed=50),
        Recipe(
            "followed_30_pan_left",
            "coffee",
            Camera(pan=-0.15),
            (Mover((-0.15, 0), 0.43, "face"),),
            seed=51,
        ),
        Recipe(
            "followed_50_pan_right",
            "motorcycle_left",
            Camera(pan=0.12),
            (Mover((0.12, 0), 0.67, "cup"),),
            seed=52,
        ),
        Recipe(
            "followed_70_tilt_up",
            "gravel",
            Camera(tilt=-0.15),
            (Mover((0, -0.15), 0.8, "cup"),),
            seed=53,
        ),
        Recipe(
            "overtaken_50_pan_right",
            "astronaut",
            Camera(pan=0.1),
            (Mover((0.25, 0), 0.67, "cup", (0.4, 0.5)),),
            seed=54,
        ),
        Recipe("crossing_40_zoom_in", "gravel", Camera(zoom=0.15), (Mover((0.15, 0), 0.6, "cup"),), seed=55),
        Recipe(
            "crossing_40_roll_clockwise",
            "coffee",
            Camera(roll=10),
            (Mover((-0.15, 0), 0.5, "face"),),
            seed=56,
        ),
    ]


def label_row(recipe: Recipe) -> dict[str, object]:
    """What labels.json says of a clip."""
    return {
        "name": recipe.name,
        "file": f"{recipe.name}.mp4",
        "camera_labels": recipe.camera_labels,
        "direction": recipe.direction,
        "cut_s": recipe.cut_s,
        **asdict(recipe.camera),
        "movers": [asdict(mover) for mover in recipe.movers],
        "photo": recipe.photo,
        "seconds": recipe.seconds,
        "fps": recipe.fps,
        "width": recipe.width,
        "height": recipe.height,
    }


def render_all(
    folder: Path, seed: int = 0, done: Callable[[Recipe], object] = lambda recipe: None
) -> list[Recipe]:
    """Write every clip of `recipes` and, last, labels.json into the folder; `done` is told of each clip."""
    folder.mkdir(parents=True, exist_ok=True)
    made = recipes(seed)
    for recipe in made:
        render(recipe, folder / f"{recipe.name}.mp4")
        done(recipe)
    (folder / "labels.json").write_text(json.dumps([label_row(recipe) for recipe in made], indent=1) + "\n")
    return made
