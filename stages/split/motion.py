"""How the clips of a dataset move, counted for its card, and the picture of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.schema import CAMERA_LABELS
from stages.split.schema import Row, Split, Tier

UNKNOWN = "not certain"
# Upper bounds of the bars; the last bar has none. Motion in percent of the frame's diagonal per second.
DURATIONS = (2, 5, 10, 20, 60)  # seconds
OBJECTS = (0.5, 1, 2, 5, 10)


@dataclass(frozen=True)
class Panel:
    """One chart: how many there are of each kind.

    Attributes:
        title: What is counted by what.
        counts: Kinds and counts, in the order of the bars.
    """

    title: str
    counts: Mapping[str, int]


def panels(motion: pa.Table, parts: Mapping[tuple[Tier, Split], Sequence[Row]]) -> list[Panel]:
    """Count the clips by their motion, and the questions by what they are about.

    Args:
        motion: Rows of MOTION; those of clips that give no rows are ignored.
        parts: The dataset's rows by tier and split.
    """
    rows = [row for part in parts.values() for row in part]
    used = pa.array(sorted({row["clip_id"] for row in rows}), pa.string())
    motion = motion.filter(pc.is_in(motion["clip_id"], used))
    found = Counter(label for labels in motion["camera_motion"].to_pylist() for label in labels or [UNKNOWN])
    camera = {label.replace("_", " "): found[label] for label in (*CAMERA_LABELS, UNKNOWN) if found[label]}
    own = [value and 100 * value for value in motion["object_motion"].to_pylist()]
    asked = Counter(row["category"] for row in rows)
    return [
        Panel("Clips by camera motion (a clip may have several)", camera),
        Panel("Clips by object motion, % of the frame diagonal per second", _binned(own, OBJECTS)),
        Panel("Clips by length, seconds", _binned(motion["duration_s"].to_pylist(), DURATIONS)),
        Panel(
            "Questions by what they are about",
            {name: asked[name] for name in ("camera", "object", "both") if asked[name]},
        ),
    ]


def _binned(values: Iterable[float | None], bounds: Sequence[float]) -> dict[str, int]:
    """Count values by interval, with all intervals between the lowest and the highest that have any."""
    names = [
        f"under {bounds[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in pairwise(bounds)),
        f"{bounds[-1]:g} and more",
    ]
    values = list(values)
    known = Counter(sum(value >= bound for bound in bounds) for value in values if value is not None)
    counts = {names[at]: known[at] for at in range(min(known), max(known) + 1)} if known else {}
    unknown = sum(value is None for value in values)
    return counts | ({UNKNOWN: unknown} if unknown else {})


WIDTH, MARGIN, LINE, LABEL = 860, 24, 22, 150  # pixels
HEAD = 34  # from the top of a panel to its first bar
FONT = "font-family='system-ui, sans-serif'"


def picture(charts: Sequence[Panel]) -> str:
    """Draw the charts as an SVG, two in a row; the same charts give the same text."""
    charts = [chart for chart in charts if chart.counts]
    column = (WIDTH - 3 * MARGIN) // 2
    parts: list[str] = []
    top = MARGIN
    for start in range(0, len(charts), 2):
        pair = charts[start : start + 2]
        for at, chart in enumerate(pair):
            parts += _drawn(chart, MARGIN + at * (column + MARGIN), top, column)
        top += HEAD + LINE * max(len(chart.counts) for chart in pair) + MARGIN
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{top}'"
            f" viewBox='0 0 {WIDTH} {top}' role='img'>",
            "<title>How the clips move</title>",
            f"<rect width='{WIDTH}' height='{top}' fill='#ffffff'/>",
            *parts,
            "</svg>\n",
        ]
    )


def _drawn(chart: Panel, left: int, top: int, width: int) -> list[str]:
    most = max(chart.counts.values())
    room = width - LABEL - 60  # for the bars; the counts stand beside them
    lines = [_text(left, top + 12, chart.title, "font-weight='600'")]
    for at, (name, count) in enumerate(chart.counts.items()):
        y = top + HEAD + LINE * at
        bar = max(1, round(room * count / most)) if count else 0
        lines += [
            _text(left + LABEL - 8, y + 12, name, "text-anchor='end'"),
            f"<rect x='{left + LABEL}' y='{y}' width='{bar}' height='16' rx='2' fill='#2f6fb3'/>",
            _text(left + LABEL + bar + 6, y + 12, f"{count:,}", "fill-opacity='0.75'"),
        ]
    return lines


def _text(x: int, y: int, text: str, more: str) -> str:
    return f"<text x='{x}' y='{y}' font-size='12' fill='#1c2430' {FONT} {more}>{escape(text)}</text>"
