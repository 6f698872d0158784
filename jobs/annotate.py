"""`motionsight annotate`: question and answer about every clip that the gates let through."""

from functools import partial

import pyarrow as pa

from filters.gates import kept
from jobs.session import Session
from pipeline.config import settings
from pipeline.engine import pending
from stages.annotate import Annotate, placed
from stages.models import vision
from stages.models.remote import serving


def run(session: Session) -> int:
    """Annotate what is missing. Returns how many clips that were."""
    config, workspace = session.config, session.workspace
    clips = session.need("clips", "ingest")
    scores = session.need("scores", "score")
    vision.check(config.detector, config.tracker)
    workspace.claim("annotations", settings(config, "annotations"))
    passed = set(kept(scores, config.gates)["clip_id"].to_pylist())
    wanted = clips.filter(
        pa.array([clip_id in passed for clip_id in clips["clip_id"].to_pylist()], pa.bool_())
    )
    missing = pending(wanted, workspace.ids("annotations"))
    if not missing.num_rows:
        session.say(f"annotate: nothing to do, all {wanted.num_rows} clips that pass the gates are annotated")
        return 0
    with serving(placed(config), config.engine) as handles:
        session.run("annotate", missing, partial(Annotate, config, handles, config.score), workspace)
    return missing.num_rows
