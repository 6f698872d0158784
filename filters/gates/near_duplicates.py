"""Gate on clips that look alike, by their perceptual hashes."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.gate import ClipGate


class NearDuplicates(ClipGate):
    """Keeps only the first, by clip_id, of clips that look alike."""

    name, order = "near_duplicates", 90
    columns = ("clip_id", "phash")

    near_duplicates: Literal["keep", "drop"] = Field(
        "keep", description="'drop' keeps only the first (by clip_id) of clips that look alike"
    )
    phash_distance: int = Field(
        12,
        ge=0,
        le=192,
        description="maximum number of bits, of 192, in which the hashes of clips that look alike differ",
    )

    @classmethod
    def drops(cls, scores: pa.Table, settings: Any, left: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Drop duplicates among the clips that are left, and clips without a hash; see `ClipGate`."""
        if settings.near_duplicates != "drop":
            return
        at = np.flatnonzero(left)
        at = at[np.argsort(np.array(scores["clip_id"].to_pylist(), object)[at], kind="stable")]
        hashes = scores["phash"].take(pa.array(at)).to_pylist()
        alike = near_duplicates(hashes, settings.phash_distance) >= 0
        dropped = np.zeros(len(left), bool)
        dropped[at[alike | np.array([not value for value in hashes], bool)]] = True
        yield "near_duplicates", dropped


def near_duplicates(phashes: Sequence[str | None], distance: int) -> np.ndarray:
    """Find, for each hash, the first earlier hash that it is similar to.

    Args:
        phashes: N hex strings. Hashes of different lengths are never similar; nor is None to anything.
        distance: Maximum number of bits in which similar hashes differ.

    Returns:
        (N,) int64: the index of the earlier hash, which is not a duplicate itself; -1 if there is none.
    """
    first = np.full(len(phashes), -1, np.int64)
    texts = np.array([text or "" for text in phashes], object)
    lengths = np.array([len(text) for text in texts], np.int64)
    for length in set(lengths.tolist()) - {0}:
        own = np.flatnonzero(lengths == length)
        packed = np.frombuffer(bytes.fromhex("".join(texts[own]) + "0" * (length * len(own) % 2)), np.uint8)
        bits = np.unpackbits(packed)[: 4 * length * len(own)].reshape(len(own), 4 * length)
        words = np.packbits(np.pad(bits, ((0, 0), (0, -4 * length % 64))), axis=1).view(np.uint64)
        _, where, of = np.unique(words, axis=0, return_index=True, return_inverse=True)
        once = np.sort(where)  # the first of equal hashes
        found = np.full(len(once), -1, np.int64)
        for early, late in _pairs(bits[once], words[once], distance):
            if found[early] < 0 and found[late] < 0:
                found[late] = early
        representative = np.searchsorted(once, where)[of.reshape(-1)]
        at = np.where(found >= 0, found, np.arange(len(once)))[representative]
        first[own] = np.where(own == own[once[at]], -1, own[once[at]])
    return first


def _pairs(bits: np.ndarray, words: np.ndarray, distance: int) -> list[tuple[int, int]]:
    """Find the pairs of hashes that differ in at most `distance` bits.

    Such a pair is identical in at least one of distance + 1 bands (pigeonhole principle), so only hashes that
    agree on a band are compared.

    Args:
        bits: (N, B) uint8.
        words: (N, B / 64) uint64, the same hashes.
        distance: Maximum number of bits in which the hashes differ.

    Returns:
        Pairs (early, late), in order of (late, early).
    """
    pairs: list[np.ndarray] = []
    for band in np.array_split(bits, min(distance, bits.shape[1]) + 1, axis=1):
        keys = np.packbits(np.pad(band, ((0, 0), (0, 1))), axis=1)  # a band may be empty
        keys = keys.view(f"V{keys.shape[1]}").reshape(-1)
        order = np.argsort(keys, kind="stable")
        _, group = np.unique(keys[order], return_inverse=True)
        sorted_words = words[order]
        at = np.arange(len(order) - 1)
        step = 0
        while len(at):
            step += 1
            at = at[at + step < len(order)]
            at = at[group[at] == group[at + step]]
            near = at
            differ = np.zeros(len(near), np.int64)
            for word in sorted_words.T:  # most pairs already differ in the first word
                differ = differ + np.bitwise_count(word[near] ^ word[near + step])
                near, differ = near[differ <= distance], differ[differ <= distance]
            pairs.append(np.stack((order[near + step], order[near]), axis=1))
    every = np.unique(np.concatenate(pairs), axis=0) if pairs else np.empty((0, 2), np.int64)
    return [(early, late) for late, early in every.tolist()]
