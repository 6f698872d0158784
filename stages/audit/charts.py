"""Kinds of chart, as Vega-Lite specifications whose colours are the page's CSS variables."""

from collections.abc import Mapping, Sequence
from typing import Any

Spec = dict[str, Any]
Row = Mapping[str, Any]

ACCENT, QUIET, WARN = "var(--accent)", "var(--quiet)", "var(--warn)"
COLOURS = [f"var(--c{n})" for n in range(1, 9)]
CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **{"labelColor": "var(--soft)", "titleColor": "var(--soft)", "gridColor": "var(--line)"},
        **{"domainColor": "var(--line)", "tickColor": "var(--line)"},
        **{"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 140},
    },
    "legend": {
        **{"labelColor": "var(--soft)", "labelFontSize": 12, "title": None},
        **{"orient": "bottom", "columns": 3, "symbolType": "square"},
    },
    "range": {"category": COLOURS},
    "rule": {"color": WARN},
    "text": {"color": "var(--ink)", "fontSize": 12},
    "bar": {"color": ACCENT},
}


def _chart(data: Sequence[Row], height: Any, description: str, **more: Any) -> Spec:
    """What all charts have in common: they fill the width of their place in the page."""
    return {
        "data": {"values": list(data)},
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "description": description,
        "config": CONFIG,
        **more,
    }


def _linked(data: Sequence[Row], links: Sequence[str | None]) -> list[Row]:
    """The rows with where each of them leads."""
    return [{**row, "url": link} if link else row for row, link in zip(data, links, strict=True)]


def _leading(data: Sequence[Row], *told: str) -> Spec:
    """The part of an encoding that makes links of marks, if any of the rows leads somewhere.

    told: The fields that tooltips and screen readers tell of, which would otherwise tell of the address too.
    """
    if not any("url" in row for row in data):
        return {}
    words = " + '; ' + ".join(f"'{name}: ' + datum['{name}']" for name in told)
    return {
        "href": {"field": "url"},
        "tooltip": [{"field": name} for name in told],
        "description": {"value": {"expr": words}},
    }


def counts(
    found: Mapping[str, int], what: str, description: str, links: Mapping[str, str] | None = None
) -> Spec:
    """Draw horizontal bars with the counts beside them.

    Args:
        found: Count by name, in the order of the bars.
        what: What is counted: the title of the axis.
        description: For screen readers.
        links: Where bars lead, by name.
    """
    bars = [{"name": name, "count": count} for name, count in found.items()]
    data = _linked(bars, [(links or {}).get(name) for name in found])
    y = {"field": "name", "type": "nominal", "sort": None, "title": None}
    x = {
        "field": "count",
        "type": "quantitative",
        "title": what,
        "axis": {"tickCount": 4, "format": "~s", "tickMinStep": 1},
    }
    label = {"type": "text", "align": "left", "dx": 4}
    return _chart(
        data,
        24 * len(data),
        description,
        encoding={"y": y, "x": x},
        layer=[
            {"mark": {"type": "bar", "tooltip": True}, "encoding": _leading(data, "name", "count")},
            {"mark": label, "encoding": {"text": {"field": "count", "type": "quantitative", "format": ","}}},
        ],
    )


def shares(
    data: Sequence[Row], rows: str, parts: Sequence[str], description: str, colours: Sequence[str]
) -> Spec:
    """Draw horizontal bars of equal length, divided by share.

    Args:
        data: Rows of {`rows`: the bar's name, "part": one of `parts`, "count": a number}, and "url" where the
            part leads somewhere.
        rows: The key of the bar's name, which is also the bars' title.
        parts: The parts, in the order in which they are stacked.
        description: For screen readers.
        colours: One for each of the parts.
    """
    colour = {"field": "part", "type": "nominal", "scale": {"domain": list(parts), "range": list(colours)}}
    return _chart(
        [{**row, "order": list(parts).index(row["part"])} for row in data],
        30 * len({row[rows] for row in data}),
        description,
        mark={"type": "bar", "tooltip": True},
        encoding={
            **_leading(data, rows, "part", "count"),
            "y": {"field": rows, "type": "nominal", "sort": None, "title": None},
            "x": {
                **{"field": "count", "type": "quantitative", "stack": "normalize", "title": "share"},
                "axis": {"format": "%", "tickCount": 4},
            },
            "color": colour,
            "order": {"field": "order"},
        },
    )


