"""`motionsight distill`: from a folder of clips to a dataset and a report, in one command."""

from collections.abc import Collection

from configs.settings import identity
from jobs import annotate, audit, ingest, score, split
from jobs.precheck import ready
from jobs.session import Session
from stages.ingest.find import find
from stages.ingest.identity import unseen


def run(session: Session, where: str, only: Collection[str] | None = None) -> int:
    """Ingest, score, annotate, split and audit; each step processes only what is missing.

    Args:
        session: Holds the lock of the workspace.
        where: The input: a folder, file, glob, table or tars.
        only: Ids of the clips that may be scored and annotated; None: all, and new ones are looked for.

    Returns:
        The exit code: 0, or 3 if clips are left or too many failed.
    """
    workspace = session.workspace
    if not (known := workspace.ids("clips")) or known - workspace.ids("scores"):
        _ready(session)
    if only is None:
        ingest.run(session, where)
    score.run(session, only)
    unfinished = annotate.run(session, only)
    split.run(session)
    return audit.run(session) or unfinished


def dry_run(session: Session, where: str, restart: bool = False) -> int:
    """Print what each step would do, without writing anything or starting Ray.

    Args:
        session: Of the workspace, which need not exist.
        where: The input, as for `run`.
        restart: Whether all results would be discarded first.

    Returns:
        The exit code, 0.

    Raises:
        CallError: There are no clips, the tables were made with other settings, or this machine lacks
            something.
    """
    config, workspace = session.config, session.workspace
    clips = workspace.read("clips")
    scored, annotated = (len(workspace.ids(table)) for table in ("scores", "annotations"))
    if restart:
        session.say(f"restart: {clips.num_rows} clips, {scored} scores and {annotated} annotations discarded")
        clips, scored, annotated = clips.slice(0, 0), 0, 0
    found = find(where, config.ingest, note=lambda sentence: session.say(f"ingest: {sentence}"), known=clips)
    for table in () if restart else ("scores", "annotations"):
        workspace.check(table, identity(config, table))
    duplicates = workspace.read("duplicates")
    fresh = unseen(found, clips, duplicates.slice(0, 0) if restart else duplicates).num_rows
    if todo := clips.num_rows - scored + fresh:
        _ready(session)
    session.say(f"ingest: {found.num_rows} clips found in {where!r}, {fresh} of them new")
    session.say(f"score: {todo} clips to score, {scored} already done")
    session.say(f"annotate: {annotated} of the clips that pass the gates already done")
    session.say("dry run: nothing was written")
    return 0


def _ready(session: Session) -> None:
    ready(session.config, session.config.backends(), ["score", "annotate"])
