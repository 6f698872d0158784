"""`motionsight ingest`: find the clips and give each its identity."""

from functools import partial

from jobs.session import Session
from stages.ingest import find as ingest


def run(session: Session, where: str) -> int:
    """Add the clips of an input to the workspace. Returns how many are new."""
    config = session.config.ingest
    found = ingest.find(where, config)
    session.workspace.create()
    clips, duplicates = session.workspace.read("clips"), session.workspace.read("duplicates")
    fresh = ingest.unseen(found, clips, duplicates)
    if not fresh.num_rows:
        session.say(f"ingest: nothing to do, all {found.num_rows} clips are known")
        return 0
    looked = session.run("ingest", fresh, partial(ingest.Look, config))
    rows, twins = ingest.new_rows(looked, clips)
    session.workspace.append("duplicates", twins)
    session.workspace.append("clips", rows)
    if twins:
        session.say(f"ingest: {len(twins)} exact duplicates recorded and left out")
    return len(rows)
