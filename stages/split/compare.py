"""What differs between two datasets, or between a dataset and the plan of the next one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.table import Column, Table
from rich.text import Text

from pipeline.workspace import opened
from stages.split.files import own_path
from stages.split.plan import DatasetPlan
from stages.split.schema import TIERS

# The rows of both tiers in one table, as they are compared. `asked` is the question, `answered` the answer or
# the chosen text; rejected is null in SFT.
ROWS = pa.schema(
    [(name, pa.string()) for name in ("id", "clip_id", "tier", "split", "asked", "answered", "rejected")]
)
EXAMPLES = 5  # clip_ids listed for each kind of move


def planned(plan: DatasetPlan) -> pa.Table:
    """Return the rows of a plan as ROWS."""
    return pa.concat_tables(_rows(getattr(plan, tier), tier, getattr(plan, tier)["split"]) for tier in TIERS)


def published(folder: str) -> tuple[dict[str, Any], pa.Table]:
    """Read a dataset.

    Args:
        folder: A local path, or a URI that pyarrow knows.

    Returns:
        Its manifest, and its rows as ROWS.

    Raises:
        FileNotFoundError: There is no dataset.
    """
    files, base = opened(folder)
    with files.open_input_stream(f"{base}/manifest.json") as stream:
        manifest = json.load(stream)
    tables = [ROWS.empty_table()]
    for file in manifest["files"]:
        tier, _, name = own_path(file["path"]).partition("/")
        if tier in TIERS and name.endswith(".parquet"):
            columns = [
                "id",
                "clip_id",
                "question",
                *(["chosen", "rejected"] if tier == "dpo" else ["answer"]),
            ]
            path = f"{base}/{file['path']}"
            rows = pq.read_table(path, columns=columns, filesystem=files, partitioning=None)
            tables.append(_rows(rows, tier, pa.array([name.split("-")[0]] * rows.num_rows, pa.string())))
    return manifest, pa.concat_tables(tables)


def _rows(rows: pa.Table, tier: str, split: pa.ChunkedArray | pa.Array) -> pa.Table:
    is_dpo = tier == "dpo"
    columns = {
        "id": rows["id"],
        "clip_id": rows["clip_id"],
        "tier": pa.array([tier] * rows.num_rows, pa.string()),
        "split": split,
        "asked": rows["question"],
        "answered": rows["chosen" if is_dpo else "answer"],
        "rejected": rows["rejected"] if is_dpo else pa.nulls(rows.num_rows, pa.string()),
    }
    return pa.table(columns, schema=ROWS)


def since_published(folder: str, plan: DatasetPlan) -> dict[str, Any] | None:
    """Compare a plan with the dataset that is published, as `difference` does.

    Clips whose video could not be read for that dataset are left aside.

    Args:
        folder: Of the dataset: a local path, or a URI that pyarrow knows.
        plan: What `split` would publish.

    Returns:
        The difference; None: there is no dataset.
    """
    try:
        manifest, old = published(folder)
    except FileNotFoundError:
        return None
    missing = pa.array([clip["clip_id"] for clip in manifest["missing"]], pa.string())
    new = planned(plan)
    return difference(old, new.filter(pc.invert(pc.is_in(new["clip_id"], missing))))


CLIPS_SQL = """
with o as (select clip_id, min(split) as split, min(tier) as tier from old group by 1),
     n as (select clip_id, min(split) as split, min(tier) as tier from new group by 1),
     j as (select coalesce(o.clip_id, n.clip_id) as id, o.tier || '/' || o.split as was,
                  n.tier || '/' || n.split as is_ from o full join n using (clip_id))
select coalesce(was, '') as was, coalesce(is_, '') as is_, count(*) as clips, list(id order by id)[:{}] as ids
from j group by all order by 1, 2
"""
ROWS_SQL = """
select count(*) filter (o.id is null) as added, count(*) filter (n.id is null) as removed,
    count(*) filter (o.tier || o.split <> n.tier || n.split) as moved,
    count(*) filter (o.tier || o.split = n.tier || n.split and (o.asked, o.answered, coalesce(o.rejected, ''))
        <> (n.asked, n.answered, coalesce(n.rejected, ''))) as reworded,
    count(*) filter (o.tier || o.split = n.tier || n.split and (o.asked, o.answered, coalesce(o.rejected, ''))
        = (n.asked, n.answered, coalesce(n.rejected, ''))) as same
