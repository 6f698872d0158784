"""Judge the saved replies of one run by every protocol of its benchmark, without the model."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stages.evaluate.benchmark import BENCHMARKS
from stages.evaluate.protocols.protocol import DEFAULT
from stages.evaluate.protocols.scoring import headline, interval
from stages.evaluate.question import BenchmarkQuestion
from stages.evaluate.results import SHORT, answered, fitting, judged, summary, table
from stages.evaluate.stage import to_ask

TITLES = {"accuracy": "accuracy", "average_precision": "average precision"}
UNSAFE = re.compile(r"[^\w.-]+")  # in the name of a file


@dataclass(frozen=True)
class Run:
    """What a run asked, kept beside its replies.

    Attributes:
        benchmark: Its name in the registry.
        protocol: The protocol by which the questions were put.
        title: What the table calls the model.
        questions: All questions of the run, also those that the protocol does not ask.
    """

    benchmark: str
    protocol: str
    title: str
    questions: tuple[BenchmarkQuestion, ...]

    def to_json(self) -> str:
        """Write it as JSON, which `of_json` reads."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def of_json(cls, text: str | bytes) -> "Run":
        """Read what `to_json` wrote."""
        made = json.loads(text)
        questions = (
            BenchmarkQuestion(**one | {"options": tuple(one["options"])}) for one in made["questions"]
        )
        return cls(**made | {"questions": tuple(questions)})


def rejudge(run: Run, predictions: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Judge the replies of a run by all protocols of its benchmark.

    Args:
        run: What was asked.
        predictions: Rows of the `predictions` table; see `results.answered`.

    Returns:
        By protocol, what `results.summary` returns, where each score also has `low` and `high`, the bounds of
        the 95 % interval of its headline (null if nothing counts).
    """
    found = {}
    for name, protocol in BENCHMARKS.get(run.benchmark).protocols.items():
        questions = to_ask(run.questions, protocol)
        answers = answered(questions, predictions, protocol)
        arrays, result = judged(questions, answers), summary(questions, answers, protocol)
        for score, scoring in fitting(protocol, arrays).items():
            bounds = interval(scoring, arrays)
            result[score] |= dict(zip(("low", "high"), bounds or (None, None), strict=True))
        found[name] = result
    return found


def leaderboard(run: Run, predictions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Write the files of a run that the benchmark's leaderboard, or its authors' script, takes.

    Choices are those that the default protocol reads.

    Returns:
        The texts of the files, by their names.
    """
    benchmark = BENCHMARKS.get(run.benchmark)
    answers = answered(run.questions, predictions, benchmark.protocols[DEFAULT])
    return benchmark().submission(run.questions, answers, UNSAFE.sub("_", run.title))


def comparison(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Make a Markdown table of what `rejudge` returns: a row per protocol and score, in percent."""
    scored = [
        (name, score, one[score], one) for name, one in found.items() for score in TITLES if score in one
    ]
    categories = list(dict.fromkeys(name for _, _, score, _ in scored for name in score["categories"]))
    lines = [
        [
            *("protocol", "score"),
            *(SHORT.get(name, name) for name in categories),
            *("all", "95 % interval", "questions", "unclear", "failed"),
        ]
    ]
    for name, title, score, one in scored:
        values = [percent(score["categories"].get(category)) for category in categories]
        bounds = f"{percent(score['low'])} to {percent(score['high'])}" if score["low"] is not None else "-"
        counts = (one["questions"] - one["hidden"], one["unclear"], one["failed"])
        lines.append(
            [
                name,
                TITLES[title],
                *values,
                percent(headline(score)),
                bounds,
                *(str(count) for count in counts),
            ]
        )
    return table(lines, texts=2)


def percent(value: float | None) -> str:
    """A share in percent, with one decimal; "-" for none."""
    return "-" if value is None else f"{100 * value:.1f}"
