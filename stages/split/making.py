"""How a dataset was made and what it cannot do, in the words of the run that made it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from stages.models.registry import MLLMS
from stages.split.plan import DatasetPlan
from stages.split.schema import CLIP_STATES, Row, Split, Tier

SHOWN = {
    "none": "plain frames",
    "spotlight": "a spotlight on what moves",
    "crop": "a cut-out of what moves",
    "background_blur": "a blurred background behind what moves",
    "red_circle": "a red ellipse around what moves",
    "motion_blur": "motion blur",
}
# What became of a clip, in words; %s stands for the gate or the error.
FATES = dict(
    zip(
        CLIP_STATES,
        (
            "not measured yet",
            "could not be measured (`%s`)",
            "left out by the gate `%s`",
            "not annotated yet",
            "could not be annotated (`%s`)",
            "annotated, but none of the answers passed",
            "in `sft`",
            "in `dpo`",
        ),
        strict=True,
    )
)
PAPER = "[MotionSight](https://arxiv.org/abs/2506.01674)"


def is_template(model: str) -> bool:
    """Whether a model, by name and version, fills in sentences with measurements rather than sees frames."""
    name = model.split(" ")[0]
    return name in MLLMS.names and MLLMS.get(name).measures


def roles(plan: DatasetPlan) -> dict[str, list[str]]:
    """Return name and version of the models by role, such as `mllm`, `baseline` and `detector`."""
    found: dict[str, list[str]] = {}
    for text in plan.models:
        role, _, model = text.partition(" ")
        found.setdefault(role, []).append(model)
    return found


def tally(table: pa.Table) -> list[tuple[str, str | None, int]]:
    """Count the rows of `clips` or `qa` of a plan by state and reason, in their order."""
    counts = table.group_by(["state", "reason"]).aggregate([([], "count_all")]).to_pylist()
    found = [(row["state"], row["reason"], row["count_all"]) for row in counts]
    return sorted(found, key=lambda row: (row[0], row[1] or ""))


def making(plan: DatasetPlan, parts: Mapping[tuple[Tier, Split], Sequence[Row]]) -> str:
    """Tell in Markdown how the rows came about, by the models and settings that the tables were made with.

    Args:
        plan: What the dataset holds.
        parts: The dataset's rows by tier and split.
    """
    steps = [f"1. {step}" for step in _steps(plan, parts)]
    return "\n".join([*steps, "", _fates(plan)])


def _steps(plan: DatasetPlan, parts: Mapping[tuple[Tier, Split], Sequence[Row]]) -> Iterator[str]:
    models, scores, settings = roles(plan), plan.made.get("scores", {}), plan.made.get("annotations", {})
    means = _codes(scores, "quality.metric", "flow.backend", "points.backend")
    with_ = f" (by {means})" if means else ""
    yield f"Every clip was measured: technical quality, the camera's motion and the objects' own{with_}."
    found, tracked = _named(models.get("detector")), _named(models.get("tracker"))
    if found and tracked:
        yield f"The objects were found by {found} and followed by {tracked}."
    yield "Questions were drawn from a fixed list."
    yield from _answers(models, settings)
    rows = [row for (tier, _), part in parts.items() if tier == "dpo" for row in part]
    if rows:
        yield from _pairs(rows, models, settings)
    if scored := _named(models.get("vqascore")):
        yield f"How well an answer fits its clip was scored by {scored}."
    dropped = {reason: count for state, reason, count in tally(plan.qa) if state == "dropped"}
    checked = "The claims of each answer were compared with the measured motion"
    if dropped:
        reasons = ", ".join(f"{count} by `{gate}`" for gate, count in sorted(dropped.items()))
        yield f"{checked}. Answers that did not pass were dropped: {reasons}."
    else:
        yield f"{checked}; none was dropped."


def _answers(models: Mapping[str, Sequence[str]], settings: Mapping[str, Any]) -> Iterator[str]:
    answering = models.get("mllm", [])
    templates = [model for model in answering if is_template(model)]
    others = [model for model in answering if not is_template(model)]
    if templates:
        yield (
            f"Answers come from a template, {_named(templates)}: sentences filled in with the measured "
            "motion. No language model wrote them."
        )
    if others:
        which = "Other answers" if templates else "Answers"
        count = settings.get("frames.count")
        frames = f"{count} frames of the clip" if count else "frames of the clip"
        prompts = [SHOWN.get(settings.get(f"prompt.{kind}", ""), "") for kind in ("object", "camera")]
        shown = (
            f", as {PAPER} does it: {prompts[0]} for questions about objects, {prompts[1]} for those about "
            "the camera"
            if all(prompts)
            else ""
        )
        yield f"{which} are by {_named(others)}, which saw {frames}{shown}."


def _pairs(
    rows: Sequence[Row], models: Mapping[str, Sequence[str]], settings: Mapping[str, Any]
) -> Iterator[str]:
    count = settings.get("annotate.baseline_frames")
    frames = f"{count} plain frames" if count else "plain frames"
    others = models.get("baseline", [])
    if others and all(is_template(model) for model in others):
        yield f"The answers to compare with are from the template {_named(others)}, by {frames} alone."
    elif others:
        yield f"The answers to compare with are by {_named(others)}, from {frames}."
    by = Counter(row["chosen_source"] for row in rows)
    yield f"Pairs of `dpo` decided by the measured motion: {by['motion_check']}; by people: {by['human']}."


def _fates(plan: DatasetPlan) -> str:
    """A table of what became of all the clips."""
    lines = [
        f"| {count} | {FATES[state].replace('%s', str(reason))} |"
        for state, reason, count in sorted(
            tally(plan.clips), key=lambda row: (-CLIP_STATES.index(row[0]), -row[2], str(row[1]))
        )
    ]
    return "\n".join([f"| of {plan.clips.num_rows} clips | what became of them |", "| --- | --- |", *lines])


def limits(plan: DatasetPlan, parts: Mapping[tuple[Tier, Split], Sequence[Row]]) -> str:
    """List in Markdown what the dataset should not be relied on for."""
    return "\n".join(f"- {limit}" for limit in _limits(plan, parts))


def _limits(plan: DatasetPlan, parts: Mapping[tuple[Tier, Split], Sequence[Row]]) -> Iterator[str]:
    models = roles(plan)
    answering = models.get("mllm", [])
    yield (
        "Motion was measured in the picture, by programs. Where the measurements are wrong, so may be the "
        "labels, the answers that agree with them and the pairs that they decide."
    )
    if any(is_template(model) for model in answering):
        yield (
            "Answers from a template repeat the same few patterns. A model that is trained on them picks up "
            "their style along with the motion."
        )
    if any(not is_template(model) for model in answering):
        yield (
            "What the check of claims cannot read in an answer, such as what an object is and why it moves, "
            "has not been verified."
        )
    rows = [row for (tier, _), part in parts.items() if tier == "dpo" for row in part]
    if rows and not any(row["chosen_source"] == "human" for row in rows):
        yield "No person has looked at the preferences."
    if any(model.startswith("moving_regions") for model in models.get("detector", [])):
        yield (
            "Objects were found by their motion: they have no names, and nothing is said of those that stand "
            "still."
        )
    yield "The texts are in English."
    yield (
        "The videos were not searched for faces, personal data or unwanted content; the licenses below are "
        "those that were stated, not checked."
    )


def _named(models: Sequence[str] | None) -> str:
    return " and ".join(f"`{model}`" for model in models or ())


def _codes(settings: Mapping[str, Any], *names: str) -> str:
    return ", ".join(f"`{settings[name]}`" for name in names if settings.get(name))
