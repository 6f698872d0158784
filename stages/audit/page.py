"""The report: numbers, charts, what-if and filmstrips in one HTML file."""

import base64
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from pipeline.errors import ERRORS
from stages.audit import links, words
from stages.audit.distributions import MOTION_NUMBERS
from stages.audit.figures import bars, histograms
from stages.audit.next_step import next_step
from stages.audit.samples import Sample
from stages.audit.statistics import MOVING_SHARE
from stages.audit.terminal import standing
from stages.audit.what_if import standing_at

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Shown:
    """A sample with what there is to show of it.

    Attributes:
        sample: The clip, and the gate that it is near.
        name: Of its file.
        rows: Its filmstrip, JPEG by title; empty when there is none.
        missing: Why there is no filmstrip.
        questions: Structs `pipeline.schema.QA`.
    """

    sample: Sample
    name: str
    rows: Mapping[str, bytes]
    missing: str
    questions: Sequence[Mapping[str, Any]]


class Place(NamedTuple):
    """What the commands in a report name.

    Attributes:
        workspace: Its path or address.
        profile: The settings file or profile of the gates.
        options: Those of a command line that say the same settings again.
    """

    workspace: str
    profile: str = "embedded"
    options: Sequence[str] = ()


def page(
    place: Place,
    stats: Mapping[str, Any],
    what_if: Mapping[str, Any],
    fixed: Mapping[str, Any],
    shown: Sequence[Shown],
) -> str:
    """Render the report as HTML that makes no request; text that comes from the data is escaped.

    Args:
        place: The workspace and its settings.
        stats: What `stages.audit.statistics.stats` returned.
        what_if: What `stages.audit.what_if.what_if` returned.
        fixed: Settings of gates that the page cannot move, which drop clips after those that it can.
        shown: The clips near the gates, those of a gate together.
    """
    scripts = [_bundle(), *((HERE / name).read_text() for name in ("charts.js", "page.js"))]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters["data_url"] = lambda data: f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    quality = words.quality(stats["quality_metrics"])
    limits = standing_at(what_if)
    return environment.get_template("page.html").render(
        title=PurePosixPath(place.workspace).name,
        place=place,
        stats=stats,
        f=stats["funnel"],
        standing=standing(stats["since_published"]),
        next_step=next_step(stats, place.workspace, place.options),
        browse=shlex.join(["motionsight", "browse", "--output", place.workspace]),
        what_if=what_if,
        measured=[
            words.limited(m["title"], m["unit"], stats["quality_metrics"]) for m in what_if["measures"]
        ],
        fixed=fixed,
        groups=[(gate, list(group)) for gate, group in groupby(shown, lambda one: one.sample.gate)],
        charts=histograms(stats, what_if),
        bars=bars(stats, limits),
        limits=limits,
        clips=links.clips,
        of_source=links.of_source,
        errors=ERRORS,
        words=words,
        readings=words.READINGS | {"quality": quality},
        motion_numbers=MOTION_NUMBERS,
        moving_share=MOVING_SHARE,
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
