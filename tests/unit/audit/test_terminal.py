import io
from typing import Any

import pytest
from hypothesis import given, settings
from rich.console import Console

from stages.audit.terminal import bar, render_text, sparkline, standing
from tests.tables import clip, score, tables
from tests.unit.audit.counted import Rows, audited


def text(stats: dict[str, Any], width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render_text(stats))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_clips_that_failed_are_named_with_the_reason(rows: Rows) -> None:
    rows["scores"][0] |= {"error_detail": "took longer than 60 s"}
    lines = [" ".join(line.split()) for line in text(audited(rows)).splitlines()]
    assert f"timeout {clip('b')['uri']} took longer than 60 s" in lines
    assert any(line.startswith(f"mllm_error {clip('e')['uri']}") for line in lines)
    assert "Failed" not in text(audited({"clips": [clip("e")], "scores": [], "annotations": []}))


def test_the_text_says_what_became_of_the_clips(rows: Rows) -> None:
    shown = text(audited(rows))
    assert "timeout 1, pending 1" in shown
    assert "duration_min_s 1" in shown
    assert "motion_check_min 1" in shown
    assert "all 8 sums add up" in shown


def test_a_sum_that_does_not_hold_is_shown(rows: Rows) -> None:
    rows["scores"].append(score("h"))
    shown = text(audited(rows))
    assert "does not add up: clips = " in shown
    assert "sums add up" not in shown


def test_an_empty_workspace_has_a_text() -> None:
    assert "sums add up" in text(audited({"clips": [], "scores": [], "annotations": []}))


@settings(deadline=None)
@given(tables())
def test_whatever_the_tables_hold_no_line_is_wider_than_the_terminal(rows: Rows) -> None:
    for line in text(audited(rows)).splitlines():
        assert len(line) <= 100


def test_bars_and_sparklines_show_small_counts_and_leave_out_none() -> None:
    assert bar(0, 100) == ""
    assert bar(1, 100000) == "▏"
    assert bar(100, 100, width=4) == "████"
    assert bar(0, 0) == ""
    assert sparkline([0, 1, 1000]) == " ▁█"
    assert sparkline([]) == ""


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (None, "no dataset is published yet"),
        ({"added": 0, "removed": 0, "moved": 0, "reworded": 0, "same": 7}, "is what these tables"),
        ({"added": 2, "removed": 0, "moved": 0, "reworded": 1, "same": 7}, "rows: added 2, reworded 1"),
    ],
)
def test_it_is_said_whether_the_dataset_is_that_of_the_tables(rows: dict[str, int] | None, told: str) -> None:
    assert told in standing(rows and {"rows": rows})
