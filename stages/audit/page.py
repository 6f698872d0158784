"""The report: numbers, charts, what-if and filmstrips put into one HTML file."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline.errors import ERRORS
from stages.audit import charts
from stages.audit.samples import Sample
from stages.audit.statistics import CLIP_NUMBERS, PROFILE

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Shown:
    """A sample with what there is to show of it.

    name: of the file. rows: its filmstrip, JPEG by title; empty when `missing` says why there is none.
    questions: structs `pipeline.schema.QA`.
    """

    sample: Sample
    name: str
    rows: Mapping[str, bytes]
    missing: str
    questions: Sequence[Mapping[str, Any]]


def page(
    title: str,
    stats: Mapping[str, Any],
    what_if: Mapping[str, Any],
    fixed: Mapping[str, Any],
    shown: Sequence[Shown],
) -> str:
    """The report as HTML that asks nothing of the network; text out of the data is escaped.

    stats: of `stages.audit.statistics.stats`. what_if: of `stages.audit.what_if`. fixed: settings of gates
    that cannot be moved in the page and drop clips after those that can.
    """
    scripts = [_bundle(), (HERE / "page.js").read_text()]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters["data_url"] = lambda data: f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    return environment.get_template("page.html").render(
        title=title,
        stats=stats,
        what_if=what_if,
        fixed=fixed,
        shown=shown,
        charts=specifications(stats, what_if),
        errors=ERRORS,
        units=CLIP_NUMBERS,
        profile=PROFILE,
        style=Markup((HERE / "page.css").read_text()),
        scripts=[Markup(script) for script in scripts],
        hashes=[f"'sha256-{_hash(script)}'" for script in scripts],
    )


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def specifications(stats: Mapping[str, Any], what_if: Mapping[str, Any]) -> dict[str, charts.Spec]:
    """The charts by the id of their place in the page; those without data are left out."""
    funnel = stats["funnel"]
    steps = {
        "inputs": funnel["inputs"],
        "clips": funnel["clips"],
        "measured": funnel["scored"],
        "kept by the gates": funnel["kept"],
        "annotated": funnel["annotated"],
        "in the dataset": funnel["sft_clips"] + funnel["dpo_clips"],
    }
    found = {"funnel": charts.counts(steps, "clips", "Clips that are left after each step")}
    for at, measure in enumerate(what_if["measures"]):
        if measure["bins"]:
            found[f"measure-{at}"] = charts.gated(
                measure, measure["unit"], f"Distribution of {measure['title']}, with its gates"
            )
    for name in PROFILE:
        if stats["spread"][name]["bins"]:
            found[f"spread-{name}"] = charts.distribution(
                stats["spread"][name], CLIP_NUMBERS[name], f"Distribution of {name}"
            )
    if stats["sources"]:
        gates = list(stats["dropped"]["clips"])
        rows = [
            {"source": row["source"], "part": part, "count": row[part]}
            for row in stats["sources"]
            for part in ("kept", "failed", "pending")
        ] + [
            {"source": row["source"], "part": row["gate"], "count": row["clips"]}
            for row in stats["dropped_by_source"]
        ]
        parts = [
            part for part in ("kept", *gates, "failed", "pending") if any(r["part"] == part for r in rows)
        ]
        colours = [charts.ACCENT, *charts.COLOURS[1:]]
        found["sources"] = charts.shares(
            rows, "source", parts, "What became of the clips of each source, as shares", colours
        )
    if any(stats["camera_motion"].values()):
        found["camera"] = charts.counts(
            {name.replace("_", " "): count for name, count in stats["camera_motion"].items()},
            "clips",
            "Clips by what their camera does",
        )
        found["profile"] = charts.shares(
            [
                {"camera": r["camera"], "part": r["objects"], "count": r["clips"]}
                for r in stats["motion_profile"]
            ],
            "camera",
            ("move", "still", "not measured"),
            "Whether objects move on their own, by what the camera does",
            (charts.COLOURS[1], charts.QUIET, charts.COLOURS[6]),
        )
    if any(stats["words"].values()):
        found["words"] = charts.words(stats["words"], "Words of questions, answers and baselines")
    if stats["claims"]:
        found["claims"] = charts.counts(stats["claims"], "answers", "The most frequent claims of answers")
    outcomes = ("answer_better", "equal", "baseline_better", "cannot_judge")
    if stats["agreement"]:
        found["agreement"] = charts.shares(
            [
                {"category": row["category"] or "none", "part": part.replace("_", " "), "count": row[part]}
                for row in stats["agreement"]
                for part in outcomes
            ],
            "category",
            [part.replace("_", " ") for part in outcomes],
            "The model's answers against the baseline's, by the claims that hold",
            (charts.ACCENT, charts.COLOURS[4], charts.WARN, charts.QUIET),
        )
    return found
