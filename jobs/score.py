"""`motionsight score`: measure every clip that has not been measured yet."""

from collections.abc import Collection

from jobs.precheck import ready
from jobs.session import Session, chosen
from pipeline.engine import pending
from stages.score.stage import Score


def run(session: Session, only: Collection[str] | None = None) -> int:
    """Score the clips that have no scores yet.

    Args:
        session: The workspace and settings.
        only: Ids of the clips that may be processed; None: all.

    Returns:
        The number of clips scored.

    Raises:
        CallError: The workspace has no clips, or has scores made with other settings.
    """
    workspace = session.workspace
    clips = session.need("clips", "ingest")
    missing = pending(chosen(clips, only), workspace.ids("scores"))
    if missing.num_rows:
        ready(session.config, {}, ["score"])
    session.bind("scores")
    if not missing.num_rows:
        session.all_done("score", "scores", f"all {clips.num_rows} clips are scored")
        return 0
    session.run(Score(session.config, session.config.score), missing, workspace)
    return missing.num_rows
