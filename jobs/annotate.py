"""`motionsight annotate`: ask and answer questions about every clip that passes the gates."""

from collections import Counter
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from filters.verdicts import GatesConfig, clip_verdicts, kept
from jobs.precheck import ready
from jobs.session import Session, chosen
from pipeline import ledger
from pipeline.engine import pending
from pipeline.errors import NOT_ALL
from stages.annotate.stage import Annotate
from stages.models.metering import ceiling, spent_before
from stages.models.registry import check


def run(session: Session, only: Collection[str] | None = None) -> int:
    """Annotate the clips that have no annotations yet, as far as the cost ceiling allows.

    Args:
        session: The workspace and settings.
        only: Ids of the clips that may be processed; None: all.

    Returns:
        The exit code: 0, or 3 if the ceiling left clips out.

    Raises:
        CallError: The workspace has no scores, or has annotations made with other settings; a model cannot be
            loaded as configured; or the ceiling cannot be enforced.
        RunError: A model's actor cannot be started.
    """
    config, workspace = session.config, session.workspace
    clips = session.need("clips", "ingest")
    scores = session.need("scores", "score")
    most = ceiling(config.mllm, config.baseline)
    passed = kept(scores, config.gates)["clip_id"].combine_chunks()
    wanted = clips.filter(pc.is_in(clips["clip_id"], passed))
    if clips.num_rows and not wanted.num_rows:
        session.say(f"annotate: no clip passes the gates; dropped by {_dropped(scores, config.gates)}")
    missing = pending(chosen(wanted, only), workspace.ids("annotations"))
    if missing.num_rows:
        ready(config, config.backends(), ["annotate"])
        check(config.detector, config.tracker)
    session.bind("annotations")
    if not missing.num_rows:
        session.all_done(
            "annotate", "annotations", f"all {wanted.num_rows} clips that pass the gates are annotated"
        )
        return 0
    before = spent_before(workspace.read("annotations", ["tokens", "cost", "requests"]), config.mllm)
    notes = ledger.Notes(workspace, "annotations")
    with (
        session.models(config.backends()) as handles,
        ledger.ledger(most, before, notes, config.engine) as book,
    ):
        session.run(Annotate(config, handles, config.score, book), missing, workspace)
        if most:
            for remark in ledger.remarks(book):
                session.say(f"annotate: {remark}")
            left = missing.num_rows - session.stages["annotate"].rows
            if said := ledger.turned_away(book, most, left):
                session.say(f"annotate: {said}")
                return NOT_ALL
    return 0


def _dropped(scores: pa.Table, gates: GatesConfig) -> str:
    """How many clips each gate drops, and how many have failed."""
    good = scores.filter(scores["error"].is_null())
    counts = Counter(clip_verdicts(good, gates).to_pylist())
    parts = [f"gates.{name} {count}" for name, count in counts.most_common() if name]
    return ", ".join([*parts, f"errors {scores.num_rows - good.num_rows}"])
