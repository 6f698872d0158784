"""`motionsight audit`: count what became of every clip, and show it as text, as JSON and as a page."""

import json
import time
from collections.abc import Sequence
from functools import partial, reduce
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from configs.published import Given
from configs.settings import Config, fingerprint
from jobs.session import Session, versions
from pipeline.errors import ClipError, RunError
from pipeline.isolation import Isolated, Limits
from pipeline.schema import TABLES
from pipeline.workspace import Workspace
from stages.audit.filmstrip import Filmstrip
from stages.audit.page import Place, Shown, page
from stages.audit.samples import Sample, samples
from stages.audit.statistics import (
    ANNOTATION_COLUMNS,
    CLIP_COLUMNS,
    SCORE_COLUMNS,
    Tables,
    look_alikes,
    sources,
    stats,
)
from stages.audit.terminal import render_text
from stages.audit.what_if import what_if
from stages.motionsight.settings import ObserveConfig
from stages.review.store import preferences
from stages.split.compare import since_published
from stages.split.plan import build

DRAWN = ("audit", ".drawn_from")  # stands for all that the report shows
TOO_MANY_FAILED = 3  # exit code
STRIP_LIMITS = Limits(clip_timeout_s=15.0)
STRIPS_S = 45.0  # for all filmstrips together: a report can do without some


def run(session: Session) -> int:
    """Print the audit and write `audit/stats.json` and `audit/report.html`.

    Args:
        session: The workspace and its settings.

    Returns:
        The exit code: 3 when more than `max_failed_share` of the clips failed, else 0.

    Raises:
        CallError: There are no clips.
        RunError: The counts do not add up: rows were lost or are stored twice, and the tables cannot be
            trusted.
    """
    workspace, config = session.workspace, session.config
    # First, while no table is in memory, as it needs the most of it.
    alike = look_alikes(workspace.read("scores", ["clip_id", "error", "phash"]), config.gates)
    clips = workspace.read("clips", CLIP_COLUMNS)
    if not clips.num_rows:
        session.need("clips", "ingest")
    clips = clips.set_column(CLIP_COLUMNS.index("source"), "source", sources(clips["source"]))
    scores = workspace.read("scores", SCORE_COLUMNS)
    annotations = workspace.read("annotations", ANNOTATION_COLUMNS)
    # A plan lists the models, which are costly to read and not needed here.
    models = TABLES["annotations"].field("models")
    annotations = annotations.append_column(models, pa.nulls(annotations.num_rows, models.type))
    votes = preferences(workspace)
    plan = build(clips, scores, annotations, votes, config.gates, config.split)
    tables = Tables(clips, workspace.read("duplicates"), scores, annotations)
    counted = stats(tables, plan, config.gates, alike)
    counted["since_published"] = since_published(f"{workspace.root}/dataset", plan)
    del plan
    session.report.print(render_text(counted))
    workspace.write_bytes(json.dumps(counted, indent=1, ensure_ascii=False).encode(), "audit", "stats.json")
    shown = [counted, workspace.stamp(*TABLES), config.model_dump(mode="json"), versions()]
    drawn = fingerprint(shown).encode()
    if not find_spec("vl_convert"):
        session.say("audit: no HTML report was written; it needs pip install 'motionsight-distill[report]'")
    elif workspace.read_bytes(*DRAWN) == drawn and workspace.exists("audit", "report.html"):
        session.say(f"audit: nothing to do, {workspace.root}/audit/report.html is up to date")
    else:
        movable = what_if(clips, scores, annotations, votes, config.gates, config.split)
        strips = _shown(session, samples(scores, annotations, config.gates, counted["dropped"]), clips)
        fixed = {"near_duplicates": "drop"} if config.gates.near_duplicates == "drop" else {}
        given = session.given or Given(config)
        html = page(
            Place(workspace.root, given.name, _options(given, config)), counted, movable, fixed, strips
        )
        workspace.write_bytes(html.encode(), "audit", "report.html")
        workspace.write_bytes(drawn, *DRAWN)
        session.say(f"audit: report written to {workspace.root}/audit/report.html")
    if not counted["adds_up"]:
        raise RunError(f"the counts of {workspace.root} do not add up: {'; '.join(counted['broken'])}")
    funnel = counted["funnel"]
    failed = funnel["failed_score"] + funnel["failed_annotation"]
    if failed > config.max_failed_share * max(1, funnel["clips"]):
        session.say(
            f"{failed} of {funnel['clips']} clips failed, more than max_failed_share allows "
            f"({config.max_failed_share:.0%}); see error and error_detail in scores/ and annotations/"
        )
        return TOO_MANY_FAILED
    return 0


def _options(given: Given, config: Config) -> list[str]:
    """The options of the command line that say the same settings again."""
    whole = config.model_dump(mode="json")
    options = [] if given.name == "embedded" else ["--config", given.name]
    for path in sorted(given.paths):
        value = reduce(lambda at, key: at[key], path.split("."), whole)
        options += ["--set", f"{path}={value if isinstance(value, str) else json.dumps(value)}"]
    return options


def _shown(session: Session, picked: Sequence[Sample], clips: pa.Table) -> list[Shown]:
    """The samples with their questions and filmstrips, or why a clip has no filmstrip."""
    if not picked:
        return []
    ids = [sample.clip_id for sample in picked]
    wanted = ("clip_id", "times", "objects", "regions", "qa")
    annotated = {row["clip_id"]: row for row in _rows(session.workspace, "annotations", ids, wanted)}
    files = {row["clip_id"]: row for row in clips.filter(ds.field("clip_id").isin(ids)).to_pylist()}
    look = ObserveConfig.model_validate({n: getattr(session.config, n) for n in ObserveConfig.model_fields})
    shown = []
    with _Strips(look) as strips:
        for sample in picked:
            clip, annotation = files.get(sample.clip_id), annotated.get(sample.clip_id)
            if not clip:
                continue  # it was never ingested, which the sums report
            rows, missing = strips(clip, annotation)
            name = PurePosixPath(clip["uri"]).name
            shown.append(Shown(sample, name, rows, missing, (annotation or {}).get("qa") or []))
    return shown


class _Strips:
    """Makes filmstrips while there is time and the clips can be reached."""

    def __init__(self, config: ObserveConfig) -> None:
        self._ends, self._stopped = time.monotonic() + STRIPS_S, ""
        self._strip: Isolated | None = None
        try:
            self._strip = Isolated(partial(Filmstrip, config), STRIP_LIMITS, ["stages.audit.filmstrip"])
        except RuntimeError as error:
            self._stopped = str(error)

    def __enter__(self) -> "_Strips":
        return self

    def __exit__(self, *_: object) -> None:
        if self._strip:
            self._strip.close()

    def __call__(
        self, clip: dict[str, Any], annotation: dict[str, Any] | None
    ) -> tuple[dict[str, bytes], str]:
        """The rows of a clip's filmstrip, or why there are none."""
        if not self._stopped and time.monotonic() > self._ends:
            self._stopped = f"the {STRIPS_S:.0f} s for the filmstrips of a report are used up"
        if self._stopped or not self._strip:
            return {}, self._stopped
        try:
            return self._strip(clip, annotation), ""
        except ClipError as error:
            return {}, error.detail
        except RunError as error:  # the store is down, and so it is for the other clips
            self._stopped = str(error)
            return {}, self._stopped


def _rows(
    workspace: Workspace, table: str, ids: Sequence[str], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """A few rows of a table whose columns are too large to read for all clips."""
    data = workspace.data_set(table)
    if not data:
        return []
    return data.to_table(columns=list(columns), filter=ds.field("clip_id").isin(ids)).to_pylist()
