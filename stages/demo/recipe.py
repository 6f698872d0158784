"""What a rendered clip is: scene, camera, moving objects and post-processing, and the exact labels of each.

A recipe is the ground truth. Its labels, directions and cuts follow from its parameters, not from pixels.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

NOISE = 2.5  # gray levels, standard deviation: a small sensor in daylight
CRF = 26  # x264's constant rate factor: visibly compressed, as on the web

# Clockwise as seen on screen, 45 degrees apart.
DIRECTIONS = ("right", "down-right", "down", "down-left", "left", "up-left", "up", "up-right")


def direction_of(x: float, y: float) -> str:
    """Name the direction of a motion in the frame.

    Args:
        x: Motion to the right, in any unit of length that y has too.
        y: Motion down.

    Returns:
        The member of DIRECTIONS whose angle is nearest.
    """
    return DIRECTIONS[round(math.atan2(y, x) / (math.pi / 4)) % 8]


@dataclass(frozen=True)
class Camera:
    """Constant rates of camera motion; units and signs are those of the columns of the `scores` table.

    Attributes:
        pan: Frame widths per second, positive right.
        tilt: Frame heights per second, positive down.
        zoom: E-folds of scale per second, positive in.
        roll: Degrees per second, positive clockwise.
        shake: Root mean square length of the jitter, as a share of the frame width.
    """

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    roll: float = 0.0
    shake: float = 0.0


@dataclass(frozen=True)
class Mover:
    """An object that moves relative to the scene.

    Attributes:
        velocity: Relative to the scene: frame widths per second right, frame heights per second down.
        size: Its width at mid-clip, as a share of the frame width.
        sprite: What it looks like, a key of `photos.SPRITES`.
        start: Its centre at mid-clip, as shares of the frame width and height.
    """

    velocity: tuple[float, float]
    size: float
    sprite: str
    start: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Finish:
    """What shutter, sensor, editor and encoder do to the frames.

    Attributes:
        light: Brightness at the start and at the end; 1 is as photographed.
        noise: Standard deviation of the sensor noise, gray levels.
        exposures: Renderings averaged into one frame while the shutter is open. 1 gives no motion blur;
            more give that of a shutter which is open for the whole frame interval.
        hold: For how many frames each frame is repeated.
        flash_s: Time of a single, nearly white frame, seconds from the start.
        bars: Height of the black bar at the top, and of that at the bottom, as a share of the frame height.
        caption: "subtitle" burns in a channel logo and two fixed lines, "ticker" a running line of text.
        crf: Constant rate factor of the H.264 encoder.
    """

    light: tuple[float, float] = (1.0, 1.0)
    noise: float = NOISE
    exposures: int = 1
    hold: int = 1
    flash_s: float | None = None
    bars: float = 0.0
    caption: Literal["subtitle", "ticker"] | None = None
    crf: int = CRF


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What every rendered shot has, whatever it shows.

    Attributes:
        seconds: Its length, including its dissolve.
        fps: Frames per second.
        width: Pixels, even.
        height: Pixels, even.
        seed: Of the sensor noise, the shake, and whatever is made at random.
        flicker: Amplitude of the brightness oscillation, as a share of the brightness.
        bands: How many dark bands of the flicker roll over the frame's height; 0 flickers as a whole.
        finish: Post-processing.
    """

    seconds: float = 3.0
    fps: int = 24
    width: int = 480
    height: int = 320
    seed: int = 0
    flicker: float = 0.0
    bands: float = 0.0
    finish: Finish = Finish()

    @property
    def times(self) -> np.ndarray:
        """Times of the frames, (T,) float64, seconds from the start of the shot."""
        return np.arange(round(self.seconds * self.fps)) / self.fps


@dataclass(frozen=True)
class Recipe(Shot):
    """Everything that determines a clip: one shot, and what it cuts to.

    Attributes:
        name: File name of the clip without its suffix.
        photo: The scene, one of `photos.SCENES`.
        camera: How the camera moves.
        movers: The moving objects, painted in this order; the first is the main object.
        contrast: Of the scene. 1 is as photographed; below that it is blurred and fades to gray.
        then: The next shot, of the same size and frame rate.
        dissolve_s: How long the two shots overlap, one fading into the other; 0 is a hard cut.
    """

    name: str
    photo: str
    camera: Camera = Camera()
    movers: tuple[Mover, ...] = ()
    contrast: float = 1.0
    then: "Recipe | None" = None
    dissolve_s: float = 0.0

    @property
    def camera_labels(self) -> tuple[str, ...]:
        """Labels of the first shot, from `pipeline.schema.CAMERA_LABELS` and in its order."""
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
        """Direction of the main object relative to the scene, from DIRECTIONS; None without objects."""
        if not self.movers:
            return None
        right, down = self.movers[0].velocity
        return direction_of(right * self.width, down * self.height)

    @property
    def cuts_s(self) -> tuple[float, ...]:
        """Times of all cuts, seconds from the start; of a dissolve, its middle."""
        if not self.then:
            return ()
        start = self.seconds - self.dissolve_s
        return (self.seconds - self.dissolve_s / 2, *(start + cut for cut in self.then.cuts_s))
