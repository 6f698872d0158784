"""`motionsight ingest`: find the clips and give each its identity."""

from jobs.session import Session
from stages.ingest.find import find
from stages.ingest.identity import new_rows, unseen
from stages.ingest.stage import Fingerprint


def run(session: Session, where: str) -> int:
    """Add the clips of an input to the workspace.

    Returns:
        How many are new.
    """
    config = session.config.ingest
    found = find(where, config)
    session.workspace.create()
    clips, duplicates = session.workspace.read("clips"), session.workspace.read("duplicates")
    fresh = unseen(found, clips, duplicates)
    if not fresh.num_rows:
        session.say(f"ingest: nothing to do, all {found.num_rows} clips are known")
        return 0
    rows, twins = new_rows(session.run(Fingerprint(config), fresh), clips)
    session.workspace.append("duplicates", twins)
    session.workspace.append("clips", rows)
    if twins:
        session.say(f"ingest: {len(twins)} exact duplicates recorded and left out")
    return len(rows)
