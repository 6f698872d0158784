"""How much of the known motion a run over the demo's clips got right."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from stages.demo.recipe import Recipe, direction_of

NOTHING = "(none)"  # in place of a label or a direction

Row = dict[str, Any]  # of one of the workspace's tables


@dataclass(frozen=True)
class Mistake:
    """One clip whose camera or main object was labelled wrongly: the truth, and what the tables say."""

    clip: str
    truth: str
    reported: str


@dataclass(frozen=True)
class Report:
    """What came out right and what did not.

    Attributes:
        confusion: How often each pair (true camera label, reported one) occurred.
        mistakes: In the order of the clips.
        camera_accuracy: Share of the clips whose set of camera labels is exactly right.
        direction_accuracy: Share of the clips with objects whose main object has the right direction.
    """

    confusion: Counter[tuple[str, str]]
    mistakes: tuple[Mistake, ...]
    camera_accuracy: float
    direction_accuracy: float


def report(
    recipes: Sequence[Recipe], clips: Iterable[Row], scores: Iterable[Row], annotations: Iterable[Row]
) -> Report:
    """Compare the tables of a run with the recipes that its clips were rendered from.

    Args:
        recipes: At least one with an object.
        clips: Rows of the `clips` table, at least one for each recipe, with its name as the file's.
        scores: Rows of the `scores` table, one for each clip.
        annotations: Rows of the `annotations` table; a clip without one counts as having no object.
    """
    clips = list(clips)
    ids = {PurePosixPath(row["uri"]).stem: row["clip_id"] for row in clips}
    labels = reported(clips, scores)
    annotated = {row["clip_id"]: row for row in annotations}
    confusion: Counter[tuple[str, str]] = Counter()
    mistakes: list[Mistake] = []
    cameras: list[bool] = []
    directions: list[bool] = []
    for recipe in recipes:
        clip_id = ids[recipe.name]
        truth, told = recipe.camera_labels, labels[recipe.name]
        confusion += confused(truth, told)
        cameras.append(set(told) == set(truth))
        if not cameras[-1]:
            named = " + ".join(told) or "moves, no label"
            mistakes.append(Mistake(recipe.name, " + ".join(truth), named))
        going = main_direction(annotated.get(clip_id), recipe.width, recipe.height)
        if recipe.direction:
            directions.append(going == recipe.direction)
        if going != (recipe.direction or NOTHING):
            mistakes.append(Mistake(recipe.name, f"object {recipe.direction or NOTHING}", f"object {going}"))
    return Report(confusion, tuple(mistakes), _share(cameras), _share(directions))


def reported(clips: Iterable[Row], scores: Iterable[Row]) -> dict[str, list[str]]:
    """The camera labels of the `scores` table, by the name of the clip's file without its suffix."""
    labels = {row["clip_id"]: row["camera_motion"] or [] for row in scores}
    return {PurePosixPath(row["uri"]).stem: labels[row["clip_id"]] for row in clips}


def main_direction(annotation: Row | None, width: int, height: int) -> str:
    """The direction of an annotation's first object relative to the scene.

    Args:
        annotation: A row of the `annotations` table, or None where there is none.
        width: Of the frame, pixels.
        height: Of the frame, pixels.

    Returns:
        One of `recipe.DIRECTIONS`, or NOTHING where there is no object.
    """
    objects = (annotation or {}).get("objects") or []
    if not objects:
        return NOTHING
    x, y = objects[0]["velocity"]
    return direction_of(x * width, y * height)


def confused(truth: Iterable[str], reported: Iterable[str]) -> Counter[tuple[str, str]]:
    """Pair the true labels of a clip with the reported ones.

    Returns:
        Pairs (true, reported): a label on both sides with itself, each missing one with each wrong one, or
        with NOTHING where the other side has none left.
    """
    true, claimed = set(truth), set(reported)
    missing, wrong = sorted(true - claimed), sorted(claimed - true)
    pairs = [(label, label) for label in true & claimed]
    pairs += [(label, other) for label in missing or [NOTHING] for other in wrong or [NOTHING]]
    return Counter(pair for pair in pairs if pair != (NOTHING, NOTHING))


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right)
