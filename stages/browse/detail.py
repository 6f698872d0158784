"""Everything that is known of a single clip, in the form that the page shows."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.gate import bound, kind
from filters.verdicts import CLIP_GATES, GatesConfig, qa_verdict
from pipeline.errors import ERRORS
from stages.browse.index import Index
from stages.motionsight.observe import fit_within
from stages.split.votes import Choice, choices

Row = Mapping[str, Any]
SIBLINGS = 200  # clips of the same video, at most
TRAITS = ("width", "height", "fps", "frames", "codec", "clock_repair", "quality_metric")
CHECKS = ("vqascore", "motion_check", "baseline_check", "unjudged")


def name_of(uri: str) -> str:
    """Return the name of a clip's file, without its folder."""
    return PurePosixPath(uri).name or uri


def detail(index: Index, at: int, votes: pa.Table, gates: GatesConfig, max_pixels: int) -> dict[str, Any]:
    """Collect what there is to say of a clip.

    Args:
        index: All clips.
        at: Which of them.
        votes: The table `preferences`.
        gates: Thresholds on clips and answers.
        max_pixels: In the largest frame that boxes refer to.

    Returns:
        A structure for JSON, without NaN.

    Raises:
        RunError: A row cannot be read.
    """
    clip, score, annotation = (index.row(table, at) for table in ("clips", "scores", "annotations"))
    assert clip
    own = votes.filter(pc.equal(votes["clip_id"], clip["clip_id"]))
    asked = list(_questions(annotation, own, gates))
    checked = list(_gates(index, at, gates))
    found = {
        "id": clip["clip_id"],
        "name": name_of(clip["uri"]),
        **{
            name: clip[name] for name in ("uri", "source", "video_id", "start_s", "end_s", "caption", "bytes")
        },
        "split": index.value("split", at),
        "outcome": index.value("outcome", at),
        "annotation": index.value("annotation", at),
        "why": _why(index, at, checked, asked),
        "errors": [
            {"table": table, "code": row["error"], "detail": row["error_detail"] or ""}
            for table, row in (("scores", score), ("annotations", annotation))
            if row and row["error"]
        ],
        "siblings": _siblings(index, at),
        "labels": index.labels(at),
        "traits": {name: score[name] for name in TRAITS} if score else {},
        "duration_s": score["duration_s"] if score else None,
        "moves": (score["camera_moves"] or []) if score else [],
        "cuts": (score["cuts"] or []) if score else [],
        "unknown": score["camera_unknown"] if score else None,
        "numbers": [
            {"name": name, "title": number.title, "unit": number.unit, "value": number.values[at]}
            for name, number in index.numbers.items()
        ],
        "gates": checked,
        "questions": asked,
        "objects": _objects(score, annotation, max_pixels),
        "made": _made(annotation),
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _gates(index: Index, at: int, gates: GatesConfig) -> Iterator[dict[str, Any]]:
    """Each limit on the clip in the order in which it is applied; only that which dropped it `decides`."""
    dropped = index.value("gate", at)
    if index.value("outcome", at) not in ("kept", "dropped"):
        return
    for gate in CLIP_GATES:
        for name in gate.limits():
            limit = getattr(gates, name)
            if limit is None:
                continue
            value = float(index.numbers[index.limited[name]].values[at])
            passed = value >= limit if kind(name) == "min" else value <= limit
            yield {
                "name": name,
                "title": gate.title,
                "unit": gate.unit,
                "value": value,
                "bound": bound(name),
                "limit": limit,
                "passed": passed,
                "decides": name == dropped,
            }
        if not gate.limits() and dropped in {gate.name, *gate.model_fields}:
            yield {"name": dropped, "title": gate.name.replace("_", " "), "passed": False, "decides": True}


def _why(index: Index, at: int, checked: Sequence[Row], asked: Sequence[Row]) -> str:
    """Say in a sentence what became of the clip."""
    outcome, error = index.value("outcome", at), index.value("error", at)
    if outcome == "pending":
        return "Not measured yet: motionsight score has not come to it."
    if outcome == "failed":
        return f"Failed when it was measured: {ERRORS.get(error or '', error)}."
    if outcome == "dropped":
        gate = next((one for one in checked if one["decides"]), None)
        if not gate or "limit" not in gate:
            return f"Dropped by the gate {index.value('gate', at)}."
        value, limit = f"{gate['value']:.4g}", f"{gate['limit']:.4g} {gate['unit']}".strip()
        if math.isnan(gate["value"]):
            return f"Dropped by {gate['name']}: {gate['title']} was not measured."
        return f"Dropped by {gate['name']}: {gate['title']} {value}, not {gate['bound']} {limit}."
    match index.value("annotation", at):
        case "none":
            return "Kept: it passes every gate. Not annotated yet."
        case "failed":
            return f"Kept by the gates, but its annotation failed: {ERRORS.get(error or '', error)}."
    left = sum(1 for one in asked if not one["dropped"])
    if not left:
        return "Kept by the gates, but none of its questions is left."
    if left == len(asked):
        which = "does its question" if left == 1 else f"do its {left} questions"
        return f"Kept: it passes every gate, and so {which}."
    do = "does" if left == 1 else "do"
    return f"Kept: it passes every gate, and so {do} {left} of its {len(asked)} questions."


def _siblings(index: Index, at: int) -> list[dict[str, Any]]:
    """The clips of the same video in their order, if there are several."""
    if index.videos[at] < 0:
        return []
    rows = np.flatnonzero(index.videos == index.videos[at])
    if len(rows) < 2:
        return []
    found = index.clips.take(pa.array(rows)).select(["clip_id", "uri", "start_s", "end_s"]).to_pylist()
    outcomes = [index.value("outcome", int(row)) for row in rows]
    each = [
        {
            "id": one["clip_id"],
            "name": name_of(one["uri"]),
            "start_s": one["start_s"],
            "end_s": one["end_s"],
            "outcome": outcome,
        }
        for one, outcome in zip(found, outcomes, strict=True)
    ]
    each.sort(key=lambda one: (one["start_s"] or 0.0, one["name"]))
    here = next(n for n, one in enumerate(each) if one["id"] == index.clip(at)["clip_id"])
    first = max(0, here - SIBLINGS // 2)
    return each[first : first + SIBLINGS]


def _questions(annotation: Row | None, votes: pa.Table, gates: GatesConfig) -> Iterator[dict[str, Any]]:
    """What was asked and answered, whether it is kept, and what people say of it."""
    decided = choices(votes)
    rows = sorted(votes.to_pylist(), key=lambda vote: vote["at"])
    for qa in (annotation and annotation["qa"]) or ():
        choice = decided.get((annotation["clip_id"] if annotation else "", qa["question"]))
        human = choice.chosen if choice else None
        verdict = None if human else qa_verdict(qa, gates)
        yield {
            **{name: qa[name] for name in ("question", "category", "answer", "baseline", "error")},
            **{name: qa.get(name) for name in CHECKS},
            "objects": qa["objects"] or [],
            "claims": qa["claims"] or [],
            "dropped": verdict and {"gate": verdict.gate, "reason": verdict.reason},
            "people": _decision(choice) if choice else None,
            "votes": [_vote(vote) for vote in rows if vote["question"] == qa["question"]],
        }


def _vote(vote: Row) -> dict[str, Any]:
    return {
        "annotator": vote["annotator"],
        "at": vote["at"],
        "choice": vote["choice"],
        "text": {"left": vote["left"], "right": vote["right"]}.get(vote["choice"]),
        "edited": vote["edited"],
    }


def _decision(choice: Choice) -> str:
    if choice.chosen:
        return f"People chose: {choice.chosen}"
    return "People find both texts bad." if choice.both_bad else "People have no preference."


def _objects(score: Row | None, annotation: Row | None, max_pixels: int) -> dict[str, Any] | None:
    """Boxes over time as shares of the frame, to be drawn in any size; None if there are none.

    `times`, seconds; `tracks` of {label, boxes}; `region`. A box is x1, y1, x2, y2, or None where there is
    none.
    """
    if not (score and annotation and annotation["times"] and score["width"] and score["height"]):
        return None
    size = fit_within(score["width"], score["height"], max_pixels)
    count = len(annotation["times"])
    tracks = [
        {"label": track["label"] or "", "boxes": _shares(track["boxes"], size, count)}
        for track in annotation["objects"] or ()
    ]
    region = _shares(annotation["regions"], size, count) if annotation["regions"] else []
    return {"times": annotation["times"], "tracks": tracks, "region": region}


def _shares(boxes: Sequence[Sequence[float] | None] | None, size: tuple[int, int], count: int) -> list[Any]:
    width, height = size
    whole = [width, height, width, height]
    found: list[Any] = []
    for box in [*(boxes or ()), *[None] * count][:count]:
        known = box and len(box) == 4 and all(edge is not None and math.isfinite(edge) for edge in box)
        found.append([edge / side for edge, side in zip(box, whole, strict=True)] if box and known else None)
    return found


def _made(annotation: Row | None) -> dict[str, Any] | None:
    if not annotation:
        return None
    return {
        "models": dict(annotation["models"] or ()),
        **{
            name: annotation[name]
            for name in ("notes", "seconds", "tokens", "thought_tokens", "cost", "requests")
        },
    }


def _plain(value: Any) -> Any:
    """The value with what JSON has: no NaN, no arrays, no times."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
