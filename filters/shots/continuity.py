"""Shots begin where nothing connects the pictures: cuts, dissolves and fades, found in two looks.

The samples are too far apart to tell a cut from a whip pan, or from someone who steps out of the picture. So
they only say where a closer look is worth while: there, all frames are compared with each other.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

import cv2
import numpy as np

from filters.camera.alignment import COMPARED, Dissimilarity, dissimilarity, pixels
from filters.camera.flashes import FLASH
from filters.flow.estimator import FlowEstimator, flows
from filters.shots.blends import Blend, deviations, find_blends
from filters.shots.detector import LAST_S, Footage, ShotBackend, ShotDetector

# Dissimilarities. The numbers lie between what single takes and cuts reach: 57 and 9 real clips, and cuts,
# whip pans, exits, flashes and the like composed from half of them.
DOUBTFUL = 0.3  # between samples: a closer look is worth while
DOUBTFUL_OUTLIER = 1.5  # times the median of the eight around
LIKE = 0.35  # between frames: cuts between like pictures, such as two moments of one scene
LIKE_QUARTER = 0.15  # a caption that appears leaves more of the picture as it was
LIKE_ODDS = 7.0  # times the odds between the frames around: those of fast motion differ as well
DIFFERENT = 0.6  # between frames: cuts between pictures that share nothing
DIFFERENT_ODDS = 4.0
LEAST_ODDS = 0.02  # of the frames around: noise
AROUND_S = 0.3  # how far around
CONNECTED = 0.5  # of the dissimilarity: the scene is back after a glitch, a flash, someone before the lens
INTERRUPTED_S = 0.35  # how long these last at most
FLASH_S = 0.15  # how long a flash lasts at most, where there is no telling what was before or comes after
FROZEN = 0.005  # between frames: after a picture that stood still while time went on, motion leaps
UNRELATED = 0.5  # between what is before and after a dissolve or a fade
REACH = 0.4  # of a blend, from its middle to both sides
MOVES = 1.2  # times the error of motion: dissolves between moving pictures come close to 1
CODING_ERROR = 0.3  # gray levels, mean absolute: of two codings of the same picture
FADED_S = 2.0  # how long the picture stays black or white between fading out and in, at most
SEEN = 0.3  # of the contrast before a fade: what comes after it can be seen
LOOKS_S = 60.0  # in all: long clips are sampled so thinly that every sample is doubtful


class ContinuityConfig(ShotBackend):
    """Looks for what connects the pictures: motion, or the same scene before and after."""

    backend: Literal["continuity"] = "continuity"

    def build(self) -> ShotDetector:
        """Return the detector; there is nothing to load."""
        return find_shots


def find_shots(footage: Footage) -> list[int]:
    """Find where shots begin; see `ShotDetector`."""
    samples = np.stack([_shrunk(sample) for sample in footage.samples])
    times, estimate = footage.times, footage.estimate
    ends = float(times[0]), float(times[-1])
    scene = _Scene(samples, times, ends, estimate)
    boundaries = [scene.span(blend) for blend in scene.blends()]
    parts = doubtful(footage.unlike, times)
    for (a, b), seen in itertools.zip_longest(parts, _looks(footage, parts)):
        # Samples before and after, for want of anything better to compare with.
        near = slice(max(0, a - 2), b + 3)
        pictures, at = seen or (samples[near], times[near])
        scene = _Scene(pictures, at, ends, estimate)
        cuts = [at[k] for k in scene.cuts() if times[a] < at[k] <= times[b] + 1e-6]
        seen_here = [(cut, cut, cut) for cut in cuts] + [scene.span(blend) for blend in scene.blends()]
        # What the samples have shown already is not counted again, nor is a cut as a short dissolve.
        for first, start, last in seen_here:
            if not any(first <= other[2] and other[0] <= last for other in boundaries):
                boundaries.append((first, start, last))
    return footage.starting(start for _, start, _ in boundaries)


def _looks(footage: Footage, parts: Sequence[tuple[int, int]]) -> list[tuple[np.ndarray, np.ndarray] | None]:
    """Frames and times of the first parts; None where there are no more frames than samples."""
    times, spans, left = footage.times, [], LOOKS_S
    for a, b in parts:
        start, end = max(times[a] - AROUND_S, times[0]), min(times[b] + AROUND_S, times[-1]) + LAST_S
        if (left := left - (end - start)) < 0:
            break
        spans.append((float(start), float(end)))
    if footage.look is None or not spans:
        return []
    looks = footage.look(spans, COMPARED, False)
    samples = [np.count_nonzero((times >= start) & (times < end)) for start, end in spans]
    return [seen if len(seen[1]) > count else None for seen, count in zip(looks, samples, strict=True)]


def _half_way(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """A picture (H, W) uint8 after half of a motion (H, W, 2), which is taken to be smooth."""
    x, y = pixels(picture.shape)
    at = x - 0.5 * flow[..., 0], y - 0.5 * flow[..., 1]
    return cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _error(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference of two pictures (H, W) uint8, gray levels, and that of coding noise."""
    return float(cv2.absdiff(a, b).mean()) + CODING_ERROR


