"""`motionsight audit`: count what happened to every clip, and show how the scores are spread."""

import json

from jobs.session import Session
from jobs.split import plan
from pipeline.errors import RunError
from stages.audit import render_text, stats

TOO_MANY_FAILED = 3


def run(session: Session) -> int:
    """Print the audit and write `audit/stats.json`.

    Returns 3 when more than `max_failed_share` of the clips failed, else 0. Raises RunError when the counts
    do not add up: then rows were lost, and the tables cannot be trusted.
    """
    workspace, config = session.workspace, session.config
    counted = stats(
        workspace.read("clips"),
        workspace.read("duplicates"),
        workspace.read("scores"),
        workspace.read("annotations", ["clip_id", "error", "qa"]),
        plan(session),
        config.gates,
    )
    session.out.print(render_text(counted))
    workspace.write_bytes(json.dumps(counted, indent=1, ensure_ascii=False).encode(), "audit", "stats.json")
    if not counted["adds_up"]:
        raise RunError(f"the counts of {workspace.root} do not add up: {'; '.join(counted['broken'])}")
    funnel = counted["funnel"]
    failed = funnel["failed_score"] + funnel["failed_annotation"]
    if failed > config.max_failed_share * max(1, funnel["clips"]):
        session.say(
            f"{failed} of {funnel['clips']} clips failed, more than max_failed_share allows "
            f"({config.max_failed_share:.0%}); error and error_detail in scores/ and annotations/ say why"
        )
        return TOO_MANY_FAILED
    return 0
