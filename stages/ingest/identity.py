"""What makes two clips the same: their location, or else their bytes."""

import hashlib
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pipeline.schema import CLIPS


def clip_id(uri: str, start_s: float | None, end_s: float | None) -> str:
    """Compute the identity of a clip: 16 hex digits of a sha256 over uri, start and end (seconds)."""
    start, end = ("" if at is None else repr(float(at)) for at in (start_s, end_s))
    text = f"{uri}\n{start}\n{end}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def clips_of(uris: Iterable[str]) -> pa.Table:
    """Make a table of clips from whole videos, for custom pipelines.

    Args:
        uris: Paths or URLs, without duplicates.

    Returns:
        clip_id, uri, start_s and end_s (null: the whole video), in order of clip_id.
    """
    rows = [{"clip_id": clip_id(uri, None, None), "uri": uri} for uri in uris]
    columns = [CLIPS.field(name) for name in ("clip_id", "uri", "start_s", "end_s")]
    return pa.Table.from_pylist(rows, pa.schema(columns)).sort_by("clip_id")


def unseen(found: pa.Table, clips: pa.Table, duplicates: pa.Table) -> pa.Table:
    """Return the rows of `found` (schema FOUND) that neither of the tables has yet."""
    ids = set(clips["clip_id"].to_pylist())
    uris = set(clips["uri"].to_pylist()) | set(duplicates["uri"].to_pylist())
    fresh = [
        identity not in ids and (start is not None or end is not None or uri not in uris)
        for identity, uri, start, end in zip(
            *(found[name].to_pylist() for name in ("clip_id", "uri", "start_s", "end_s")), strict=True
        )
    ]
    return found.filter(pa.array(fresh, pa.bool_()))


def new_rows(
    looked: list[dict[str, Any]], clips: pa.Table
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Sort fingerprinted files into new clips and duplicates.

    Among clips with the same bytes, start and end, the one already in the table is kept, or else the first by
    uri.

    Args:
        looked: Rows of FINGERPRINTS.
        clips: The table `clips` so far.

    Returns:
        New rows of `clips`, and new rows of `duplicates`.
    """
    held = {_content(row): row["clip_id"] for row in clips.to_pylist() if row["sha256"]}
    rows: list[dict[str, Any]] = []
    twins: list[dict[str, Any]] = []
    for row in sorted(looked, key=lambda row: (row["uri"], row["start_s"] or 0.0)):
        pieces = row["shots"] or [(row["start_s"], row["end_s"])]
        for start, end in pieces:
            piece = row | {"start_s": start, "end_s": end, "clip_id": clip_id(row["uri"], start, end)}
            content = _content(piece)
            if row["sha256"] and held.setdefault(content, piece["clip_id"]) != piece["clip_id"]:
                twins.append({"uri": row["uri"], "clip_id": held[content]})
            else:
                rows.append({name: piece[name] for name in CLIPS.names})
    return rows, twins


def _content(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["sha256"], row["start_s"], row["end_s"]
