"""The audit as text for a terminal of 100 columns."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stages.audit.distributions import CLIP_NUMBERS, QA_NUMBERS
from stages.audit.statistics import EXAMPLES

Stats = Mapping[str, Any]  # of `stages.audit.statistics.stats`


def render_text(stats: Stats) -> RenderableType:
    """Lay out the audit for rich to print.

    Args:
        stats: What `stages.audit.statistics.stats` returned.
    """
    return Group(
        _clips(stats),
        *_failures(stats),
        _dataset(stats),
        *_questions(stats),
        _camera(stats),
        _distributions(stats),
        *_remarks(stats),
    )


def _clips(stats: Stats) -> Table:
    funnel, dropped, errors = stats["funnel"], stats["dropped"], stats["errors"]
    table = _table("Clips", "step", ">clips", "", "the rest")
    steps: tuple[tuple[str, int, Mapping[str, int]], ...] = (
        ("inputs", funnel["inputs"], {}),
        ("clips", funnel["clips"], {"duplicates": funnel["duplicates"]}),
        ("scored", funnel["scored"], errors["scores"] | {"pending": funnel["pending_score"]}),
        ("kept", funnel["kept"], dropped["clips"]),
        (
            "annotated",
            funnel["annotated"],
            errors["annotations"] | {"pending": funnel["pending_annotation"]},
        ),
        (
            "in the dataset",
            funnel["sft_clips"] + funnel["dpo_clips"],
            {"no question left": funnel["no_qa_left"]},
        ),
    )
    for step, count, others in steps:
        _row(table, step, count, bar(count, funnel["inputs"]), _listed(others))
    return table


def _failures(stats: Stats) -> Iterator[Table]:
    if not stats["error_examples"]:
        return
    table = _table(f"Failed (at most {EXAMPLES} of each kind)", "kind", "clip", "why")
    table.columns[1].overflow = "fold"
    for example in stats["error_examples"]:
        _row(table, example["error"], example["uri"] or example["clip_id"], example["detail"] or "")
    yield table


def _dataset(stats: Stats) -> Table:
    table = _table("Dataset", "tier", "split", ">clips", ">rows")
    for tier, splits in stats["dataset"].items():
        for split, part in splits.items():
            _row(table, tier, split, part["clips"], part["rows"])
    return table


def _questions(stats: Stats) -> Iterator[RenderableType]:
    table = _table("Questions", "state", ">count", "categories")
    for state, count in (("sft", "sft_rows"), ("dpo", "dpo_rows"), ("dropped", "dropped_questions")):
        _row(table, state, stats["funnel"][count], _listed(stats["categories"][state]))
    yield table
    yield Text(f"dropped by: {_listed(stats['dropped']['questions']) or 'nothing'}")
    yield Text(f"chosen by: {_listed(stats['chosen_source']) or 'no one'}")
    yield Text(f"clips that look like an earlier one: {stats['near_duplicates']:,}")


def _camera(stats: Stats) -> Table:
    table = _table("Camera motion", "label", ">clips", "")
    most = max(stats["camera_motion"].values())
    for label, count in stats["camera_motion"].items():
        _row(table, label, count, bar(count, most))
    return table


def _distributions(stats: Stats) -> Table:
    table = _table("Distributions", "number", "unit", ">min", ">median", ">max", "min to max", ">missing")
    for name, unit in (CLIP_NUMBERS | QA_NUMBERS).items():
        found = stats["histograms"][name]
        if found["count"]:
            numbers = (f"{found[key]:.3g}" for key in ("min", "median", "max"))
            _row(table, name, unit, *numbers, sparkline(found["bins"]), found["missing"])
    return table


def _remarks(stats: Stats) -> Iterator[Text]:
    yield Text(standing(stats["since_published"]))
    for warning in stats["warnings"]:
        yield Text(f"warning: {warning}", "yellow")
    for equation in stats["broken"]:
        yield Text(f"does not add up: {equation}", "bold red")
    if stats["adds_up"]:
        yield Text(f"all {len(stats['equations'])} sums add up", "green")


def standing(since: Stats | None) -> str:
    """Say whether the published dataset is what these tables and settings give.

    Args:
        since: What `stages.split.compare.since_published` returned.
    """
    if since is None:
        return "no dataset is published yet: motionsight split writes it"
    changes = {kind: count for kind, count in since["rows"].items() if kind != "same" and count}
    if not changes:
        return "the published dataset is what these tables and settings give"
    return (
        "the published dataset is not what these tables and settings give; motionsight split would change its"
        f" rows: {_listed(changes)}"
    )


def bar(count: int, most: int, width: int = 24) -> str:
    """Draw a count as a bar in steps of an eighth of a cell; never empty for a count above 0.

    Args:
        count: What to draw.
        most: The count that fills the whole width.
        width: In cells.
    """
    eighths = max(bool(count), round(8 * width * count / most)) if most else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def sparkline(counts: list[int]) -> str:
    """Draw counts as one character each, of a height in proportion; a blank for 0."""
    most = max(counts, default=0)
    return "".join("▁▂▃▄▅▆▇█"[(8 * count - 1) // most] if count else " " for count in counts)


def _table(title: str, *columns: str) -> Table:
    """A table without a frame; a column whose name begins with ">" is right-aligned."""
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def _row(table: Table, *cells: str | int) -> None:
    table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else cell) for cell in cells))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