from old o full join new n using (id)
"""
REMOVED_SQL = """
select coalesce(w.reason, w.state, 'no longer ingested'), count(*)
from (select distinct clip_id from old where clip_id not in (select clip_id from new)) left join why w
using (clip_id) group by 1 order by 2 desc, 1
"""


def difference(old: pa.Table, new: pa.Table, why: pa.Table | None = None) -> dict[str, Any]:
    """Count what becomes of clips and rows from one dataset to another.

    A clip with a preference pair counts as preference data.

    Args:
        old: Rows of the first dataset, as ROWS.
        new: Rows of the second dataset, as ROWS.
        why: clip_id, state and reason of the clips, as in `DatasetPlan.clips`, to say what removed a clip.

    Returns:
        `clips`: {added, removed, moved, same}, which add up to all the clips of the two. `rows`: {added,
        removed, moved, reworded, same}. `between`: a list of {from, to, clips, first}, the places a clip
        moved between ("" is outside, else tier/split), how many did, and the first few clip_ids.
        `removed_by`: how many clips each gate, error code or state removed.
    """
    db = duckdb.connect()
    db.register("old", old)
    db.register("new", new)
    between = [
        {"from": was, "to": to, "clips": count, "first": ids}
        for was, to, count, ids in db.execute(CLIPS_SQL.format(EXAMPLES)).fetchall()
    ]
    clips = dict.fromkeys(("added", "removed", "moved", "same"), 0)
    for part in between:
        kind = "added" if not part["from"] else "removed" if not part["to"] else "moved"
        clips["same" if part["from"] == part["to"] else kind] += part["clips"]
    names = ("added", "removed", "moved", "reworded", "same")
    rows = dict(zip(names, db.execute(ROWS_SQL).fetchall()[0], strict=True))
    if why is not None:
        db.register("why", why.select(["clip_id", "state", "reason"]))
    removed_by = dict(db.execute(REMOVED_SQL).fetchall()) if why is not None else {}
    return {
        "clips": clips,
        "rows": rows,
        "between": [part for part in between if part["from"] != part["to"]],
        "removed_by": removed_by,
    }


def settings_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the settings, versions and models in which two manifests differ, as {name, was, is}."""
    flat = [
        {
            name: value
            for part in ("gates", "split", "config", "versions", "models")
            for name, value in _flat(manifest.get(part, {}), part)
        }
        for manifest in (old, new)
    ]
    return [
        {"name": name, "was": flat[0].get(name), "is": flat[1].get(name)}
        for name in sorted(flat[0].keys() | flat[1].keys())
        if flat[0].get(name) != flat[1].get(name)
    ]


def _flat(value: Any, name: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{name}.{key}")]
    return [(name, value)]


def render(change: Mapping[str, Any], settings: Sequence[Mapping[str, Any]] = ()) -> list[Table | Text]:
    """Format a difference for a terminal.

    Args:
        change: What `difference` returned.
        settings: What `settings_between` returned.
    """

    def counted(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in counts.items())

    parts: list[Table | Text] = [
        Text(f"clips: {counted(change['clips'])}"),
        Text(f"rows: {counted(change['rows'])}"),
    ]
    if change["removed_by"]:
        parts.append(Text(f"removed by: {counted(change['removed_by'])}"))
    if change["between"]:
        table = Table("from", "to", Column("clips", justify="right"), "such as", box=None, pad_edge=False)
        for part in change["between"]:
            table.add_row(
                part["from"] or "outside",
                part["to"] or "outside",
                f"{part['clips']:,}",
                " ".join(part["first"][:2]),
            )
        parts.append(table)
    if settings:
        table = Table("setting", "was", "is", box=None, pad_edge=False)
        for setting in settings:
            table.add_row(setting["name"], *(Text(json.dumps(setting[side])) for side in ("was", "is")))
        parts.append(table)
    return parts
