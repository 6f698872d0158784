"""What answers are worth: accuracy, average precision, tables, and whether two runs differ."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.evaluate.benchmarks import Item

RESAMPLES = 9999
NO_ANSWER: dict[str, Any] = {"answer": "", "letter": None, "score": None, "error": None}
# Columns of the paper's tables, where a benchmark's categories are known by short names.
SHORT = {
    "Motion Recognition": "MR",
    "Location-related Motion": "LM",
    "Camera Motion": "CM",
    "Motion-related Objects": "MO",
    "Action Order": "AO",
    "Repetition Count": "RC",
}


def answered(items: Sequence[Item], predictions: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By id of the question: what was answered, and `right`, True or False, None where that is a secret.

    predictions: rows of the table, and for a clip that failed each question's answer is its error.
    """
    given = {one["id"]: dict(one) for row in predictions for one in row["answers"] or ()}
    found = {}
    for item in items:
        one = NO_ANSWER | given.get(item.id, {})
        right = None if item.right is None else one["letter"] == item.right
        found[item.id] = one | {"category": item.category, "right": right}
    return found


def summary(items: Sequence[Item], answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Counts and scores.

    questions: all. hidden: without a published answer. failed: without an answer of the model. unclear: whose
    answer is none of the options. Both count as wrong. accuracy: by category, over all questions with a known
    answer (overall), and the mean of the categories (average); null where there are none. For questions to
    answer Yes or No also average_precision in the same form, over the questions with a score, and chance, the
    share of Yes, which a model that knows nothing reaches.
    """
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.category].append(item)
    known = [answers[item.id] for item in items if item.right is not None]
    told: dict[str, Any] = {
        "questions": len(items),
        "hidden": len(items) - len(known),
        "failed": sum(one["error"] is not None for one in answers.values()),
        "unclear": sum(one["error"] is None and one["letter"] is None for one in answers.values()),
        "accuracy": _by_category(
            {
                name: [answers[item.id]["right"] for item in group if item.right]
                for name, group in groups.items()
            }
        ),
    }
    if any(not item.options for item in items):
        scored = {
            name: [(item.right == "Yes", answers[item.id]["score"]) for item in group if not item.options]
            for name, group in groups.items()
        }
        precision = {name: average_precision(pairs) for name, pairs in scored.items()}
        chance = {name: float(np.mean([yes for yes, _ in pairs])) for name, pairs in scored.items() if pairs}
        told["average_precision"] = _means(precision)
        told["chance"] = _means(chance)
    return told


def _by_category(right: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    shares = {name: float(np.mean(group)) if group else None for name, group in right.items()}
    every = [one for group in right.values() for one in group]
    return _means(shares) | {"overall": float(np.mean(every)) if every else None}


def _means(values: Mapping[str, float | None]) -> dict[str, Any]:
    known = [value for value in values.values() if value is not None]
    return {"categories": dict(values), "average": float(np.mean(known)) if known else None}


def average_precision(pairs: Sequence[tuple[bool, float | None]]) -> float | None:
    """Mean over the positives of the precision at their rank; equal scores share a rank.

    pairs: whether it is positive, and its score; None counts as the lowest. None without a positive.
    """
    positive = np.array([yes for yes, _ in pairs], bool)
    if not positive.any():
        return None
    scores = np.array([-np.inf if score is None else score for _, score in pairs])
    thresholds = np.unique(scores)[::-1]
    above = scores[None, :] >= thresholds[:, None]
    hits = (above & positive).sum(1)
    precision, recall = hits / above.sum(1), hits / positive.sum()
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def markdown(runs: Mapping[str, Mapping[str, Any]], score: str = "accuracy") -> str:
    """A table in the layout of the paper's: a line for each run, a column for each category, in percent."""
    names = list(dict.fromkeys(name for run in runs.values() for name in run[score]["categories"]))
    ends = ["average", *(["overall"] if score == "accuracy" else [])]
    lines = [
        ["", *(SHORT.get(name, name) for name in names), *ends, "questions", "unclear", "failed"],
        ["---", *["---:"] * (len(names) + len(ends) + 3)],
    ]
    for title, run in runs.items():
        values = [run[score]["categories"].get(name) for name in names] + [run[score][end] for end in ends]
        cells = ["-" if value is None else f"{100 * value:.1f}" for value in values]
        counts = [run["questions"] - run["hidden"], run["unclear"], run["failed"]]
        lines.append([title, *cells, *map(str, counts)])
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


def compare(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How much more accurate run b is than run a, on the questions that both were asked.

    a, b: as `answered` gives them. By category and overall: questions, difference of the accuracies, and the
    bounds of its 95 % interval (paired bootstrap, percentiles, seeded).
    """
    shared = [
        name for name in a if name in b and a[name]["right"] is not None and b[name]["right"] is not None
    ]
    groups: dict[str, list[str]] = defaultdict(list)
    for name in shared:
        groups[a[name]["category"]].append(name)
    return {
        title: _difference(np.array([[a[n]["right"], b[n]["right"]] for n in names], float))
        for title, names in [*sorted(groups.items()), ("overall", shared)]
        if names
    }


def _difference(pairs: np.ndarray) -> dict[str, Any]:
    """pairs: (N, 2), 1 where a and where b is right."""
    from scipy.stats import bootstrap

    change = pairs[:, 1] - pairs[:, 0]
    low = high = float(change.mean())
    if len(set(change.tolist())) > 1:
        interval = bootstrap(
            (change,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return {"questions": len(change), "difference": float(change.mean()), "low": low, "high": high}