def distribution(
    spread: Row, title: str, description: str, height: int = 120, links: Sequence[str] = ()
) -> Spec:
    """Draw a histogram.

    Args:
        spread: Of `stages.audit.distributions.spread`, with at least one bin.
        title: Of the horizontal axis.
        description: For screen readers.
        height: Pixels.
        links: Where each bin leads; none: nowhere.
    """
    axis = {"tickCount": 5, "format": ".3~r", "grid": False}
    if spread["whole"]:
        axis["tickMinStep"] = 1
    domain = [spread["bins"][0]["lo"], spread["bins"][-1]["hi"]]
    scale = {"type": "log" if spread["log"] else "linear", "domain": domain, "nice": False}
    data = _linked(spread["bins"], links or [None] * len(spread["bins"]))
    return _chart(
        data,
        height,
        description,
        mark={"type": "bar", "tooltip": True, "binSpacing": 1},
        encoding={
            **_leading(data, "lo", "hi", "count"),
            "x": {"field": "lo", "type": "quantitative", "title": title, "axis": axis, "scale": scale},
            "x2": {"field": "hi"},
            "y2": {"datum": 0},
            "y": {
                **{"field": "count", "type": "quantitative", "title": None},
                "axis": {"tickCount": 3, "format": "~s", "tickMinStep": 1},
            },
        },
    )


def gated(spread: Row, title: str, description: str, links: Sequence[str] = ()) -> Spec:
    """Draw a histogram with its gates as rules; the bars that they leave out are greyed.

    The page moves the gates through the signals `least` and `most` and the data set `gates` of {value}.

    Args:
        spread: Of `stages.audit.distributions.spread`, with at least one bin.
        title: Of the horizontal axis.
        description: For screen readers.
        links: Where each bin leads; none: nowhere.
    """
    spec = distribution(spread, title, description, 130, links)
    inside = {"test": "datum.hi >= least && datum.lo <= most", "value": ACCENT}
    bars = {"mark": spec.pop("mark"), "encoding": spec.pop("encoding"), "data": spec.pop("data")}
    bars["encoding"]["color"] = {"condition": inside, "value": QUIET}
    x = {"field": "value", "type": "quantitative"}
    return spec | {
        "params": [{"name": "least", "value": -1e300}, {"name": "most", "value": 1e300}],
        "datasets": {"gates": []},
        "layer": [
            bars,
            {
                "data": {"name": "gates"},
                "mark": {"type": "rule", "strokeWidth": 2, "clip": True},
                "encoding": {"x": x},
            },
        ],
    }


def words(found: Mapping[str, Sequence[Row]], description: str) -> Spec:
    """Draw how long texts are, as overlaid areas.

    Args:
        found: By kind of text, rows of {"words": length, "count": texts of that length}.
        description: For screen readers.
    """
    data = [{"of": name, **row} for name, rows in found.items() for row in rows]
    return _chart(
        data,
        160,
        description,
        mark={"type": "area", "interpolate": "step", "line": True, "fillOpacity": 0.15, "tooltip": True},
        encoding={
            "x": {
                **{
                    "field": "words",
                    "type": "quantitative",
                    "bin": {"maxbins": 40, "minstep": 1},
                    "title": "words",
                },
                "axis": {"grid": False, "tickCount": 6, "format": "d"},
            },
            "y": {
                **{
                    "aggregate": "sum",
                    "field": "count",
                    "type": "quantitative",
                    "stack": None,
                    "title": None,
                },
                "axis": {"tickCount": 3, "format": "~s", "tickMinStep": 1},
            },
            "color": {"field": "of", "type": "nominal", "scale": {"domain": list(found), "range": COLOURS}},
        },
    )
