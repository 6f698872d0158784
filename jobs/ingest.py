"""`motionsight ingest`: find the clips and give each its identity."""

from functools import partial
from importlib.util import find_spec

from jobs.session import Session
from pipeline.errors import CallError
from stages.ingest import find as ingest


def run(session: Session, where: str) -> int:
    """Add the clips of an input to the workspace. Returns how many are new.

    Raises CallError, also when shots are wanted and PySceneDetect is not installed.
    """
    config = session.config.ingest
    if config.shots != "none" and find_spec("scenedetect") is None:
        raise CallError("ingest.shots needs PySceneDetect: pip install 'motionsight-distill[shots]'")
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
