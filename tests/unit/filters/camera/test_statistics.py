from pathlib import Path

from filters.camera.statistics import statistics
from stages.demo.recipe import Camera, Mover, Recipe
from tests.unit.filters.camera.measured import rendered


def test_an_object_is_seen_to_move_and_a_still_scene_is_not(tmp_path: Path) -> None:
    still = statistics(rendered(Recipe("still", "coffee", Camera()), tmp_path))
    mover = Mover((0.1, 0.0), 0.25, "face")
    moved = statistics(rendered(Recipe("moved", "coffee", Camera(), (mover,)), tmp_path))
    assert still["object_area"] == 0
    assert moved["object_area"] > 0.02
    assert moved["object_motion"] > 5 * still["object_motion"]
    assert moved["flow_mean"] > moved["object_motion"]
    assert moved["flow_p95"] >= moved["flow_mean"]
