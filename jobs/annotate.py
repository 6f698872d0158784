"""`motionsight annotate`: question and answer about every clip that the gates let through."""

from functools import partial

import pyarrow as pa

from configs.settings import settings
from filters.gates import kept
from jobs.session import Session
from pipeline import ledger as budget
from pipeline.engine import pending
from stages.annotate.stage import Annotate, placed
from stages.models import vision
from stages.models.actors import serving

NOT_ALL = 3  # the exit code: nothing broke, and yet what a script would go on with is not whole


def run(session: Session) -> int:
    """Annotate what is missing, as far as the ceiling of the costs lets it. Returns the exit code."""
    config, workspace = session.config, session.workspace
    clips = session.need("clips", "ingest")
    scores = session.need("scores", "score")
    vision.check(config.detector, config.tracker)
    ceiling = budget.ceiling(config.mllm, config.baseline)
    workspace.claim("annotations", settings(config, "annotations"))
    passed = set(kept(scores, config.gates)["clip_id"].to_pylist())
    wanted = clips.filter(
        pa.array([clip_id in passed for clip_id in clips["clip_id"].to_pylist()], pa.bool_())
    )
    missing = pending(wanted, workspace.ids("annotations"))
    if not missing.num_rows:
        session.say(f"annotate: nothing to do, all {wanted.num_rows} clips that pass the gates are annotated")
        return 0
    before = budget.spent_before(workspace.read("annotations", ["tokens", "cost", "requests"]), config.mllm)
    with (
        serving(placed(config), config.engine) as handles,
        budget.ledger(ceiling, before, config.engine) as book,
    ):
        make = partial(Annotate, config, handles, config.score, book)
        session.run("annotate", missing, make, workspace)
        if ceiling:
            left = missing.num_rows - session.stages["annotate"].rows
            if said := budget.told(book, ceiling, left):
                session.say(f"annotate: {said}")
                return NOT_ALL
    return 0
