"""`motionsight ingest`: find the clips and give each its identity.

Workers write what they learn of the files to the table `fingerprints`, so that a run that was stopped
continues where it was. Which of several equal files is the clip is decided at the end, from all of them
together: it depends neither on the order in which they were read, nor on how often the run was stopped.
"""

import json
from datetime import UTC, datetime
from importlib.util import find_spec

import pyarrow as pa
import pyarrow.compute as pc

from configs.settings import identity
from jobs.session import Session, Ticker
from pipeline.errors import CallError
from pipeline.workspace import CHANGED
from stages.ingest.find import find
from stages.ingest.identity import new_rows, touched, unseen
from stages.ingest.settings import IngestConfig
from stages.ingest.stage import Fingerprint
from stages.ingest.video_ids import lumps

ROWS_PER_FILE = 100_000  # of the tables that are written at the end, to bound the memory that it takes


def run(session: Session, where: str) -> int:
    """Add the clips of an input to the workspace.

    Args:
        session: The workspace and settings.
        where: Path or URL of a folder, file, manifest or WebDataset tar, or a glob.

    Returns:
        The number of new clips.

    Raises:
        CallError: The input has no clips, or shots are requested but PySceneDetect is not installed.
    """
    config, workspace = session.config.ingest, session.workspace
    if config.shots != "none" and find_spec("scenedetect") is None:
        raise CallError("ingest.shots needs PySceneDetect: pip install 'motionsight-distill[shots]'")
    tick = Ticker(session.say)
    found = find(
        where,
        config,
        lambda count: tick(count, f"ingest: {count} clips found so far"),
        lambda sentence: session.say(f"ingest: {sentence}"),
        workspace.read("clips", ["video_id", "uri"]),
    )
    workspace.create()
    settings = identity(session.config, "fingerprints")
    if changes := workspace.changed("fingerprints", settings):
        session.say(f"ingest: what a stopped run had read is read again: {', '.join(changes)}")
        workspace.clear(["fingerprints"])
    _forget_changed(session, found)
    clips = workspace.read("clips", ["clip_id", "video_id", "uri", "start_s", "end_s", "sha256"])
    duplicates = workspace.read("duplicates")
    left = unseen(found, clips, duplicates)
    done = workspace.read("fingerprints", ["clip_id"])
    left = left.filter(pc.invert(pc.is_in(left["clip_id"], done["clip_id"])))
    if left.num_rows:
        workspace.claim("fingerprints", settings)
        session.run(Fingerprint(config), left, workspace)
    rows, twins = new_rows(found, workspace.read("fingerprints"), clips, duplicates)
    for start in range(0, rows.num_rows, ROWS_PER_FILE):
        workspace.append("clips", rows.slice(start, ROWS_PER_FILE))
    workspace.append("duplicates", twins)
    workspace.clear(["fingerprints"])
    if twins.num_rows:
        session.say(f"ingest: {twins.num_rows} exact duplicates recorded and left out")
    if not (left.num_rows or rows.num_rows or twins.num_rows):
        session.say(f"ingest: nothing to do, all {found.num_rows} clips are known")
    for warning in lumps(
        pa.chunked_array([*clips["video_id"].chunks, *rows["video_id"].chunks], pa.string())
    ):
        session.say(f"ingest: {warning}")
    return rows.num_rows


def _forget_changed(session: Session, found: pa.Table) -> None:
    """Delete what is known of files that have changed since they were read, so that they are read anew.

    Args:
        session: The workspace and settings.
        found: The files of the input (schema FOUND).
    """
    workspace = session.workspace
    read = workspace.read("fingerprints", ["clip_id", "bytes", "modified"])
    halfway = touched(read.join(found.select(["clip_id", "uri"]), "clip_id", join_type="inner"))
    workspace.remove("fingerprints", halfway["clip_id"].combine_chunks())
    clips = workspace.read("clips")
    written = touched(clips.filter(pc.is_in(clips["uri"], found["uri"])))
    if not written.num_rows:
        return
    session.say(f"ingest: {written.num_rows} clips whose files have been written since are looked at again")
    whole = pa.nulls(written.num_rows, pa.float64())
    files = written.select(["clip_id", "uri"]).append_column("start_s", whole).append_column("end_s", whole)
    now = {row["clip_id"]: row for row in session.run(Fingerprint(IngestConfig()), files)}
    same, changed = [], []
    for row in written.to_pylist():
        found_now = now[row["clip_id"]]
        if found_now["sha256"] == row["sha256"]:
            same.append(row | {"modified": found_now["modified"]})
        elif found_now["sha256"]:
            changed.append(row["clip_id"])
    workspace.remove("clips", pa.array([row["clip_id"] for row in same], pa.string()))
    workspace.append("clips", same)
    if changed:  # from now on, votes on what was said of the old file do not count
        noted = json.loads(workspace.read_bytes(CHANGED) or b"{}")
        noted |= dict.fromkeys(changed, datetime.now(UTC).isoformat())
        workspace.write_bytes(json.dumps(noted, indent=1, sort_keys=True).encode(), CHANGED)
    for table in ("annotations", "scores", "duplicates", "clips"):  # last what tells that they have changed
        workspace.remove(table, pa.array(changed, pa.string()))
    if changed:
        session.say(f"ingest: {len(changed)} clips have changed: what was made of them is made anew")
