"""Where the camera of a scene with depth is over time, and where it sees the world."""

import math
from dataclasses import dataclass

import numpy as np

from stages.demo.depth.recipe import Card, DepthRecipe
from stages.demo.trajectory import smooth_noise

STEPS = 16  # of integration for each frame
NEAR = 0.05  # metres from the camera: nothing nearer is drawn
# Directions of a card's columns and rows in the world.
AXES = {
    "camera": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "side": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0)),
    "up": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
}


@dataclass(frozen=True)
class Pose:
    """The camera at one moment.

    Attributes:
        place: (3,) float64, metres.
        axes: (3, 3) float64, rows are the camera's right, down and forward axes in the world.
        focal: Focal length, pixels.
    """

    place: np.ndarray
    axes: np.ndarray
    focal: float

    def matrix(self, width: int, height: int) -> np.ndarray:
        """The (3, 3) matrix from camera coordinates to pixels, counted from the centre of the first one."""
        return np.array([[self.focal, 0, (width - 1) / 2], [0, self.focal, (height - 1) / 2], [0, 0, 1.0]])

    def project(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """Where points (..., 3) of the world are in the frame: (..., 2) pixels, NaN nearer than NEAR."""
        seen = (points - self.place) @ self.axes.T @ self.matrix(width, height).T
        depth = np.where(seen[..., 2:] > NEAR, seen[..., 2:], np.nan)
        return seen[..., :2] / depth


def poses(recipe: DepthRecipe) -> list[Pose]:
    """Integrate the camera's rates: its pose at each frame."""
    count, step = len(recipe.times), 1 / (STEPS * recipe.fps)
    middles = (np.arange(STEPS * count) + 0.5) * step
    leg = np.searchsorted([leg.start for leg in recipe.legs], middles, side="right") - 1
    travel, turn, zoom = (
        np.array(rates)[leg]
        for rates in zip(*((one.travel, one.turn, one.zoom) for one in recipe.legs), strict=True)
    )
    first = np.array([0.0, math.radians(recipe.pitch), 0.0])
    half_way = first + np.cumsum(turn, 0) * step - turn * step / 2
    place = _sums(np.einsum("nij,ni->nj", rotations(half_way), travel) * step)
    angles = first + _sums(turn * step)
    if recipe.shake:
        tremble = smooth_noise(recipe.times, recipe.seconds, recipe.seed)
        angles = angles + math.radians(recipe.shake) * tremble.T
    focal = recipe.width / 2 / math.tan(math.radians(recipe.view / 2)) * np.exp(_sums(zoom * step))
    return [Pose(*pose) for pose in zip(place, rotations(angles), focal.tolist(), strict=True)]


def _sums(steps: np.ndarray) -> np.ndarray:
    """The sum of all earlier steps at each frame."""
    whole = steps.reshape(-1, STEPS, *steps.shape[1:]).sum(1)
    return np.cumsum(whole, 0) - whole


def rotations(angles: np.ndarray) -> np.ndarray:
    """The axes (N, 3, 3) of cameras that turned right, down and clockwise by angles (N, 3), radians."""
    (sy, sp, sr), (cy, cp, cr) = np.sin(angles).T, np.cos(angles).T
    o, i = np.zeros_like(sy), np.ones_like(sy)

    def stacked(*rows: tuple[np.ndarray, ...]) -> np.ndarray:
        return np.moveaxis(np.array(rows), 2, 0)

    yaw = stacked((cy, o, -sy), (o, i, o), (sy, o, cy))
    pitch = stacked((i, o, o), (o, cp, -sp), (o, sp, cp))
    roll = stacked((cr, sr, o), (-sr, cr, o), (o, o, i))
    return roll @ pitch @ yaw


def plane(card: Card, pose: Pose, time: float) -> np.ndarray:
    """A card in camera coordinates at a time in seconds.

    Returns:
        (3, 3) float64: M @ (s, t, 1) is the point s metres right of the card's centre and t metres below.
    """
    world = np.column_stack([*AXES[card.facing], card.at(time)])
    if card.attached:
        return world
    world[:, 2] -= pose.place
    return pose.axes @ world


def corners(card: Card) -> np.ndarray:
    """The card's corners in turn, (4, 2) float64 metres from its centre, right and down."""
    return np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * card.size
