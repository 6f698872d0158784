"""The charts of the report, each by the id of its place in the page; those without data are left out."""

from collections.abc import Mapping
from typing import Any

from filters.verdicts import LIMITS
from stages.audit import charts, links
from stages.audit.charts import Spec
from stages.audit.distributions import CLIP_NUMBERS, MOTION_NUMBERS

Stats = Mapping[str, Any]  # of `stages.audit.statistics.stats`
CLIP_LIMITS = {name for name, *_ in LIMITS}
OUTCOMES = ("answer_better", "equal", "baseline_better", "cannot_judge")


def figures(stats: Stats, what_if: Mapping[str, Any]) -> dict[str, Spec]:
    """Chart everything that the report shows.

    Args:
        stats: What `stages.audit.statistics.stats` returned.
        what_if: What `stages.audit.what_if.what_if` returned.

    Returns:
        Vega-Lite specifications by id: funnel, measure-N, spread-NAME, sources, camera, profile, words,
        claims, agreement.
    """
    return {
        **_funnel(stats),
        **_gates(what_if),
        **_spreads(stats),
        **_sources(stats),
        **_motion(stats),
        **_texts(stats),
    }


def _funnel(stats: Stats) -> dict[str, Spec]:
    funnel = stats["funnel"]
    steps = {
        "inputs": funnel["inputs"],
        "clips": funnel["clips"],
        "measured": funnel["scored"],
        "kept by the gates": funnel["kept"],
        "annotated": funnel["annotated"],
        "in the dataset": funnel["sft_clips"] + funnel["dpo_clips"],
    }
    return {"funnel": charts.counts(steps, "clips", "Clips that are left after each step")}


def _gates(what_if: Mapping[str, Any]) -> dict[str, Spec]:
    # Of the gates on clips: the clips in a bar can be shown, not the answers.
    limits = {gate["measure"]: gate["name"] for gate in what_if["gates"] if gate["name"] in CLIP_LIMITS}
    return {
        f"measure-{at}": charts.gated(
            measure,
            measure["unit"],
            f"Distribution of {measure['title']}, with its gates",
            links.of_bins(limits[at], measure) if at in limits else (),
        )
        for at, measure in enumerate(what_if["measures"])
        if measure["bins"]
    }


def _spreads(stats: Stats) -> dict[str, Spec]:
    return {
        f"spread-{name}": charts.distribution(
            stats["spread"][name],
            CLIP_NUMBERS[name],
            f"Distribution of {name}",
            links=links.of_bins(name, stats["spread"][name]),
        )
        for name in MOTION_NUMBERS
        if stats["spread"][name]["bins"]
    }


def _sources(stats: Stats) -> dict[str, Spec]:
    if not stats["sources"]:
        return {}
    rows = [
        {"source": row["source"], "part": part, "count": row[part]}
        | _url(links.of_source(row["source"], outcome=part))
        for row in stats["sources"]
        for part in ("kept", "failed", "pending")
    ]
    rows += [
        {"source": row["source"], "part": row["gate"], "count": row["clips"]}
        | _url(links.of_source(row["source"], gate=row["gate"]))
        for row in stats["dropped_by_source"]
    ]
    there = {row["part"] for row in rows}
    parts = [part for part in ("kept", *stats["dropped"]["clips"], "failed", "pending") if part in there]
    colours = [charts.ACCENT, *charts.COLOURS[1:]]
    what = "What became of the clips of each source, as shares"
    return {"sources": charts.shares(rows, "source", parts, what, colours)}


def _url(link: str | None) -> dict[str, str]:
    return {"url": link} if link else {}


def _motion(stats: Stats) -> dict[str, Spec]:
    if not any(stats["camera_motion"].values()):
        return {}
    labels = {name.replace("_", " "): count for name, count in stats["camera_motion"].items()}
    to = {name.replace("_", " "): links.clips(camera=name) for name in stats["camera_motion"]}
    camera = charts.counts(labels, "clips", "Clips by what their camera does", to)
    profile = charts.shares(
        [
            {"camera": row["camera"], "part": row["objects"], "count": row["clips"]}
            for row in stats["motion_profile"]
        ],
        "camera",
        ("move", "still", "not measured"),
        "Whether objects move on their own, by what the camera does",
        (charts.COLOURS[1], charts.QUIET, charts.COLOURS[6]),
    )
    return {"camera": camera, "profile": profile}


def _texts(stats: Stats) -> dict[str, Spec]:
    found = {}
    if any(stats["words"].values()):
        found["words"] = charts.words(stats["words"], "Words of questions, answers and baselines")
    if stats["claims"]:
        found["claims"] = charts.counts(stats["claims"], "answers", "The most frequent claims of answers")
    if stats["agreement"]:
        found["agreement"] = charts.shares(
            [
                {"category": row["category"] or "none", "part": part.replace("_", " "), "count": row[part]}
                for row in stats["agreement"]
                for part in OUTCOMES
            ],
            "category",
            [part.replace("_", " ") for part in OUTCOMES],
            "The model's answers against the baseline's, by the claims that hold",
            (charts.ACCENT, charts.COLOURS[4], charts.WARN, charts.QUIET),
        )
    return found
