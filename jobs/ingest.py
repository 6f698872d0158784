"""`motionsight ingest`: find the clips and give each its identity."""

from importlib.util import find_spec

from jobs.session import Session
from pipeline.errors import CallError
from stages.ingest.find import find
from stages.ingest.identity import new_rows, unseen
from stages.ingest.stage import Fingerprint


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
    config = session.config.ingest
    if config.shots != "none" and find_spec("scenedetect") is None:
        raise CallError("ingest.shots needs PySceneDetect: pip install 'motionsight-distill[shots]'")
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
