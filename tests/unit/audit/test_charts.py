import re

import numpy as np
import pytest

from filters.verdicts import GatesConfig
from stages.audit import page as page_module
from stages.audit.charts import distribution, hides
from stages.audit.distributions import spread
from stages.audit.figures import bars, histograms
from tests.unit.audit.counted import Rows, asked_what_if, audited


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([1000, 3, 2, 1], True),
        ([10, 8, 9, 12], False),
        ([1000, 0, 0, 0], False),
        ([], False),
        ([50, 50, 1], False),
    ],
)
def test_counts_are_logarithmic_where_one_bar_would_hide_the_rest(counts: list[int], hidden: bool) -> None:
    assert hides(counts) == hidden


def test_a_chart_says_that_its_counts_are_logarithmic() -> None:
    flat = distribution(spread(np.arange(100.0) / 7), "seconds", "Lengths")
    steep = distribution(spread(np.append(np.zeros(500), np.arange(60.0) / 7)), "seconds", "Lengths")
    assert (flat["usermeta"]["log"], steep["usermeta"]["log"]) == (False, True)
    assert "scale" not in flat["encoding"]["y"]
    assert steep["encoding"]["y"]["scale"]["type"] == "symlog"  # which has a place for 0


def test_counts_are_read_off_whole_numbers() -> None:
    for values in ([0.5, 1.5, 1.5], np.arange(1.0, 300) / 7, np.append(np.zeros(900), 0.5)):
        found = spread(np.asarray(values, float))
        most = max(bin["count"] for bin in found["bins"])
        ticks = distribution(found, "seconds", "Lengths")["encoding"]["y"]["axis"]["values"]
        assert ticks[0] == 0
        assert 2 <= len(ticks) <= 5
        assert most / 2 < ticks[-1] <= most
        assert all(isinstance(tick, int) for tick in ticks)
    cuts = distribution(spread(np.array([0.0, 3.0, 9.0])), "hard cuts", "Cuts")
    assert cuts["encoding"]["x"]["axis"]["values"] == [0, 2, 4, 6, 8]


def test_each_bar_says_what_it_stands_for() -> None:
    whole = distribution(spread(np.array([0.0, 0.0, 1.0])), "hard cuts", "Cuts")
    assert [bar["says"] for bar in whole["data"]["values"]] == ["0 hard cuts: 2 clips", "1 hard cuts: 1 clip"]
    parts = distribution(spread(np.array([0.5, 1.5])), "seconds", "Lengths", "questions")
    assert parts["data"]["values"][0]["says"] == "0.5 to 0.521 seconds: 1 question"


def test_every_colour_that_is_drawn_has_one_meaning_in_light_and_in_dark(rows: Rows) -> None:
    css = (page_module.HERE / "page.css").read_text()
    light, dark = (dict(re.findall(r"--([a-z]+): ([^;]+);", part)) for part in css.split("@media")[:2])
    drawn = {part.colour for each in bars(audited(rows), {}).values() for bar in each for part in bar.parts}
    charts = str(histograms(audited(rows), asked_what_if(rows, GatesConfig())))
    drawn |= set(re.findall(r"var\(--([a-z]+)\)", charts))
    assert {"kept", "dropped", "failed", "pending", "sft", "dpo", "train"} <= drawn
    assert drawn <= set(light)
    meanings = drawn - {"soft", "line", "edge", "ink"}
    for scheme in (light, light | dark):
        assert len({scheme[name] for name in meanings}) == len(meanings)


def test_a_bar_holds_what_its_parts_count(rows: Rows) -> None:
    found = bars(audited(rows), {})
    assert [(bar.name, bar.total) for bar in found["funnel"]] == [
        ("inputs", 9),
        ("clips", 8),
        ("measured", 6),
        ("kept by the gates", 5),
        ("annotated", 3),
    ]
    assert [(part.name, part.count) for part in found["sources"][0].parts] == [
        ("kept", 5),
        ("dropped", 1),
        ("failed", 1),
        ("pending", 1),
    ]
