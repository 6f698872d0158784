"""`motionsight distill`: from a folder of clips to a dataset and a report, in one go."""

from configs.settings import identity
from jobs import annotate, audit, ingest, score, split
from jobs.session import Session
from stages.ingest.find import find
from stages.ingest.identity import unseen


def run(session: Session, where: str) -> int:
    """Ingest, score, annotate, split and audit; each does only what is missing.

    Returns:
        The exit code.
    """
    ingest.run(session, where)
    score.run(session)
    unfinished = annotate.run(session)
    split.run(session)
    return audit.run(session) or unfinished


def dry_run(session: Session, where: str) -> int:
    """Say what each step would have to do; nothing is written and Ray is not started.

    Returns:
        0.
    """
    config, workspace = session.config, session.workspace
    found = find(where, config.ingest)
    for table in ("scores", "annotations"):
        workspace.check(table, identity(config, table))
    fresh = unseen(found, workspace.read("clips"), workspace.read("duplicates")).num_rows
    known = workspace.read("clips", ["clip_id"]).num_rows
    scored = len(workspace.ids("scores"))
    session.say(f"ingest: {found.num_rows} clips found in {where!r}, {fresh} of them new")
    session.say(f"score: {known - scored + fresh} clips to score, {scored} are done")
    session.say(f"annotate: of the clips that pass the gates, {len(workspace.ids('annotations'))} are done")
    session.say("dry run, nothing was written")
    return 0
