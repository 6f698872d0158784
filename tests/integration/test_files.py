"""What becomes of every kind of file: the table of docs/files.md, made by running it.

After a change that is meant: `UPDATE_DOCS=1 pytest tests/integration/test_files.py`.
"""

import os
from itertools import groupby
from pathlib import Path

import pytest

from filters.quality import QualityConfig
from pipeline.errors import ClipError
from pipeline.isolation import Limits
from stages.score.settings import ScoreConfig
from stages.score.stage import Score
from tests.kinds import Kind, kinds

PAGE = Path(__file__).parents[2] / "docs" / "files.md"
HEAD = "| file | what becomes of it |\n| --- | --- |\n"


@pytest.fixture(scope="module")
def score() -> Score:
    stage = Score(ScoreConfig(quality=QualityConfig(metric=None)), Limits(clip_timeout_s=60))
    stage.setup()
    return stage


def outcome(stage: Score, kind: Kind, folder: Path) -> tuple[str, float | None]:
    """What is said of a kind, and how fast the camera pans if it is scored."""
    folder.mkdir()
    path = kind.make(folder)
    try:
        row = stage.work({"clip_id": "a", "uri": str(path), "start_s": None, "end_s": None})
    except ClipError as error:
        detail = error.detail.replace(str(folder), "...")
        return f"`{error.code}`" + (f": {detail}" if detail else ""), None
    labels = ", ".join(row["camera_motion"]) or "camera unknown"
    note = f"; {row['clock_repair']}" if row["clock_repair"] else ""
    size = f"{row['width']}x{row['height']}"
    return f"{labels}; {row['frames']} frames of {size} in {row['duration_s']:.2f} s{note}", row["pan"]


@pytest.mark.slow
def test_every_kind_of_file_comes_out_as_the_documentation_says(tmp_path: Path, score: Score) -> None:
    table = ""
    pans = {}
    for group, members in groupby(kinds(), key=lambda kind: kind.group):
        table += f"\n## {group}\n\n{HEAD}"
        for number, kind in enumerate(members):
            said, pan = outcome(score, kind, tmp_path / f"{group} {number}")
            table += f"| {kind.name} | {said} |\n"
            if group == "Containers and codecs":
                pans[kind.name] = said.split(";")[0], pan
    page = PAGE.read_text()
    intro = page[: page.index("\n## ")]
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(intro + table)
    assert len(pans) >= 40
    # The same motion gives the same label, and the same rate within 5 %, in every container and codec.
    assert {label for label, _ in pans.values()} == {"pan_right"}
    assert {name: pan for name, (_, pan) in pans.items()} == pytest.approx(dict.fromkeys(pans, 0.1), rel=0.05)
    assert page == intro + table
