"""Which clips become preference data: those that people chose on, then the best by a composite of ranks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stages.split.candidates import Candidate
from stages.split.settings import SplitConfig, Weights

# The no-reference metrics of pyiqa for which a smaller value means better quality.
LOWER_IS_BETTER = frozenset(
    ("piqe", "niqe", "niqe_matlab", "ilniqe", "brisque", "brisque_matlab", "pi", "afine_nr")
)
# The columns of `scores` that `preferred` reads.
RANKED = ("clip_id", "quality", "quality_metric", "flow_mean", "object_motion")


def preferred(
    usable: Mapping[str, Sequence[Candidate]], scores: Iterable[tuple[Any, ...]], config: SplitConfig
) -> set[str]:
    """Choose the clips of the preference tier.

    Args:
        usable: The questions that a clip brings into the dataset, by clip_id.
        scores: Rows with the columns RANKED; those of other clips are ignored.
        config: The share of preference clips, and the weights of the composite.

    Returns:
        Their clip_ids.
    """
    rows = [row for row in scores if row[0] in usable]
    if not rows:
        return set()
    ids, quality, metric, flow, object_motion = zip(*rows, strict=True)
    sign = np.where([name in LOWER_IS_BETTER for name in metric], -1.0, 1.0)
    values = composite(
        sign * np.array(quality, float),
        np.array(flow, float),
        np.array(object_motion, float),
        np.array([_alignment(usable[clip_id]) for clip_id in ids]),
        config.weights,
    )
    sources = {
        clip_id: {one.chosen_source for one in candidates if one.rejected}
        for clip_id, candidates in usable.items()
    }
    return best(
        dict(zip(ids, values.tolist(), strict=True)),
        {clip_id for clip_id, found in sources.items() if found},
        {clip_id for clip_id, found in sources.items() if "human" in found},
        config.preference_share,
    )


def _alignment(candidates: Sequence[Candidate]) -> float:
    known = [one.alignment for one in candidates if one.alignment is not None]
    return sum(known) / len(known) if known else math.nan


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank values by the share of all known values that are not greater.

    Args:
        values: (N,) float; NaN where unknown.

    Returns:
        (N,) in (0, 1]; equal values rank alike, and NaN ranks 0.
    """
    known = np.sort(values[~np.isnan(values)])
    not_greater = np.searchsorted(known, values, side="right") / max(1, len(known))
    return np.where(np.isnan(values), 0.0, not_greater)


def composite(
    quality: np.ndarray, flow: np.ndarray, object_motion: np.ndarray, alignment: np.ndarray, weights: Weights
) -> np.ndarray:
    """Average the ranks of quality, motion and alignment, as the numbers themselves have no common unit.

    Args:
        quality: (N,) float, higher is better; NaN where it was not measured, as in the others.
        flow: (N,) mean optical flow; with object_motion, one half of the rank of motion each.
        object_motion: (N,) the objects' own motion.
        alignment: (N,) how far the measurements support the answers.
        weights: Of the three ranks.

    Returns:
        (N,) weighted means in [0, 1]; 0 when all the weights are 0.
    """
    motion = (ranks(flow) + ranks(object_motion)) / 2
    total = weights.quality + weights.motion + weights.alignment
    parts = weights.quality * ranks(quality) + weights.motion * motion + weights.alignment * ranks(alignment)
    return parts / (total or 1.0)


def best(scores: Mapping[str, float], eligible: set[str], human: set[str], share: float) -> set[str]:
    """Take the best of the eligible clips, at most ceil(share * all clips) of them.

    Args:
        scores: Composite by clip_id, of every clip that has a row to give.
        eligible: Clips that have a preference pair.
        human: Those of them that people chose on, which go first.
        share: Of all the clips in `scores`, 0 to 1.

    Returns:
        Their clip_ids; ties are broken by clip_id.
    """
    order = sorted(eligible, key=lambda clip: (clip not in human, -scores[clip], clip))
    return set(order[: math.ceil(round(share * len(scores), 6))])
