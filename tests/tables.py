"""Rows of the tables, by hand and at random."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from filters.verdicts import GatesConfig
from pipeline.schema import TABLES, empty_row
from stages.split.plan import DatasetPlan, build
from stages.split.settings import SplitConfig

QUESTION = "How does the camera move?"


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([empty_row(name) | row for row in rows], TABLES[name])


def stored(workspace: Path, name: str) -> list[dict[str, Any]]:
    """Rows of a table as any Parquet reader sees them, by `clip_id` and without the time that they took."""
    if not (workspace / name).is_dir():
        return []
    rows = pq.read_table(workspace / name).to_pylist()
    return sorted(({**row, "seconds": None} for row in rows), key=lambda row: str(row["clip_id"]))


def clip(clip_id: str, video_id: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "clip_id": clip_id,
        "video_id": video_id or clip_id,
        "uri": f"/videos/{clip_id}.mp4",
        "source": "set",
    } | more


def score(clip_id: str, **more: Any) -> dict[str, Any]:
    """A score that passes every gate."""
    return {
        "clip_id": clip_id,
        "width": 640,
        "height": 360,
        "fps": 25.0,
        "duration_s": 4.0,
        "frames": 100,
        "codec": "h264",
        "quality": 30.0,
        "quality_metric": "piqe",
        "flow_mean": 0.05,
        "object_motion": 0.02,
        "object_area": 0.1,
        "camera_motion": ["pan_left"],
        "cuts": [],
        "phash": "0" * 48,
    } | more


def question(text: str = QUESTION, **more: Any) -> dict[str, Any]:
    """A question whose answer the measurements support and whose baseline they do not."""
    return {
        "question": text,
        "category": "camera",
        "answer": "The camera pans left.",
        "baseline": "The camera pans right.",
        "vqascore": None,
        "motion_check": 1.0,
        "baseline_check": 0.0,
        "claims": ["pan_left"],
        "error": None,
    } | more


def annotation(clip_id: str, *qa: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"clip_id": clip_id, "qa": list(qa), "objects": [], "models": [("mllm", "1")]} | more


def vote(clip_id: str, choice: str, **more: Any) -> dict[str, Any]:
    return {
        "clip_id": clip_id,
        "question": QUESTION,
        "left": "The camera pans left.",
        "right": "The camera pans right.",
        "choice": choice,
        "annotator": "ada",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
    } | more


def plan_of(
    clips: list[dict[str, Any]],
    scores: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    votes: list[dict[str, Any]] | None = None,
    gates: GatesConfig | None = None,
    **settings: Any,
) -> DatasetPlan:
    return build(
        table("clips", clips),
        table("scores", scores),
        table("annotations", annotations),
        table("preferences", votes or []),
        gates or GatesConfig(),
        SplitConfig(**settings),
    )


names = st.text(alphabet="ab/é ", max_size=3)
fractions = st.none() | st.sampled_from([0.0, 0.5, 1.0, math.nan])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Rows of the four tables in any mix of states."""
    ids = [f"{n:016x}" for n in range(draw(st.integers(0, 12)))]
    rows: dict[str, list[dict[str, Any]]] = {"clips": [], "scores": [], "annotations": [], "votes": []}
    for i in ids:
        rows["clips"].append(clip(i, draw(names)))
        if draw(st.booleans()) or draw(st.booleans()):
            numbers = {
                "quality": draw(fractions),
                "flow_mean": draw(fractions),
                "object_motion": draw(fractions),
            }
            failed = draw(st.sampled_from([None, None, None, "timeout"]))
            rows["scores"].append(
                score(i, **numbers, error=failed, phash=draw(st.sampled_from(["0" * 48, None])))
            )
        if draw(st.booleans()) or draw(st.booleans()):
            qa = [
                question(
                    f"{QUESTION} {n}" if n else QUESTION,
                    answer=draw(st.sampled_from(["The camera pans left.", "", None, "ünï 🎥"])),
                    motion_check=draw(fractions),
                    baseline_check=draw(fractions),
                    vqascore=draw(fractions),
                    category=draw(st.sampled_from(["object", "camera", "both"])),
                )
                for n in range(draw(st.integers(0, 3)))
            ]
            failed = draw(st.sampled_from([None, None, None, "mllm_error"]))
            rows["annotations"].append(annotation(i, *qa, error=failed))
        if draw(st.booleans()):
            rows["votes"].append(vote(i, draw(st.sampled_from(["left", "right", "tie", "both_bad"]))))
    return rows
