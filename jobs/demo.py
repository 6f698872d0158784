"""`motionsight demo`: render clips whose motion is known, distil them, and count what came out right."""

from collections import Counter
from pathlib import Path

from rich.progress import track
from rich.table import Table

from jobs import distill
from jobs.session import Session
from pipeline.errors import CallError
from pipeline.schema import CAMERA_LABELS
from stages.demo.demo_clips import recipes
from stages.demo.recipe import Recipe
from stages.demo.render import render
from stages.demo.report import NOTHING, Mistake, report


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
    made = recipes()
    for recipe in track(made, "rendering", console=session.out, disable=not session.out.is_terminal):
        render(recipe, folder / f"{recipe.name}.mp4")
    session.say(f"demo: {len(made)} clips with known motion in {folder}")
    session.workspace.clear(("clips", "duplicates", "scores", "annotations"))
    code = distill.run(session, str(folder))
    show(session, made)
    return code


def show(session: Session, made: list[Recipe]) -> None:
    """Print what the tables of the workspace got right: tables for people, the two accuracies on stdout."""
    tables = (session.workspace.read(name).to_pylist() for name in ("clips", "scores", "annotations"))
    found = report(made, *tables)
    session.out.print(confusion_table(found.confusion))
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


def mistakes_table(mistakes: tuple[Mistake, ...]) -> Table:
    """One row for each mistake."""
    table = Table("clip", "true", "reported", title="What went wrong")
    for mistake in mistakes:
        table.add_row(mistake.clip, mistake.truth, mistake.reported)
    return table
