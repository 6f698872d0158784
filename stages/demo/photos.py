"""The photographs that clips are made of: whole ones as scenes, cut-outs as moving objects.

They are files in the wheel of scikit-image, so that nothing is downloaded.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pipeline.errors import CallError
from stages.demo.recipe import Recipe

SCENE_COVER = 1.15  # size of the scene relative to the frame that it covers at mid-clip
SCENE_BLUR = 0.6  # pixels, standard deviation: prevents aliasing where the scale falls below 1
LOW_CONTRAST_BLUR = 4.0  # pixels, standard deviation: removes the texture as well as the contrast
SOFT_EDGE = 2.0  # pixels over which a sprite's outline fades

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
# The photograph, and the crop (x0, y0, x1, y1) as shares of its width and height.
SPRITES = {
    "face": ("astronaut", (0.27, 0.0, 0.63, 0.5)),
    "cat": ("chelsea", (0.1, 0.02, 0.98, 0.98)),
    "cup": ("coffee", (0.13, 0.0, 0.82, 0.97)),
    "badge": ("logo", (0.03, 0.02, 0.98, 0.98)),
    "motorcycle": ("motorcycle_left", (0.13, 0.26, 0.95, 0.92)),
}


@cache
def photograph(name: str) -> np.ndarray:
    """Load one of scikit-image's photographs.

    Args:
        name: Its file name without the suffix.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        CallError: scikit-image is not installed.
    """
    try:
        from skimage.data import data_dir
    except ImportError as error:
        raise CallError(
            "the demo's photographs come with scikit-image: pip install 'motionsight-distill[demo]'"
        ) from error

    file = next(Path(data_dir).glob(f"{name}.*"))
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def scene_image(recipe: Recipe) -> np.ndarray:
    """The scene at the scale of mid-clip, (H, W, 3) uint8 RGB, larger than the frame."""
    photo = photograph(recipe.photo)
    height, width = photo.shape[:2]
    scale = SCENE_COVER * max(recipe.width / width, recipe.height / height)
    scene = _resize(photo, round(width * scale), round(height * scale))
    if recipe.contrast < 1:
        scene = cv2.GaussianBlur(scene, (0, 0), LOW_CONTRAST_BLUR)
        scene = cv2.addWeighted(scene, recipe.contrast, np.full_like(scene, 128), 1 - recipe.contrast, 0)
    return cv2.GaussianBlur(scene, (0, 0), SCENE_BLUR)


def sprite_image(name: str, width: int) -> np.ndarray:
    """Cut an ellipse with a soft edge out of a photograph.

    Args:
        name: A key of SPRITES.
        width: Of the sprite, pixels.

    Returns:
        (h, width, 4) uint8: RGB, and coverage from 0 to 255.
    """
    photo, (x0, y0, x1, y1) = SPRITES[name]
    image = photograph(photo)
    rows, columns = image.shape[:2]
    patch = image[round(y0 * rows) : round(y1 * rows), round(x0 * columns) : round(x1 * columns)]
    height = round(width * patch.shape[0] / patch.shape[1])
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    inside = (1 - np.hypot(x, y)) * min(width, height) / 2  # pixels from the outline, approximately
    coverage = np.clip(inside / SOFT_EDGE, 0, 1)
    return np.dstack([_resize(patch, width, height), np.round(coverage * 255).astype(np.uint8)])


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    smaller = width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
