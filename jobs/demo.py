"""`motionsight demo`: render clips whose motion is known, distil them, and count what came out right."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from rich.progress import track
from rich.table import Table

from jobs import distill
from jobs.session import Session
from pipeline.errors import CallError
from pipeline.schema import CAMERA_LABELS
from stages.demo.demo_clips import recipes
from stages.demo.depth.cases import DEMO_DEPTH, depth_cases
from stages.demo.depth.recipe import DepthRecipe
from stages.demo.depth.render import render_depth
from stages.demo.depth.verdict import verdict
from stages.demo.recipe import Recipe
from stages.demo.render import render
from stages.demo.report import NOTHING, Mistake, report, reported


def run(session: Session) -> int:
    """Run the demo in the session's workspace.

    Returns:
        The exit code of the distillation.

    Raises:
        CallError: The workspace is remote, or scikit-image, which brings the photographs, is not installed.
    """
    if not session.workspace.is_local:
        raise CallError("the demo renders its clips into a local folder: set --output to a local path")
    session.workspace.create()
    folder = Path(session.workspace.root) / "clips_rendered"
    folder.mkdir(exist_ok=True)
    made, deep = recipes(), [recipe for recipe in depth_cases() if recipe.name in DEMO_DEPTH]
    clips = {recipe.name: partial(render, recipe) for recipe in made}
    clips |= {recipe.name: partial(render_depth, recipe) for recipe in deep}
    quiet = not session.out.is_terminal
    for name, draw in track(clips.items(), "rendering", console=session.out, disable=quiet):
        draw(folder / f"{name}.mp4")
    session.say(f"demo: {len(made)} flat clips and {len(deep)} with depth, of known motion, in {folder}")
    session.workspace.clear(("fingerprints", "clips", "duplicates", "scores", "annotations"))
    code = distill.run(session, str(folder))
    show(session, made, deep)
    return code


def show(session: Session, made: list[Recipe], deep: list[DepthRecipe]) -> None:
    """Print what the tables of the workspace got right: tables for people, the two accuracies on stdout."""
    clips, scores, annotations = (
        session.workspace.read(name).to_pylist() for name in ("clips", "scores", "annotations")
    )
    found = report(made, clips, scores, annotations)
    session.out.print(confusion_table(found.confusion))
    session.out.print(depth_table(deep, reported(clips, scores)))
    if found.mistakes:
        session.out.print(mistakes_table(found.mistakes))
    print(f"camera_accuracy={found.camera_accuracy:.2f}")
    print(f"direction_accuracy={found.direction_accuracy:.2f}")


def confusion_table(pairs: Counter[tuple[str, str]]) -> Table:
    """Counts of (true, reported) camera labels: true ones down, reported ones across."""
    occurring = {name for pair in pairs for name in pair}
    names = [name for name in (*CAMERA_LABELS, NOTHING) if name in occurring]
    table = Table("true \\ reported", title="Camera labels")
    for name in names:
        table.add_column(
            name.replace("counterclockwise", "ccw").replace("clockwise", "cw").replace("_", "\n"),
            justify="right",
        )
    for name in names:
        cells = [str(pairs[name, other] or "·") for other in names]
        table.add_row(name, *cells)
    return table


def depth_table(recipes: list[DepthRecipe], labels: Mapping[str, list[str]]) -> Table:
    """One row for each clip with depth; where the picture does not tell travelling from turning, a label may
    leave it open.
    """
    table = Table("clip", "true", "reported", "verdict", title="Cameras that travel")
    for recipe in recipes:
        told = labels[recipe.name]
        true, said = " + ".join(recipe.camera_labels), " + ".join(told) or NOTHING
        table.add_row(recipe.name, true, said, verdict(told, recipe.camera_labels))
    return table


def mistakes_table(mistakes: tuple[Mistake, ...]) -> Table:
    """One row for each mistake."""
    table = Table("clip", "true", "reported", title="What went wrong")
    for mistake in mistakes:
        table.add_row(mistake.clip, mistake.truth, mistake.reported)
    return table
