"""What a workspace needs next, as a command that can be run as it is shown."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class NextStep(NamedTuple):
    """What to do next.

    Attributes:
        why: A sentence.
        command: To be run in a shell.
    """

    why: str
    command: str


def next_step(stats: Mapping[str, Any], workspace: str, options: Sequence[str] = ()) -> NextStep | None:
    """Find the first step that is not done for all clips.

    Args:
        stats: What `stages.audit.statistics.stats` returned, with `since_published`.
        workspace: Its path or address.
        options: Of the command line that the step needs too, as for settings.

    Returns:
        The step; None where nothing is left to do, or where no clip passes the gates.
    """
    funnel = stats["funnel"]

    def step(why: str, command: str, *more: str) -> NextStep:
        return NextStep(why, shlex.join(["motionsight", command, *more, "--output", workspace, *options]))

    if not funnel["clips"]:
        return step(
            "No clips are here yet. Give it a folder, a file, a glob or a table.",
            "ingest",
            "--input",
            "FOLDER",
        )
    if pending := funnel["pending_score"]:
        return step(f"{_clips(pending)} not measured yet.", "score")
    if pending := funnel["pending_annotation"]:
        return step(f"{_clips(pending)} kept by the gates, and not annotated yet.", "annotate")
    if not funnel["annotated"]:
        return None
    if stats["since_published"] is None:
        return step("No dataset is published yet.", "split")
    changed = any(count for kind, count in stats["since_published"]["rows"].items() if kind != "same")
    return (
        step("The published dataset is not what these tables and settings give.", "split")
        if changed
        else None
    )


def _clips(count: int) -> str:
    return f"{count:,} {'clip is' if count == 1 else 'clips are'}"
