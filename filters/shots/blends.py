"""Dissolves and fades: pictures that are blends of the one before and the one after.

If A becomes B, a picture M between them is A + s (B - A), with a share s that grows evenly from 0 to 1. Where
the camera or an object moves, it is not: what M shows is neither in A nor in B, or in one of them alone. A
blend also loses contrast, by as much as s says, while M of a single take is as contrasty as A and B.
"""

from dataclasses import dataclass

import cv2
import numpy as np

TINY = 32  # longer side, pixels: little of the motion during a blend remains
LENGTHS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 28)  # pictures from A to B
LONGEST_S = 4.0  # longer dissolves hold too much motion
SHORT_S = 0.5  # shorter ones must be seen in frames, at 15 per second or more
FRAMES_S = 1 / 15
# The numbers lie between what 57 real single takes and 75 dissolves and fades between them reach.
RESIDUE = 0.14  # of |B - A|^2: how far M may be from the line
DIP = (-0.3, 0.15)  # 0: as much contrast as the blend has; 1: as much as A and B
UNEVEN = 0.3  # how far the share may be from growing evenly: cuts and captions come at once
ENERGY = 30.0  # least |B - A|^2, mean over the pixels, gray levels squared
CHANGE = 0.4  # of |A|^2 + |B|^2, least |B - A|^2: 1 for unrelated pictures
FLAT = 0.1  # of the other end's deviation: black, white, or nearly so


@dataclass(frozen=True)
class Blend:
    """A part of a sequence that may be a dissolve or a fade.

    Attributes:
        first: Index of picture A.
        last: Index of picture B.
        middle: Index of the first picture that shows more of B than of A.
        residue: How far the pictures M between them are from the line: |M - A - s (B - A)|^2 / |B - A|^2.
        fades: "out" if B is flat, "in" if A is, else "".
    """

    first: int
    last: int
    middle: int
    residue: float
    fades: str


def deviations(pictures: np.ndarray) -> np.ndarray:
    """Return the standard deviation (N,) of each of the pictures (N, H, W), gray levels."""
    return np.sqrt(np.diag(_products(pictures)))


def find_blends(pictures: np.ndarray, times: np.ndarray) -> list[Blend]:
    """Find what may be dissolves and fades, the most convincing first; they may overlap.

    Args:
        pictures: (N, H, W) uint8.
        times: (N,) seconds.
    """
    products, found = _products(pictures), []
    frames = float(np.median(np.diff(times))) < FRAMES_S
    for length in LENGTHS:
        if length < len(times):
            lasts = times[length:] - times[:-length]
            possible = (lasts <= LONGEST_S) & (frames | (lasts >= SHORT_S - 1e-6))
            found += _of_length(length, products, times, np.flatnonzero(possible))
    return sorted(found, key=lambda blend: blend.residue)


def _products(pictures: np.ndarray) -> np.ndarray:
    """Covariance (N, N) between the pixels of tiny copies of the pictures, float64."""
    scale = TINY / max(pictures.shape[1:])
    size = max(2, round(pictures.shape[2] * scale)), max(2, round(pictures.shape[1] * scale))
    tiny = np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures])
    pixels = tiny.reshape(len(tiny), -1).astype(np.float64)
    pixels -= pixels.mean(1, keepdims=True)  # light that changes is no blend
    return pixels @ pixels.T / pixels.shape[1]


def _of_length(length: int, products: np.ndarray, times: np.ndarray, i: np.ndarray) -> list[Blend]:
    """Find the blends of so many pictures that start at one of the pictures i (M,)."""
    j, k = i + length, i[:, None] + np.arange(1, length)
    aa, bb, ab = (products[a, b][:, None] for a, b in ((i, i), (j, j), (i, j)))
    mm, ma, mb = products[k, k], products[k, i[:, None]], products[k, j[:, None]]
    energy = aa + bb - 2 * ab + 1e-3
    share = (mb - ma - ab + aa) / energy
    rest = np.maximum(mm - 2 * ma + aa - share**2 * energy, 0) / energy
    blended = (1 - share) ** 2 * aa + share**2 * bb + 2 * share * (1 - share) * ab
    whole = (1 - share) * aa + share * bb
    # Pictures half way tell most.
    weight = np.clip(1 - np.abs(2 * share - 1), 0, 1)
    residue = (rest * weight).sum(1) / (weight.sum(1) + 1e-6)
    dip = ((mm - blended) * weight).sum(1) / (((whole - blended) * weight).sum(1) + 1e-3)
    uneven = np.abs(share - (times[k] - times[i][:, None]) / (times[j] - times[i])[:, None]).max(1)
    into, out_of = (low < FLAT**2 * high for low, high in ((bb[:, 0], aa[:, 0]), (aa[:, 0], bb[:, 0])))
    good = (residue < RESIDUE) & (uneven < UNEVEN)
    good &= into | out_of | (dip > DIP[0]) & (dip < DIP[1])
    good &= energy[:, 0] > np.maximum(ENERGY, CHANGE * (aa + bb))[:, 0]
    return [
        Blend(
            int(i[w]),
            int(j[w]),
            int(i[w]) + 1 + int(np.argmax(np.append(share[w], 1) > 0.5)),
            float(residue[w]),
            "out" if into[w] else "in" if out_of[w] else "",
        )
        for w in np.flatnonzero(good)
    ]
