"""Which split a source video falls in: a hash decides, so that later videos move none of the earlier ones."""

import hashlib

from stages.split.schema import SPLITS, Split
from stages.split.settings import Shares


def uniform(text: str) -> float:
    """Map a text to a number in [0, 1) that depends on the text alone: 48 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def split_of(video_id: str, seed: int, shares: Shares) -> Split:
    """Choose the split of a source video, whatever other videos there are."""
    at = uniform(f"{seed}\n{video_id}")
    bound = 0.0
    for name in SPLITS:
        bound += getattr(shares, name)
        if at < bound:
            return name
    return max(SPLITS, key=lambda name: getattr(shares, name))  # the shares sum to slightly less than 1
