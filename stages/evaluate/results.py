"""How good answers are: accuracy, average precision, tables, and whether two runs differ."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.evaluate.protocols.protocol import UNREAD, BenchmarkProtocol
from stages.evaluate.protocols.scoring import Judged, Scoring, chance
from stages.evaluate.protocols.strict import STRICT
from stages.evaluate.question import BenchmarkQuestion

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
    questions: Sequence[BenchmarkQuestion],
    predictions: Sequence[Mapping[str, Any]],
    protocol: BenchmarkProtocol = STRICT,
) -> dict[str, dict[str, Any]]:
    """Match answers to questions, read them and mark them.

    Args:
        questions: All questions of the run.
        predictions: Rows of the `predictions` table. The row of a clip that failed has its error as the
            answer to each question.
        protocol: How replies are read.

    Returns:
        By the question's id: the answer as in the table, and in addition its `category`; `answered`, whether
        there is a reply at all; `clear`, whether the protocol's reader finds a choice in it; `letter`, the
        choice if it is one; and `right`, which is None where the benchmark does not publish the right answer.
        A question without an answer is answered wrong.
    """
    given = {answer["id"]: dict(answer) for row in predictions for answer in row["answers"] or ()}
    marked = {}
    for question in questions:
        answer = NO_ANSWER | given.get(question.id, {})
        replied = question.id in given and answer["error"] is None
        reading = protocol.read(answer["answer"] or "", question) if replied else UNREAD
        marked[question.id] = answer | {
            "category": question.category,
            "answered": replied,
            "clear": reading.clear,
            "letter": reading.accepted[0] if len(reading.accepted) == 1 else None,
            "right": None if question.right is None else question.right in reading.accepted,
        }
    return marked


def judged(questions: Sequence[BenchmarkQuestion], answers: Mapping[str, Mapping[str, Any]]) -> Judged:
    """Put what `answered` returns for these questions into arrays."""
    found = [answers[question.id] for question in questions]
    scores = [np.nan if answer["score"] is None else answer["score"] for answer in found]
    return Judged(
        category=np.array([question.category for question in questions], object),
        right=np.array([bool(answer["right"]) for answer in found], bool),
        published=np.array([question.right is not None for question in questions], bool),
        answered=np.array([answer["answered"] for answer in found], bool),
        positive=np.array([question.right == "Yes" for question in questions], bool),
        score=np.array(scores, np.float64),
        yes_no=np.array([not question.options for question in questions], bool),
    )


def summary(
    questions: Sequence[BenchmarkQuestion],
    answers: Mapping[str, Mapping[str, Any]],
    protocol: BenchmarkProtocol = STRICT,
) -> dict[str, Any]:
    """Count and score the answers of a run.

    Args:
        questions: All questions of the run.
        answers: What `answered` returns for them.
        protocol: Which scores.

    Returns:
        questions: How many there are.
        hidden: How many of them have no published answer.
        failed: How many the model gave no answer to.
        unclear: In how many answers the protocol's reader finds no choice.
        accuracy, average_precision: Those of the protocol's scores that fit the questions, 0 to 1:
            `categories` (null for one in which nothing counts), `average` (the mean of the categories) and,
            for accuracy, `overall`. Average precision is that of P(Yes) in Yes/No questions.
        chance: Only with Yes/No questions: the share of Yes, in the same form, which is the average precision
            of a model that cannot tell.
    """
    run, once = judged(questions, answers), np.ones(len(questions))
    result: dict[str, Any] = {
        "questions": len(questions),
        "hidden": int((~run.published).sum()),
        "failed": sum(answer["error"] is not None for answer in answers.values()),
        "unclear": sum(answer["error"] is None and not answer["clear"] for answer in answers.values()),
    }
    for name, scoring in fitting(protocol, run).items():
        result[name] = scoring(run, once)
    if run.yes_no.any():
        result["chance"] = chance(run, once)
    return result


def fitting(protocol: BenchmarkProtocol, run: Judged) -> dict[str, Scoring]:
    """The scores of a protocol that fit a run: average precision takes Yes/No questions."""
    return {
        name: scoring
        for name, scoring in protocol.scores.items()
        if name != "average_precision" or run.yes_no.any()
    }


def markdown(runs: Mapping[str, Mapping[str, Any]], score: str = "accuracy") -> str:
    """Make a table in the paper's layout: a row per run, a column per category, in percent.

    Args:
        runs: What `summary` returns, by the title of the run.
        score: Which of its scores: `accuracy`, `average_precision` or `chance`.
    """
    names = list(dict.fromkeys(name for run in runs.values() for name in run[score]["categories"]))
    ends = ["average", *(["overall"] if score == "accuracy" else [])]
    lines = [["", *(SHORT.get(name, name) for name in names), *ends, "questions", "unclear", "failed"]]
    for title, run in runs.items():
        values = [run[score]["categories"].get(name) for name in names] + [run[score][end] for end in ends]
        cells = ["-" if value is None else f"{100 * value:.1f}" for value in values]
        counts = [run["questions"] - run["hidden"], run["unclear"], run["failed"]]
        lines.append([title, *cells, *map(str, counts)])
    return table(lines)


def table(lines: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Make a Markdown table.

    Args:
        lines: Rows of cells, the headings first.
        texts: How many columns, from the left, have words; the others have numbers.
    """
    head, *rest = lines
    ruled = [head, ["---"] * texts + ["---:"] * (len(head) - texts), *rest]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in ruled) + "\n"


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
