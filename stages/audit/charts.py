"""Histograms, as Vega-Lite specifications whose colours are the page's CSS variables."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Spec = dict[str, Any]
Row = Mapping[str, Any]

KEPT, DROPPED, GATE, DATA = "var(--kept)", "var(--dropped)", "var(--ink)", "var(--data)"
HIDES = 15  # ratio of the highest bar to the median one from which on it hides the others
ROOM = 40  # pixels beside a chart with gates: a slider goes on to "off" there
CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **{"labelColor": "var(--soft)", "titleColor": "var(--soft)", "gridColor": "var(--line)"},
        **{"domainColor": "var(--edge)", "tickColor": "var(--edge)"},
        **{"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 0},
    },
}


def distribution(
    spread: Row,
    unit: str,
    description: str,
    what: str = "clips",
    *,
    colour: Any = DATA,
    height: int = 120,
    links: Sequence[str] = (),
) -> Spec:
    """Draw a histogram.

    Each bar says what it stands for, in tooltips and to screen readers. Counts are on a logarithmic scale
    where one bar would hide the others; `usermeta.log` then says so.

    Args:
        spread: Of `stages.audit.distributions.spread`, with at least one bin.
        unit: Of the number, for its axis and for the bars.
        description: For screen readers.
        what: What is counted.
        colour: Of the bars, as Vega-Lite encodes it.
        height: Pixels.
        links: Where each bin leads; none: nowhere.
    """
    bins, whole = spread["bins"], spread["whole"]
    ticks = {"values": _ticks(bins[0]["lo"] + 0.5, bins[-1]["hi"] - 0.5)} if whole else {"tickCount": 5}
    axis = {"format": ".3~r", "grid": False, **ticks}
    domain = [bins[0]["lo"], bins[-1]["hi"]]
    scale = {"type": "log" if spread["log"] else "linear", "domain": domain, "nice": False}
    data = [
        {**each, "says": _says(each, whole, unit, what)} | ({"url": links[n]} if links else {})
        for n, each in enumerate(bins)
    ]
    most = max(each["count"] for each in bins)
    log = hides([each["count"] for each in bins])
    y: Spec = {"field": "count", "type": "quantitative", "title": what}
    y["axis"] = {"format": "~s", "values": _ticks(0, most)}
    if log:
        y["scale"] = {"type": "symlog"}  # which has a place for 0
        steps = (1, 3) if most < 300 else (1,)
        values = (step * 10**n for n in range(10) for step in steps)
        y["axis"]["values"] = [0, *(value for value in values if value <= most)]
    return {
        "data": {"values": data},
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "description": description,
        "config": CONFIG,
        "usermeta": {"log": log},
        "mark": {"type": "bar", "binSpacing": 1},
        "encoding": {
            "x": {"field": "lo", "type": "quantitative", "title": unit, "axis": axis, "scale": scale},
            "x2": {"field": "hi"},
            "y": y,
            "y2": {"datum": 0},
            "color": colour if isinstance(colour, dict) else {"value": colour},
            "tooltip": {"field": "says"},
            "description": {"field": "says"},
            **({"href": {"field": "url"}} if links else {}),
        },
    }


def hides(counts: Sequence[int]) -> bool:
    """Say whether the highest bar leaves the others too low to be told apart."""
    there = sorted(count for count in counts if count)
    return len(there) > 2 and there[-1] >= HIDES * median(there)


def _ticks(least: float, most: float) -> list[int]:
    """Whole numbers from least to most, five at most, at a step of 1, 2 or 5 times a power of ten."""
    steps = (step * 10**n for n in range(12) for step in (1, 2, 5))
    step = next(step for step in steps if (most - least) / step < 5)
    return list(range(-int(-least // step) * step, int(most) + 1, step))


def _says(each: Row, whole: bool, unit: str, what: str) -> str:
    """What a bar stands for, such as "0.1 to 0.2 seconds: 3 clips"."""
    span = f"{each['lo'] + 0.5:.4g}" if whole else f"{each['lo']:.3g} to {each['hi']:.3g}"
    return f"{span} {unit}: {each['count']:,} {what if each['count'] != 1 else what.removesuffix('s')}"


def gated(
    spread: Row,
    unit: str,
    description: str,
    what: str,
    *,
    links: Sequence[str] = (),
    off: tuple[bool, bool] = (False, False),
) -> Spec:
    """Draw a histogram with its gates as rules, and what they drop in its colour.

    The page moves the gates through the signals `least` and `most` and the data set `gates` of {value}.

    Args:
        spread: Of `stages.audit.distributions.spread`, with at least one bin.
        unit: Of the number, for its axis and for the bars.
        description: For screen readers.
        what: What is counted.
        links: Where each bin leads; none: nowhere.
        off: Whether there is a gate that is off at the left, and one that is off at the right.
    """
    inside = {"test": "datum.hi >= least && datum.lo <= most", "value": KEPT}
    colour = {"condition": inside, "value": DROPPED}
    spec = distribution(spread, unit, description, what, colour=colour, height=130, links=links)
    bars = {"mark": spec.pop("mark"), "encoding": spec.pop("encoding"), "data": spec.pop("data")}
    rule = {
        "data": {"name": "gates"},
        "mark": {"type": "rule", "strokeWidth": 2, "clip": True, "color": GATE, "aria": False},
        "encoding": {"x": {"field": "value", "type": "quantitative"}},
    }
    left, right = off
    return spec | {
        "padding": {"left": 12 if left else 0, "right": ROOM if right else 12, "top": 4, "bottom": 4},
        "params": [{"name": "least", "value": -1e300}, {"name": "most", "value": 1e300}],
        "datasets": {"gates": []},
        "layer": [bars, rule],
    }
