"""Perceptual hash, for finding near duplicates."""

from typing import Any

import imagehash
import numpy as np
from PIL import Image

from stages.score.measure import Measure, Measured


class PerceptualHash(Measure):
    """The perceptual hashes of three samples."""

    name = "phash"

    def __call__(self, clip: Measured, pictures: np.ndarray | None) -> dict[str, Any]:
        """Hash the clip; see `Measure`."""
        return {"phash": perceptual_hash(clip.samples)}


def perceptual_hash(samples: np.ndarray) -> str:
    """Compute the 64-bit DCT hashes of the samples at 1/6, 1/2 and 5/6 of a clip.

    Args:
        samples: (N, H, W) uint8 luma.

    Returns:
        48 hex digits.
    """
    picked = [samples[int(len(samples) * share)] for share in (1 / 6, 1 / 2, 5 / 6)]
    return "".join(str(imagehash.phash(Image.fromarray(image))) for image in picked)
