"""The charts of the report, as Vega-Lite specifications whose colours are the page's CSS variables."""

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
    return {
        "data": {"values": list(data)},
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "description": description,
        "config": CONFIG,
        **more,
    }


def counts(found: Mapping[str, int], what: str, description: str) -> Spec:
    """Horizontal bars, one for each name, in the order given, with the counts beside them."""
    data = [{"name": name, "count": count} for name, count in found.items()]
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
            {"mark": {"type": "bar", "tooltip": True}},
            {"mark": label, "encoding": {"text": {"field": "count", "type": "quantitative", "format": ","}}},
        ],
    )


def shares(
    data: Sequence[Row], rows: str, parts: Sequence[str], description: str, colours: Sequence[str]
) -> Spec:
    """Bars of equal length divided by share. data: {rows: name, "part": one of `parts`, "count": n}."""
    colour = {"field": "part", "type": "nominal", "scale": {"domain": list(parts), "range": list(colours)}}
    return _chart(
        [{**row, "order": list(parts).index(row["part"])} for row in data],
        30 * len({row[rows] for row in data}),
        description,
        mark={"type": "bar", "tooltip": True},
        encoding={
            "y": {"field": rows, "type": "nominal", "sort": None, "title": None},
            "x": {
                **{"field": "count", "type": "quantitative", "stack": "normalize", "title": "share"},
                "axis": {"format": "%", "tickCount": 4},
            },
            "color": colour,
            "order": {"field": "order"},
        },
    )


def distribution(told: Row, title: str, description: str, height: int = 120) -> Spec:
    """A histogram. told: `bins` of lo, hi, count, and whether they are `log`."""
    axis = {"tickCount": 5, "format": ".3~r", "grid": False} | ({"tickMinStep": 1} if told["whole"] else {})
    domain = [told["bins"][0]["lo"], told["bins"][-1]["hi"]]
    scale = {"type": "log" if told["log"] else "linear", "domain": domain, "nice": False}
    return _chart(
        told["bins"],
        height,
        description,
        mark={"type": "bar", "tooltip": True, "binSpacing": 1},
        encoding={
            "x": {"field": "lo", "type": "quantitative", "title": title, "axis": axis, "scale": scale},
            "x2": {"field": "hi"},
            "y2": {"datum": 0},
            "y": {
                **{"field": "count", "type": "quantitative", "title": None},
                "axis": {"tickCount": 3, "format": "~s", "tickMinStep": 1},
            },
        },
    )


def gated(told: Row, title: str, description: str) -> Spec:
    """A histogram with its gates drawn in; what they leave out is quiet.

    The page moves them: signals `least` and `most`, and the data set `gates` of {name, value}.
    """
    spec = distribution(told, title, description, 130)
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
    """How many words questions and answers have."""
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
