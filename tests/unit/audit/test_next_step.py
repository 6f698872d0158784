import pytest

from stages.audit.next_step import next_step
from tests.tables import annotation, clip, question, score
from tests.unit.audit.counted import Rows, audited

CLIPS, SCORES = [clip("a"), clip("b")], [score("a"), score("b")]
ANSWERS = [annotation("a", question()), annotation("b", question())]
SAME, OTHER = {"rows": {"same": 2, "new": 0}}, {"rows": {"same": 1, "new": 1}}


@pytest.mark.parametrize(
    ("rows", "published", "command"),
    [
        ({}, None, "motionsight ingest --input FOLDER --output '/data/my clips'"),
        ({"clips": CLIPS}, None, "motionsight score --output '/data/my clips'"),
        ({"clips": CLIPS, "scores": SCORES[:1]}, None, "motionsight score --output '/data/my clips'"),
        ({"clips": CLIPS, "scores": SCORES}, None, "motionsight annotate --output '/data/my clips'"),
        (
            {"clips": CLIPS, "scores": SCORES, "annotations": ANSWERS[:1]},
            None,
            "motionsight annotate --output '/data/my clips'",
        ),
        (
            {"clips": CLIPS, "scores": SCORES, "annotations": ANSWERS},
            None,
            "motionsight split --output '/data/my clips'",
        ),
        (
            {"clips": CLIPS, "scores": SCORES, "annotations": ANSWERS},
            OTHER,
            "motionsight split --output '/data/my clips'",
        ),
        ({"clips": CLIPS, "scores": SCORES, "annotations": ANSWERS}, SAME, None),
        ({"clips": CLIPS, "scores": [score(name, duration_s=0.1) for name in "ab"]}, None, None),
    ],
)
def test_the_next_command_is_the_first_that_has_something_to_do(
    rows: Rows, published: dict[str, dict[str, int]] | None, command: str | None
) -> None:
    whole = {"clips": [], "scores": [], "annotations": []} | rows
    found = next_step(audited(whole) | {"since_published": published}, "/data/my clips")
    assert (found and found.command) == command


def test_the_next_command_has_the_settings_of_this_one() -> None:
    counted = audited({"clips": CLIPS, "scores": [], "annotations": []})
    found = next_step(counted, "W", ["--config", "my own.yaml", "--set", "quality.metric=null"])
    assert found
    assert found.command == "motionsight score --output W --config 'my own.yaml' --set quality.metric=null"
