"""What makes two clips the same: their location, or else their bytes."""

import hashlib
from collections.abc import Iterable
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.schema import CLIPS, DUPLICATES
from stages.video.source import modified

# Each clip that the files give, and the holder of its content (same bytes, start and end): the clip in the
# table that has it, or else the first of these by uri. A file that cannot be read is like no other.
PIECES_SQL = """
create temp table pieces as
with looked as (select * from found join fingerprints using (clip_id)),
pieces as (
    select clip_id, video_id, uri, start_s, end_s, source, caption, bytes, sha256, modified
    from looked where coalesce(len(shots), 0) = 0
    union all
    select clip_id(uri, shot[1], shot[2]), video_id, uri, shot[1], shot[2], source, caption, bytes, sha256,
        modified
    from (select *, unnest(shots) as shot from looked)
),
candidates as (
    select clip_id, uri, sha256, start_s, end_s, false as new from clips
    union all select clip_id, uri, sha256, start_s, end_s, true from pieces
),
held as (
    select sha256, start_s, end_s, arg_min(clip_id, (new, uri)) as holder
    from candidates where sha256 is not null group by all
)
select pieces.*, coalesce(holder, clip_id) as holder from pieces left join held
    on pieces.sha256 = held.sha256 and pieces.start_s is not distinct from held.start_s
    and pieces.end_s is not distinct from held.end_s
"""
ROWS_SQL = f"""
select {", ".join(CLIPS.names)} from pieces
where holder = clip_id and clip_id not in (select clip_id from clips) order by clip_id
"""
TWINS_SQL = """
select uri, holder as clip_id from pieces where holder <> clip_id
except select uri, clip_id from duplicates order by all
"""

# Beyond this memory, it works on disk: four million files take 55 s.
LIMITS: dict[str, str | bool | int | float | list[str]] = {"threads": 1, "memory_limit": "512MB"}


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


def touched(known: pa.Table) -> pa.Table:
    """Return the rows whose file has been written since it was read, as far as its size and time tell.

    Args:
        known: With the columns uri, bytes (of the file or the tar's member) and modified, when it was read;
            null in tables of older versions, of which the size alone tells.
    """
    written = []
    for row in known.select(["uri", "bytes", "modified"]).to_pylist():
        now = modified(row["uri"])
        if now and row["modified"] is None and "::" not in row["uri"]:
            written.append(int(now.partition(" ")[0]) != row["bytes"])
        else:
            written.append(now is not None and row["modified"] not in (None, now))
    return known.filter(pa.array(written, pa.bool_()))


def unseen(found: pa.Table, clips: pa.Table, duplicates: pa.Table) -> pa.Table:
    """Return the rows of `found` (schema FOUND) that neither of the tables has yet."""
    whole = pc.and_(pc.is_null(found["start_s"]), pc.is_null(found["end_s"]))
    known = pc.or_(pc.is_in(found["uri"], clips["uri"]), pc.is_in(found["uri"], duplicates["uri"]))
    seen = pc.or_(pc.is_in(found["clip_id"], clips["clip_id"]), pc.and_(whole, known))
    return found.filter(pc.invert(seen))


def new_rows(
    found: pa.Table, fingerprints: pa.Table, clips: pa.Table, duplicates: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Sort fingerprinted files into new clips and duplicates.

    Among clips with the same bytes, start and end, the one already in the table is kept, or else the first by
    uri. What the tables already have is left out, so if only a part of the result was written, the same call
    gives the rest.

    Args:
        found: The files (schema FOUND).
        fingerprints: Of the files; those without one are left out.
        clips: The table `clips` so far.
        duplicates: The table `duplicates` so far.

    Returns:
        New rows of `clips`, and new rows of `duplicates`.
    """
    with TemporaryDirectory() as spill, duckdb.connect(config=LIMITS | {"temp_directory": spill}) as db:
        tables = {"found": found, "fingerprints": fingerprints, "clips": clips, "duplicates": duplicates}
        for name, table in tables.items():
            db.register(name, table)
        db.create_function("clip_id", clip_id, ["VARCHAR", "DOUBLE", "DOUBLE"], "VARCHAR")
        db.execute(PIECES_SQL)
        rows, twins = (db.sql(query).to_arrow_table() for query in (ROWS_SQL, TWINS_SQL))
    return rows.cast(CLIPS), twins.cast(DUPLICATES)
