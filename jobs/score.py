"""`motionsight score`: measure every clip that has not been measured yet."""

from functools import partial

from configs.settings import settings
from jobs.session import Session
from pipeline.engine import pending
from stages.score.stage import IsolatedScore, Score


def run(session: Session) -> int:
    """Score what is missing. Returns how many clips that were."""
    config, workspace = session.config, session.workspace
    clips = session.need("clips", "ingest")
    workspace.claim("scores", settings(config, "scores"))
    missing = pending(clips, workspace.ids("scores"))
    if not missing.num_rows:
        session.say(f"score: nothing to do, all {clips.num_rows} clips are scored")
        return 0
    score = partial(Score, config.decode, config.flow, config.camera, config.quality)
    heavy = ("stages.score.stage", "pyiqa") if config.quality.metric else ("stages.score.stage",)
    session.run("score", missing, partial(IsolatedScore, score, config.score, heavy), workspace)
    return missing.num_rows
