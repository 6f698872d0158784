"""How good answers are: accuracy, average precision, tables, and whether two runs differ."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.evaluate.benchmark import BenchmarkQuestion

RESAMPLES = 9999  # of the bootstrap
NO_ANSWER: dict[str, Any] = {"answer": "", "letter": None, "score": None, "error": None}
# MotionBench's own abbreviations, as in the paper's tables.
SHORT = {
    "Motion Recognition": "MR",
    "Location-related Motion": "LM",
    "Camera Motion": "CM",
    "Motion-related Objects": "MO",
    "Action Order": "AO",
    "Repetition Count": "RC",
}


def answered(
    questions: Sequence[BenchmarkQuestion], predictions: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Match answers to questions and mark them.

    Args:
        questions: All questions of the run.
        predictions: Rows of the `predictions` table. The row of a clip that failed has its error as the
            answer to each question.

    Returns:
        By the question's id: the answer as in the table, its `category`, and `right`, which is None where the
        benchmark does not publish the right answer. A question without an answer is answered wrong.
    """
    given = {answer["id"]: dict(answer) for row in predictions for answer in row["answers"] or ()}
    marked = {}
    for question in questions:
        answer = NO_ANSWER | given.get(question.id, {})
        right = None if question.right is None else answer["letter"] == question.right
        marked[question.id] = answer | {"category": question.category, "right": right}
    return marked


def summary(
    questions: Sequence[BenchmarkQuestion], answers: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Count and score the answers of a run.

    Args:
        questions: All questions of the run.
        answers: What `answered` returns for them.

    Returns:
        questions: How many there are.
        hidden: How many of them have no published answer.
        failed: How many the model gave no answer to.
        unclear: How many answers are none of the options. These and the failed ones count as wrong.
        accuracy: Shares of right answers, 0 to 1, among the questions with a published answer: `categories`
            (null for one without such questions), `average` (the mean of the categories) and `overall`.
        average_precision: Only with Yes/No questions: `categories` and `average`, from the scores of Yes.
        chance: Only with Yes/No questions: the share of Yes, in the same form, which is the average precision
            of a model that cannot tell.
    """
    groups: dict[str, list[BenchmarkQuestion]] = defaultdict(list)
    for question in questions:
        groups[question.category].append(question)
    published = sum(question.right is not None for question in questions)
    result: dict[str, Any] = {
        "questions": len(questions),
        "hidden": len(questions) - published,
        "failed": sum(answer["error"] is not None for answer in answers.values()),
        "unclear": sum(answer["error"] is None and answer["letter"] is None for answer in answers.values()),
        "accuracy": _accuracy(
            {
                name: [answers[question.id]["right"] for question in group if question.right]
                for name, group in groups.items()
            }
        ),
    }
    if any(not question.options for question in questions):
        scored = {
            name: [(it.right == "Yes", answers[it.id]["score"]) for it in group if not it.options]
            for name, group in groups.items()
        }
        precision = {name: average_precision(pairs) for name, pairs in scored.items()}
        chance = {name: float(np.mean([yes for yes, _ in pairs])) for name, pairs in scored.items() if pairs}
        result["average_precision"] = _averaged(precision)
        result["chance"] = _averaged(chance)
    return result


def _accuracy(right: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    shares = {name: float(np.mean(group)) if group else None for name, group in right.items()}
    every = [answer for group in right.values() for answer in group]
    return _averaged(shares) | {"overall": float(np.mean(every)) if every else None}


def _averaged(values: Mapping[str, float | None]) -> dict[str, Any]:
    known = [value for value in values.values() if value is not None]
    return {"categories": dict(values), "average": float(np.mean(known)) if known else None}


def average_precision(pairs: Sequence[tuple[bool, float | None]]) -> float | None:
    """Average precision: the sum of (R_n - R_{n-1}) P_n over descending thresholds, without interpolation.

    Args:
        pairs: Whether each example is positive, and its score. Equal scores share a threshold; no score
            (None) ranks below all others.

    Returns:
        0 to 1, or None without a positive example.
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
    """Make a table in the paper's layout: a row per run, a column per category, in percent.

    Args:
        runs: What `summary` returns, by the title of the run.
        score: Which of its scores: `accuracy`, `average_precision` or `chance`.
    """
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
    """Compare two runs on the questions that both were asked and whose right answers are published.

    Args:
        a: What `answered` returns for the first run.
        b: The same for the second run.

    Returns:
        By category, and as `overall`: the number of `questions`, the `difference` in accuracy (b minus a, -1
        to 1), and the bounds `low` and `high` of its 95 % interval (paired percentile bootstrap with a fixed
        seed). Empty without common questions.
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
    """The entry of `compare` for some questions; pairs: (N, 2) float64, 1.0 where a, where b is right."""
    from scipy.stats import bootstrap

    change = pairs[:, 1] - pairs[:, 0]
    low = high = float(change.mean())
    if len(set(change.tolist())) > 1:
        interval = bootstrap(
            (change,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return {"questions": len(change), "difference": float(change.mean()), "low": low, "high": high}
