"""The demo's report counts what is right, and names what is not."""

from typing import Any

import pytest

from stages.demo.recipe import Camera, Mover, Recipe
from stages.demo.report import NOTHING, Mistake, confused, main_direction, report, reported

CUP = Mover((0.1, 0.0), 0.2, "cup")
RECIPES = [
    Recipe("still", "coffee"),
    Recipe("pan", "coffee", Camera(pan=0.1)),
    Recipe("both", "coffee", Camera(pan=-0.1, tilt=0.1)),
    Recipe("cup", "chelsea", movers=(CUP,)),
    Recipe("cup_tilt", "chelsea", Camera(tilt=-0.1), (CUP,)),
]


def tables(labels: dict[str, Any], velocities: dict[str, Any]) -> tuple[list[dict[str, Any]], ...]:
    """The rows of a run that is right but for the given camera labels and velocities; None: no objects."""
    clips, scores, annotations = [], [], []
    for recipe in RECIPES:
        own = recipe.movers[0].velocity if recipe.movers else None
        velocity = velocities.get(recipe.name, own)
        clips.append({"uri": f"/a/folder.d/{recipe.name}.mp4", "clip_id": f"id-{recipe.name}"})
        scores.append(
            {
                "clip_id": f"id-{recipe.name}",
                "camera_motion": labels.get(recipe.name, list(recipe.camera_labels)),
            }
        )
        annotations.append(
            {"clip_id": f"id-{recipe.name}", "objects": [{"velocity": velocity}] if velocity else []}
        )
    return clips, scores[::-1], annotations[::-1]


def test_a_run_without_mistakes_is_all_on_the_diagonal() -> None:
    found = report(RECIPES, *tables({}, {}))
    assert (found.camera_accuracy, found.direction_accuracy, found.mistakes) == (1.0, 1.0, ())
    assert all(true == reported for true, reported in found.confusion)
    assert found.confusion["static", "static"] == 2
    assert found.confusion["tilt_down", "tilt_down"] == 1


def test_labels_go_by_the_name_of_the_clip() -> None:
    clips, scores, _ = tables({"pan": None}, {})
    assert reported(clips, scores)["pan"] == []
    assert reported(clips, scores)["both"] == ["pan_left", "tilt_down"]


def test_mistakes_are_listed_clip_by_clip_and_counted_once() -> None:
    clips, scores, annotations = tables(
        {"pan": ["pan_left"], "both": ["pan_left"], "still": []},
        {"cup": (-0.1, 0.0), "cup_tilt": None, "still": (0.0, 0.1)},
    )
    found = report(RECIPES, clips, scores, annotations)
    assert found.camera_accuracy == pytest.approx(2 / 5)
    assert found.direction_accuracy == 0.0
    assert found.mistakes == (
        Mistake("still", "static", "moves, no label"),
        Mistake("still", f"object {NOTHING}", "object down"),
        Mistake("pan", "pan_right", "pan_left"),
        Mistake("both", "pan_left + tilt_down", "pan_left"),
        Mistake("cup", "object right", "object left"),
        Mistake("cup_tilt", "object right", f"object {NOTHING}"),
    )
    assert found.confusion["pan_right", "pan_left"] == 1
    assert found.confusion["tilt_down", NOTHING] == 1
    assert found.confusion["static", NOTHING] == 1


def test_order_of_labels_is_no_mistake_and_a_clip_that_failed_is_one() -> None:
    found = report(RECIPES, *tables({"both": ["tilt_down", "pan_left"], "pan": None}, {}))
    assert [mistake.clip for mistake in found.mistakes] == ["pan"]


def test_a_clip_that_was_not_annotated_has_no_object() -> None:
    clips, scores, annotations = tables({}, {})
    kept = [row for row in annotations if row["clip_id"] != "id-cup"]
    found = report(RECIPES, clips, scores, kept)
    assert found.direction_accuracy == 0.5
    assert found.mistakes == (Mistake("cup", "object right", f"object {NOTHING}"),)


@pytest.mark.parametrize(
    ("truth", "reported", "pairs"),
    [
        (["static"], ["static"], {("static", "static")}),
        (["static"], [], {("static", NOTHING)}),
        ([], ["shake"], {(NOTHING, "shake")}),
        ([], [], set()),
        (["pan_left", "zoom_in"], ["zoom_in", "shake"], {("zoom_in", "zoom_in"), ("pan_left", "shake")}),
        (["pan_left", "zoom_in"], ["shake"], {("pan_left", "shake"), ("zoom_in", "shake")}),
    ],
)
def test_a_missing_label_is_paired_with_what_was_reported_instead(
    truth: list[str], reported: list[str], pairs: set[tuple[str, str]]
) -> None:
    assert confused(truth, reported) == dict.fromkeys(pairs, 1)


def test_the_main_object_is_the_first_and_its_direction_one_of_pixels() -> None:
    annotation = {"objects": [{"velocity": (0.1, -0.1)}, {"velocity": (-0.1, 0.0)}]}
    assert main_direction(annotation, 320, 320) == "up-right"
    assert main_direction(annotation, 320, 960) == "up"
    assert main_direction({"objects": None}, 320, 320) == NOTHING
    assert main_direction(None, 320, 320) == NOTHING
