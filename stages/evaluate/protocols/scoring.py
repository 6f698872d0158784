"""Scores of a run, weighted by question, so that the same functions serve the bootstrap."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 999  # of the bootstrap


@dataclass(frozen=True)
class Judged:
    """The judged answers of a run: arrays of the same length N.

    Attributes:
        category: (N,) str, the kind of question.
        right: (N,) bool, whether the answer is right; False where the right one is not published.
        published: (N,) bool, whether the benchmark publishes the right answer.
        answered: (N,) bool, whether the model replied at all.
        positive: (N,) bool, whether the right answer is Yes.
        score: (N,) float64, P(Yes), 0 to 1; NaN where there is none.
        yes_no: (N,) bool, whether the question has no options.
    """

    category: np.ndarray
    right: np.ndarray
    published: np.ndarray
    answered: np.ndarray
    positive: np.ndarray
    score: np.ndarray
    yes_no: np.ndarray

    def __len__(self) -> int:
        return len(self.right)

    @property
    def categories(self) -> list[str]:
        """The kinds of question, in the order of their first question."""
        return list(dict.fromkeys(self.category.tolist()))


# From judged answers and their weights (N,) to `categories` and `average`, and `overall` if there is one:
# shares from 0 to 1, or None where nothing counts.
Scoring = Callable[[Judged, np.ndarray], dict[str, Any]]


def averaged(values: Mapping[str, float | None], **more: float | None) -> dict[str, Any]:
    """The scores by category with their mean, and more scores."""
    known = [value for value in values.values() if value is not None]
    return {"categories": dict(values), "average": float(np.mean(known)) if known else None, **more}


def share(right: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> float | None:
    """The weighted share of right answers (N,) bool among those that count (N,) bool; None if none counts."""
    total = float(weights[counts].sum())
    return float(weights[counts & right].sum()) / total if total else None


def accuracy(run: Judged, weights: np.ndarray) -> dict[str, Any]:
    """The share of right answers among the questions whose answers are published."""
    return averaged(
        {name: share(run.right, run.published & (run.category == name), weights) for name in run.categories},
        overall=share(run.right, run.published, weights),
    )


def average_precision(run: Judged, weights: np.ndarray) -> dict[str, Any]:
    """Average precision of P(Yes) by category; no score ranks below all others."""
    found = {}
    for name in run.categories:
        group = run.yes_no & (run.category == name)
        score = np.nan_to_num(run.score[group], nan=-np.inf)
        found[name] = precision(run.positive[group], score, weights[group])
    return averaged(found)


def chance(run: Judged, weights: np.ndarray) -> dict[str, Any]:
    """The share of Yes, which is the average precision of a model that cannot tell."""
    groups = {name: run.yes_no & (run.category == name) for name in run.categories}
    return averaged({name: share(run.positive, group, weights) for name, group in groups.items()})


def precision(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> float | None:
    """Average precision: the sum of (R_n - R_{n-1}) P_n over descending thresholds, without interpolation.

    Args:
        positive: (N,) bool.
        score: (N,) float64; equal scores share a threshold.
        weights: (N,) how often each example counts.

    Returns:
        0 to 1, or None without a positive example.
    """
    order = np.argsort(-score, kind="stable")
    positive, score, weights = positive[order], score[order], weights[order].astype(np.float64)
    ends = np.flatnonzero(np.append(score[1:] != score[:-1], np.ones(min(1, len(score)), bool)))
    hits, above = np.cumsum(weights * positive)[ends], np.cumsum(weights)[ends]
    if not len(ends) or not hits[-1]:
        return None
    return float(np.sum(np.diff(hits / hits[-1], prepend=0.0) * hits / np.maximum(above, 1e-12)))


def headline(scores: Mapping[str, Any]) -> float | None:
    """The one number of a score: overall if it has that, else the mean of the categories."""
    return scores["overall"] if "overall" in scores else scores["average"]


def interval(scoring: Scoring, run: Judged, resamples: int = RESAMPLES) -> tuple[float, float] | None:
    """The 95 % interval of a score's headline: a percentile bootstrap over the questions, with a fixed seed.

    Returns:
        Its bounds; None if nothing counts.
    """
    rng, total = np.random.default_rng(0), len(run)
    if not total or headline(scoring(run, np.ones(total))) is None:
        return None
    values = [
        headline(scoring(run, np.bincount(rng.integers(total, size=total), minlength=total)))
        for _ in range(resamples)
    ]
    low, high = np.percentile([value for value in values if value is not None], [2.5, 97.5])
    return float(low), float(high)