def _shrunk(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W) uint8 with a longer side of `COMPARED` pixels."""
    scale = COMPARED / max(picture.shape)
    size = max(8, round(picture.shape[1] * scale)), max(8, round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def doubtful(unlike: np.ndarray, times: np.ndarray) -> list[tuple[int, int]]:
    """Find where samples are so unlike that there may be a cut.

    Args:
        unlike: (N,) dissimilarity of each sample to the one before.
        times: (N,) seconds.

    Returns:
        First and last sample of each part of the clip worth a closer look; looks do not overlap.
    """
    parts: list[tuple[int, int]] = []
    for k in range(1, len(times)):
        around = [*unlike[max(1, k - 4) : k], *unlike[k + 1 : k + 5]]
        if unlike[k] < DOUBTFUL or (around and unlike[k] < DOUBTFUL_OUTLIER * np.median(around)):
            continue
        near = parts and times[k - 1] - times[parts[-1][1]] <= 2 * AROUND_S
        parts.append((parts.pop()[0] if near else k - 1, k))
    return parts


class _Scene:
    """Neighbouring pictures of a clip, and what connects them."""

    def __init__(
        self,
        pictures: np.ndarray,
        times: np.ndarray,
        ends: tuple[float, float],
        estimate: FlowEstimator,
    ) -> None:
        """Keep what the comparisons need.

        Args:
            pictures: (M, H, W) uint8.
            times: (M,) seconds.
            ends: Start and end of the whole clip, seconds.
            estimate: Optical flow.
        """
        self.times, self._ends = times, ends
        self._pictures, self._estimate = pictures, estimate

    def cuts(self) -> Iterator[int]:
        """Yield the pictures that start a new shot at once."""
        times, count = self.times, len(self.times)
        unlike = [Dissimilarity(0, 0), *self._unlike([(k - 1, k) for k in range(1, count)])]
        mean = np.array([each.mean for each in unlike])
        odds = mean / np.maximum(1 - mean, 0.01)
        for k in range(1, count):
            near = np.abs(times - times[k]) <= AROUND_S
            near[max(0, k - 2) : k + 3] = True
            near[[0, k]] = False
            times_the_odds = odds[k] / max(odds[near].max(initial=0), LEAST_ODDS)
            like = unlike[k].mean > LIKE and unlike[k].quarter > LIKE_QUARTER
            thawed = k > 1 and mean[k - 1] < FROZEN and (k + 1 == count or mean[k + 1] > FROZEN)
            cut = mean[k] > DIFFERENT and times_the_odds > DIFFERENT_ODDS
            cut = cut or (near.any() and like and not thawed and times_the_odds > LIKE_ODDS)
            if cut and not self._flash_at_an_end(k) and not self._interrupted(k - 1, k, mean[k]):
                yield k

    def blends(self) -> Iterator[Blend]:
        """Yield the dissolves and fades from one shot to another; none overlaps another."""
        found: list[Blend] = []
        if len(self.times) < 3:
            return
        for blend in find_blends(self._pictures, self.times):
            if any(blend.first < other.last and other.first < blend.last for other in found):
                continue
            if self._apart(blend) and not self._moves(blend):
                found.append(blend)
                yield blend

    def span(self, blend: Blend) -> tuple[float, float, float]:
        """Start, middle and end of a blend, seconds."""
        first, middle, last = self.times[[blend.first, blend.middle, blend.last]].tolist()
        return first, middle, last

    def _flash_at_an_end(self, k: int) -> bool:
        """Whether the pictures before k are a flash at the clip's start, or those from k on at its end."""
        (start, end), gain = self._ends, self._pictures[k].mean() - self._pictures[k - 1].mean()
        up_to = self.times[k] - start <= FLASH_S and gain < -FLASH
        return bool(up_to or (end - self.times[k] < FLASH_S and gain > FLASH))

    def _apart(self, blend: Blend) -> bool:
        """Whether a blend joins two shots: a fade needs another one on its far side."""
        a, b = blend.first, blend.last
        if blend.fades:
            out = blend.fades == "out"
            times, contrast = self.times, deviations(self._pictures)
            beyond = range(b + 1, len(times)) if out else range(a)
            near, flat = (a, b) if out else (b, a)
            seen = [
                k
                for k in beyond
                if abs(times[k] - times[flat]) <= FADED_S and contrast[k] > SEEN * contrast[near]
            ]
            if not seen:
                return False
            far = max(seen, key=lambda k: float(contrast[k]))
            a, b = (near, far) if out else (far, near)
        mean = self._unlike([(a, b)])[0].mean
        return mean > UNRELATED and not self._interrupted(a, b, mean)

    def _moves(self, blend: Blend) -> bool:
        """Whether motion explains the middle of a blend better than blending does."""
        middle = min(max(blend.middle, blend.first + 1), blend.last - 1)
        reach = max(1, round(REACH * (blend.last - blend.first)))
        reach = min(reach, middle - blend.first, blend.last - middle)
        a, m, b = (self._pictures[k] for k in (middle - reach, middle, middle + reach))
        moved = min(_error(m, _half_way(p, self._estimate(p, q))) for p, q in ((a, b), (b, a)))
        return _error(m, cv2.addWeighted(a, 0.5, b, 0.5, 0)) > MOVES * moved

    def _unlike(self, pairs: Sequence[tuple[int, int]]) -> list[Dissimilarity]:
        """How unlike two pictures are; flow may only succeed from the later one to the earlier one."""
        unlike = self._along_the_flow(pairs)
        high = [k for k, there in enumerate(unlike) if there.mean >= DOUBTFUL]
        for k, back in zip(high, self._along_the_flow([pairs[k][::-1] for k in high]), strict=True):
            unlike[k] = min(unlike[k], back, key=lambda each: each.mean)
        return unlike

    def _along_the_flow(self, pairs: Sequence[tuple[int, int]]) -> list[Dissimilarity]:
        a, b = ([self._pictures[pair[side]] for pair in pairs] for side in (0, 1))
        return list(map(dissimilarity, a, b, flows(self._estimate, a, b)))

    def _interrupted(self, i: int, j: int, unlike: float) -> bool:
        """Whether the scene of picture i is back soon after picture j, or that of j was there before i."""
        times = self.times
        after = [(i, k) for k in range(j + 1, len(times)) if times[k] - times[j] <= INTERRUPTED_S]
        before = [(k, j) for k in range(i) if times[i] - times[k] <= INTERRUPTED_S]
        return any(one.mean < CONNECTED * unlike for pairs in (after, before) for one in self._unlike(pairs))
