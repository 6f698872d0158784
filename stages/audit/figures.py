"""What the report draws: histograms for Vega, and bars that are part of the page.

A bar has a name, perhaps an address, and parts that follow each other; a part has a name, a count, a CSS
class that gives it its colour, and perhaps an address. One colour has one meaning: `page.css` has the list.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from filters.verdicts import LIMITS
from stages.audit import charts, links, words
from stages.audit.charts import Spec
from stages.audit.distributions import MOTION_NUMBERS, spread

Stats = Mapping[str, Any]  # of `stages.audit.statistics.stats`
CLIP_LIMITS = {name for name, *_ in LIMITS}
OUTCOMES = {
    "answer_better": "model",
    "equal": "equal",
    "baseline_better": "baseline",
    "cannot_judge": "quiet",
}
TEXTS = {"question": "data", "answer": "model", "baseline": "baseline"}


@dataclass(frozen=True)
class Part:
    """A part of a bar."""

    name: str
    count: int
    colour: str
    url: str | None = None


@dataclass(frozen=True)
class Bar:
    """A bar of one or more parts."""

    name: str
    parts: Sequence[Part]
    url: str | None = None

    @property
    def total(self) -> int:
        """What all parts count together."""
        return sum(part.count for part in self.parts)


def histograms(stats: Stats, what_if: Mapping[str, Any]) -> dict[str, Spec]:
    """Draw the distributions of numbers.

    Args:
        stats: What `stages.audit.statistics.stats` returned.
        what_if: What `stages.audit.what_if.what_if` returned.

    Returns:
        Vega-Lite specifications by id: measure-N, spread-NAME, words-TEXT.
    """
    return {**_gates(stats, what_if), **_spreads(stats), **_texts(stats)}


def _gates(stats: Stats, what_if: Mapping[str, Any]) -> dict[str, Spec]:
    found = {}
    for at, measure in enumerate(what_if["measures"]):
        if not measure["bins"]:
            continue
        own = [gate for gate in what_if["gates"] if gate["measure"] == at]
        # Of the gates on clips: the clips in a bar can be shown, not the answers.
        limits = [gate["name"] for gate in own if gate["name"] in CLIP_LIMITS]
        found[f"measure-{at}"] = charts.gated(
            measure,
            words.limited(measure["title"], measure["unit"], stats["quality_metrics"]).unit,
            f"Distribution of {measure['title']}, with its gates",
            "clips" if limits else "questions",
            links=links.of_bins(limits[-1], measure) if limits else (),
            off=(_movable(own, "min"), _movable(own, "max")),
        )
    return found


def _movable(gates: Iterable[Mapping[str, Any]], kind: str) -> bool:
    return any(gate["kind"] == kind and gate["offered"] for gate in gates)


def _spreads(stats: Stats) -> dict[str, Spec]:
    return {
        f"spread-{name}": charts.distribution(
            stats["spread"][name],
            words.READINGS[name].unit,
            f"Distribution of {words.READINGS[name].title}",
            links=links.of_bins(name, stats["spread"][name]),
        )
        for name in MOTION_NUMBERS
        if stats["spread"][name]["bins"]
    }


def _texts(stats: Stats) -> dict[str, Spec]:
    """How long texts are, all on the same axis."""
    lengths = {
        name: np.repeat(*np.array([(row["words"], row["count"]) for row in rows], int).T).astype(float)
        for name, rows in stats["words"].items()
        if rows
    }
    ends = [end for values in lengths.values() for end in (values.min(), values.max())]
    return {
        f"words-{name}": charts.distribution(
            spread(values, [min(ends), max(ends)]),
            "words",
            f"Length of each {name}",
            f"{name}s",
            colour=f"var(--{TEXTS[name]})",
        )
        for name, values in lengths.items()
    }


def bars(stats: Stats, limits: Mapping[str, float]) -> dict[str, list[Bar]]:
    """Lay out the bars of the page.

    Args:
        stats: What `stages.audit.statistics.stats` returned.
        limits: Where the gates stand, by setting.

    Returns:
        By id: funnel, questions, splits, sources, dropped, camera, profile, claims, agreement. Those without
        data are empty.
    """
    camera = {} if not any(stats["camera_motion"].values()) else stats["camera_motion"]
    return {
        "funnel": _funnel(stats["funnel"]),
        "questions": _questions(stats),
        "splits": _splits(stats),
        "sources": [
            Bar(row["source"], _states(row), links.of_source(row["source"])) for row in stats["sources"]
        ],
        "dropped": [
            _bar(words.gate(name, limits), count, "dropped", links.clips(outcome="dropped", gate=name))
            for name, count in stats["dropped"]["clips"].items()
        ],
        "camera": [
            _bar(words.plain(name), count, "data", links.clips(camera=name)) for name, count in camera.items()
        ],
        "profile": _profile(stats),
        "claims": [_bar(words.claim(name), count, "data") for name, count in stats["claims"].items()],
        "agreement": [
            Bar(
                row["category"] or "no category",
                [Part(words.plain(part), row[part], colour) for part, colour in OUTCOMES.items()],
            )
            for row in stats["agreement"]
        ],
    }


def _bar(name: str, count: int, colour: str, url: str | None = None) -> Bar:
    return Bar(name, [Part(name, count, colour)], url if count else None)


def _funnel(f: Mapping[str, int]) -> list[Bar]:
    """What is left after each step, and where the other clips end."""
    failed = Part("failed", f["failed_score"], "failed", links.clips(outcome="failed"))
    pending = Part("not measured yet", f["pending_score"], "pending", links.clips(outcome="pending"))
    kept = partial(links.clips, outcome="kept")
    steps = [
        Bar("inputs", [Part("clips", f["clips"], "kept"), Part("duplicates", f["duplicates"], "quiet")]),
        Bar("clips", [Part("measured", f["scored"], "kept"), failed, pending], links.clips()),
        Bar(
            "measured",
            [
                Part("kept by the gates", f["kept"], "kept", kept()),
                Part("dropped", f["dropped"], "dropped", links.clips(outcome="dropped")),
            ],
            links.clips(outcome=["kept", "dropped"]),
        ),
        Bar(
            "kept by the gates",
            [
                Part("annotated", f["annotated"], "kept"),
                Part("failed", f["failed_annotation"], "failed", kept(annotation="failed")),
                Part("not annotated yet", f["pending_annotation"], "pending", kept(annotation="none")),
            ],
            kept(),
        ),
        Bar(
            "annotated",
            [
                Part("in the dataset for SFT", f["sft_clips"], "sft"),
                Part("in the dataset for DPO", f["dpo_clips"], "dpo"),
                Part("no question left", f["no_qa_left"], "dropped"),
            ],
            kept(annotation="annotated"),
        ),
    ]
    return [step for n, step in enumerate(steps) if n < 2 or step.total]


def _questions(stats: Stats) -> list[Bar]:
    """What became of the questions of each category."""
    states = stats["categories"]
    names = dict.fromkeys(name for found in states.values() for name in found)
    titles = {"sft": "SFT rows", "dpo": "DPO pairs", "dropped": "dropped"}
    return [
        Bar(
            f"about {name}" if name else "no category",
            [Part(titles[state], found.get(name, 0), state) for state, found in states.items()],
        )
        for name in names
    ]


def _splits(stats: Stats) -> list[Bar]:
    """The rows of each split, by tier."""
    return [
        Bar(f"{tier.upper()} rows", [Part(split, part["rows"], split) for split, part in splits.items()])
        for tier, splits in stats["dataset"].items()
        if splits
    ]


def _states(row: Mapping[str, Any]) -> list[Part]:
    return [
        Part(state, row[state], state, links.of_source(row["source"], outcome=state))
        for state in ("kept", "dropped", "failed", "pending")
    ]


def _profile(stats: Stats) -> list[Bar]:
    """Whether objects move on their own, by what the camera does."""
    parts = {
        "move": ("objects move", "data"),
        "still": ("still", "quiet"),
        "not measured": ("not measured", "pending"),
    }
    found: dict[str, list[Part]] = {}
    for row in sorted(stats["motion_profile"], key=lambda row: list(parts).index(row["objects"])):
        name, colour = parts[row["objects"]]
        found.setdefault(f"camera: {row['camera']}", []).append(Part(name, row["clips"], colour))
    return [Bar(camera, own) for camera, own in sorted(found.items())]
