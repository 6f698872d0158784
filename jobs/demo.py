"""`motionsight demo`: render clips whose motion is known, distil them, and count what came out right."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from jobs import distill
from jobs.session import Session
from pipeline.errors import CallError
from pipeline.schema import CAMERA_LABELS
from stages.demo.demo_clips import recipes
from stages.demo.recipe import DIRECTIONS, Recipe
from stages.demo.render import render

NOTHING = "(none)"


def run(session: Session) -> int:
    """Returns the exit code of the distillation."""
    if not session.workspace.is_local:
        raise CallError("the demo renders its clips to a local folder; give --output a local path")
    session.workspace.create()
    folder = Path(session.workspace.root) / "clips_rendered"
    folder.mkdir(exist_ok=True)
    made = recipes()
    for recipe in track(made, "rendering", console=session.out, disable=not session.out.is_terminal):
        render(recipe, folder / f"{recipe.name}.mp4")
    session.say(f"demo: {len(made)} clips with known motion in {folder}")
    session.workspace.clear(("clips", "duplicates", "scores", "annotations"))
    code = distill.run(session, str(folder))
    report(session, made)
    return code


def report(session: Session, made: list[Recipe]) -> None:
    """Print the confusion table, what went wrong clip by clip, and the two accuracies."""
    uris = {Path(row["uri"]).stem: row["clip_id"] for row in session.workspace.read("clips").to_pylist()}
    scores = {row["clip_id"]: row for row in session.workspace.read("scores").to_pylist()}
    notes = {row["clip_id"]: row for row in session.workspace.read("annotations").to_pylist()}
    confusion: Counter[tuple[str, str]] = Counter()
    wrong: list[tuple[str, str, str]] = []
    right, turned, with_object = 0, 0, 0
    for recipe in made:
        clip_id = uris[recipe.name]
        said = scores[clip_id]["camera_motion"] or []
        confusion.update(confused(recipe.camera_labels, said))
        if set(said) == set(recipe.camera_labels):
            right += 1
        else:
            wrong.append(
                (recipe.name, " + ".join(recipe.camera_labels), " + ".join(said) or "moves, no label")
            )
        seen = direction(notes.get(clip_id), recipe.width, recipe.height)
        if recipe.direction:
            with_object += 1
            turned += seen == recipe.direction
        if seen != (recipe.direction or NOTHING):
            wrong.append((recipe.name, f"object {recipe.direction or NOTHING}", f"object {seen}"))
    session.out.print(confusion_table(confusion))
    if wrong:
        listing = Table("clip", "is", "was said", title="What went wrong")
        for row in wrong:
            listing.add_row(*row)
        session.out.print(listing)
    print(f"camera_accuracy={right / len(made):.2f}")
    print(f"direction_accuracy={turned / with_object:.2f}")


def direction(annotation: dict[str, Any] | None, width: int, height: int) -> str:
    """The sector in which the annotation's main object moves over the scene."""
    objects = (annotation or {}).get("objects") or []
    if not objects:
        return NOTHING
    x, y = objects[0]["velocity"]
    return DIRECTIONS[round(np.degrees(np.arctan2(y * height, x * width)) / 45) % 8]


def confused(is_: Iterable[str], said: Iterable[str]) -> Counter[tuple[str, str]]:
    """Pairs (true label, said label): right with itself, missed with said instead."""
    true, claimed = set(is_), set(said)
    missed, extra = sorted(true - claimed), sorted(claimed - true)
    pairs = [(label, label) for label in true & claimed]
    pairs += [(label, other) for label in missed or [NOTHING] for other in extra or [NOTHING]]
    return Counter(pair for pair in pairs if pair != (NOTHING, NOTHING))


def confusion_table(pairs: Counter[tuple[str, str]]) -> Table:
    """True camera labels down, said ones across."""
    names = [*CAMERA_LABELS, NOTHING]
    table = Table("is \\ said", title="Camera labels")
    for name in names:
        table.add_column(
            name.replace("counterclockwise", "ccw").replace("clockwise", "cw").replace("_", "\n"),
            justify="right",
        )
    for name in names:
        cells = [str(pairs[name, other] or "·") for other in names]
        table.add_row(name, *cells)
    return table
