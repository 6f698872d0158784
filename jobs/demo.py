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
from stages.demo.demo_clips import QUICK, recipes
from stages.demo.depth.cases import DEMO_DEPTH, depth_cases
from stages.demo.depth.recipe import DepthRecipe
from stages.demo.depth.render import render_depth
from stages.demo.depth.verdict import verdict
from stages.demo.recipe import Recipe
from stages.demo.render import render
from stages.demo.report import NOTHING, Mistake, report, reported


def run(session: Session, quick: bool = False) -> int:
    """Run the demo in the session's workspace.

    Args:
        session: Of the workspace.
        quick: Whether to render a few of the clips only.

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
    if quick:
        made, deep = [recipe for recipe in made if recipe.name in QUICK], []
    clips = {recipe.name: partial(render, recipe) for recipe in made}
    clips |= {recipe.name: partial(render_depth, recipe) for recipe in deep}
    quiet = not session.out.is_terminal
    for old in folder.glob("*.mp4"):
        if old.stem not in clips:  # of a demo with other clips
            old.unlink()
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
    session.report.print(confusion_table(found.confusion))
    if deep:
        session.report.print(depth_table(deep, reported(clips, scores)))
    if found.mistakes:
        session.report.print(mistakes_table(found.mistakes))
    print(f"camera_accuracy={found.camera_accuracy:.2f}")
    print(f"direction_accuracy={found.direction_accuracy:.2f}")


def confusion_table(pairs: Counter[tuple[str, str]]) -> Table:
    """One row for each true camera label: how often it was reported, and what was reported instead."""
    table = Table("true", title="Camera labels")
    table.add_column("clips", justify="right")
    table.add_column("right", justify="right")
    table.add_column("else reported", overflow="fold")
    for name in (*CAMERA_LABELS, NOTHING):
        found = {told: count for (truth, told), count in pairs.items() if truth == name}
        others = ", ".join(f"{told} {count}" for told, count in sorted(found.items()) if told != name)
        if found:
            table.add_row(name, str(sum(found.values())), str(found.get(name, 0)), others)
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
