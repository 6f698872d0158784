"""How the numbers of clips and questions are distributed: a summary for the JSON, bins for a chart."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

BINS = 20  # of a histogram in the JSON
CHART_BINS = 48  # of a chart, at most
TRIM_FROM = 1000  # values from which on a chart's axis leaves out the extremes
TRIMMED = 0.005  # share of the values left out at each end then
LONG_TAIL = 100  # ratio of largest to smallest positive value from which on bins may be logarithmic
SKEW = 5  # ratio of largest value to median from which on bins may be logarithmic

# Numbers whose distribution is shown, with their units: of clips without an error, and of their questions.
CLIP_NUMBERS = {
    "duration_s": "s",
    "quality": "metric's own",
    "flow_mean": "diagonals/s",
    "object_motion": "diagonals/s",
    "object_area": "share of frame",
    "pan": "widths/s, right",
    "tilt": "heights/s, down",
    "zoom": "e-folds/s, in",
    "roll": "degrees/s, clockwise",
    "shake": "widths",
}
QA_NUMBERS = {
    "motion_check": "share of claims",
    "baseline_check": "share of claims",
    "vqascore": "probability",
}
# Those that no gate limits, each with a chart of its own; the gated ones are charted with their gates.
MOTION_NUMBERS = ("object_motion", "object_area", "pan", "tilt", "zoom", "roll", "shake")


def histogram(column: pa.ChunkedArray) -> dict[str, Any]:
    """Summarize a numeric column.

    Args:
        column: Numbers of any type.

    Returns:
        `count` of finite values; `missing`, those that are null, NaN or infinite; min, median, mean and max
        to six digits; and `bins`, the counts in BINS equal bins from min to max. Without a finite value the
        four numbers are None and `bins` is empty.
    """
    values = column.to_numpy().astype(float)
    known = values[np.isfinite(values)]
    found: dict[str, Any] = {"count": len(known), "missing": len(values) - len(known)}
    if not len(known):
        return found | {"min": None, "median": None, "mean": None, "max": None, "bins": []}
    if np.isclose(known.min(), known.max(), rtol=1e-9, atol=0):
        known = np.full_like(known, known[0])  # rounding alone sets them apart, which leaves no room for bins
    summary = {"min": known.min(), "median": np.median(known), "mean": known.mean(), "max": known.max()}
    found |= {name: float(f"{value:.6g}") for name, value in summary.items()}
    return found | {"bins": np.histogram(known, BINS)[0].tolist()}


def spread(values: np.ndarray, limits: Sequence[float] = ()) -> dict[str, Any]:
    """Bin values for a chart whose axis reaches over all of them, or the middle 99% of many.

    Args:
        values: (N,) numbers; those that are not finite count as missing.
        limits: Gates to be drawn in; the axis reaches over them too.

    Returns:
        `bins`: lo, hi and count each, which hold every finite value: the outermost also hold those off the
        axis, `beyond` of them. `missing`: how many are not finite. `log`: the bins are of equal ratio, as
        suits numbers from 0 up with a long tail. `whole`: the bins are 1 wide and centred on integers.
    """
    known = values[np.isfinite(values)]
    found: dict[str, Any] = {"missing": len(values) - len(known), "beyond": 0, "log": False, "whole": False}
    if not len(known):
        return found | {"bins": []}
    edges, found["log"], found["whole"] = _edges(known, limits)
    found["beyond"] = int(((known < edges[0]) | (known > edges[-1])).sum())
    counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    ends = [float(f"{edge:.6g}") for edge in edges]
    found["bins"] = [
        {"lo": lo, "hi": hi, "count": count}
        for (lo, hi), count in zip(pairwise(ends), counts.tolist(), strict=True)
    ]
    return found


def _edges(known: np.ndarray, limits: Sequence[float]) -> tuple[np.ndarray, bool, bool]:
    """The rising edges of a chart's bins, and whether these are logarithmic or of whole numbers.

    known: (N,) finite, N > 0.
    """
    trimmed = TRIMMED if len(known) >= TRIM_FROM else 0.0
    low, high = np.quantile(known, [trimmed, 1 - trimmed])
    low, high = min(low, *limits, high), max(high, *limits, low)
    if np.isclose(low, high, rtol=1e-9, atol=0):
        high = low
    if (np.append(known, limits) % 1 == 0).all() and high - low < CHART_BINS:
        return np.arange(low - 0.5, high + 1), False, True
    positive = known[known > 0]
    least = min([np.quantile(positive, trimmed), *(x for x in limits if x > 0)]) if len(positive) else 0
    if known.min() >= 0 < least and high > max(LONG_TAIL * least, SKEW * np.median(known)):
        return np.geomspace(least, high, CHART_BINS + 1), True, False
    return np.linspace(low, high if high > low else low + 1, CHART_BINS + 1), False, False
