"""What a visual prompt lets a model know, and which questions are asked together."""

from dataclasses import replace

from filters.evidence import CameraMotion, Evidence
from stages.evaluate.question import BenchmarkQuestion
from stages.evaluate.stage import rows, visible

LEFT = Evidence(480, 320, 3.0, CameraMotion(("pan_left",), pan=-0.2))


def test_a_prompt_tells_of_what_it_shows_and_of_the_rest_only_what_plain_frames_tell() -> None:
    plain = Evidence(480, 320, 3.0, CameraMotion(("static",)), flow_mean=9.0)
    assert visible(LEFT, plain, ["none"]) == plain
    assert visible(LEFT, plain, ["motion_blur"]).camera == LEFT.camera
    assert visible(LEFT, plain, ["motion_blur"]).flow_mean == 9.0
    assert visible(LEFT, plain, ["spotlight"]).camera == plain.camera
    assert visible(LEFT, plain, ["spotlight", "motion_blur"]) == LEFT


def test_questions_about_one_part_of_a_video_are_one_row_whose_id_depends_on_all_of_them() -> None:
    a = BenchmarkQuestion("1", "v.mp4", "Q?", ("Up", "Down"), "A", "CM")
    b, later = replace(a, id="2", right="B"), replace(a, id="3", start_s=1.0, end_s=2.0)
    made = rows([a, later, b])
    assert [[one["id"] for one in row["items"]] for row in made] == [["1", "2"], ["3"]]
    assert rows([a, b]) == made[:1]
    assert rows([a])[0]["clip_id"] != made[0]["clip_id"]
