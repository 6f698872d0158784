"""What the audit makes of rows that tests wrote by hand."""

from typing import Any

from filters.verdicts import GatesConfig
from stages.audit.statistics import Tables, look_alikes, stats
from stages.audit.what_if import what_if
from stages.split.settings import SplitConfig
from tests.tables import plan_of, table

Rows = dict[str, list[dict[str, Any]]]  # of clips, duplicates, scores, annotations and votes


def tables_of(rows: Rows) -> Tables:
    return Tables(
        *(table(name, rows.get(name, [])) for name in ("clips", "duplicates", "scores", "annotations"))
    )


def audited(
    rows: Rows, gates: GatesConfig | None = None, plan_gates: GatesConfig | None = None
) -> dict[str, Any]:
    """The statistics of the rows. plan_gates: those of the plan, if they differ."""
    gates = gates or GatesConfig()
    plan = plan_of(rows["clips"], rows["scores"], rows["annotations"], rows.get("votes"), plan_gates or gates)
    counted = stats(tables_of(rows), plan, gates, look_alikes(table("scores", rows["scores"]), gates))
    return counted | {"since_published": None}


def asked_what_if(rows: Rows, gates: GatesConfig) -> dict[str, Any]:
    names = ("clips", "scores", "annotations")
    return what_if(
        *(table(name, rows[name]) for name in names),
        table("preferences", rows.get("votes", [])),
        gates,
        SplitConfig(),
    )
