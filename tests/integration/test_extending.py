"""The examples of docs/extending.md, written out of the page into a copy of the sources, and used."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pyarrow.parquet as pq
import pytest

from tests import videos
from tests.cli import ROOT, sets

pytestmark = [pytest.mark.ray, pytest.mark.slow]

PAGE = (ROOT / "docs" / "extending.md").read_text()
PACKAGES = ("pipeline", "filters", "stages", "configs", "jobs")
FILE = re.compile(r"^`(?P<path>[\w/]+\.py)`(?:, anywhere)?:\n\n```python\n(?P<code>.*?)^```", re.M | re.S)
INSERTION = re.compile(
    r"in `(?P<path>[\w/]+\.py)`:\n\n```diff\n (?P<below>[^\n]+)\n\+(?P<line>[^\n]+)\n```", re.M
)
CHOSEN = (
    "mllm.backend=parrot",
    "detector.backend=middle",
    "tracker.backend=frozen",
    "vqascore.backend=brevity",
    "flow.backend=farneback",
    "shots.backend=brightness",
    "points.backend=drift",
    "gates.motion_check_required=false",  # a parrot claims nothing
    "quality.metric=null",
    "gates.quality_max=null",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with every example in its place, and a folder of clips."""
    folder = tmp_path_factory.mktemp("extending")
    for name in PACKAGES:
        copytree(ROOT / name, folder / name, ignore=ignore_patterns("__pycache__"))
    for example in FILE.finditer(PAGE):
        place = folder / example["path"]
        assert not place.exists(), "an example must not replace a file of the project"
        place.write_text(example["code"])
    for change in INSERTION.finditer(PAGE):
        place = folder / change["path"]
        before, line, after = place.read_text().partition(f"{change['below']}\n")
        assert line
        place.write_text(f"{before}{line}{change['line']}\n{after}")
    (folder / "clips").mkdir()
    for k in range(3):
        videos.write(folder / "clips" / f"{k}.mp4", 24, pan=0.1 + 0.05 * k)
    return folder


def run(checkout: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def motionsight(checkout: Path, *words: object) -> str:
    done = run(checkout, "-m", "jobs.cli", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distilled(checkout: Path) -> Path:
    """A workspace made with all of the examples at once."""
    settings = sets(*CHOSEN, "gates.shake_max=1", "gates.vocabulary_min=0.1")
    motionsight(checkout, "distill", "--input", "clips", "--output", "W", *settings)
    return checkout / "W"


def test_the_page_has_an_example_of_each_kind() -> None:
    folders = {Path(example["path"]).parent.as_posix() for example in FILE.finditer(PAGE)}
    assert folders == {
        *(f"stages/models/{kind}" for kind in ("mllm", "detector", "tracker", "alignment")),
        *("filters/flow", "filters/shots", "filters/points", "filters/gates"),
        *("stages/score/measures", "stages/split/formats", "stages/evaluate/benchmarks"),
        ".",
    }


def test_backends_are_chosen_by_name_and_their_settings_are_listed(checkout: Path) -> None:
    told = motionsight(checkout, "config", "--set", "mllm={backend: parrot, opening: Pardon}")
    assert "opening: Pardon  # begins every answer [default 'You asked:']" in told
    assert "backend: parrot  # one of kinematic, openai, parrot, vllm" in told
    assert "shake_max: null  # rms jitter of the camera, frame widths [default null]" in told
    answer = motionsight(checkout, "ask", "clips/0.mp4", "How does it move?", "--set", "mllm.backend=parrot")
    assert answer == "You asked: How does it move?\n"


def test_a_run_uses_each_of_them(distilled: Path) -> None:
    rows = pq.read_table(distilled / "annotations").to_pylist()
    assert len(rows) == 3
    for row in rows:
        assert row["error"] is None
        assert {role: model.split()[0] for role, model in row["models"]} == {
            "mllm": "parrot",
            "baseline": "parrot",
            "detector": "middle",
            "tracker": "frozen",
            "vqascore": "brevity",
        }
        assert all(qa["answer"] == f"You asked: {qa['question']}" for qa in row["qa"])
        assert all(0 < qa["vqascore"] < 1 for qa in row["qa"])
        assert [found["label"] for found in row["objects"]] == ["middle"]
    config = json.loads((distilled / "config.json").read_text())
    assert config["scores"]["flow.window"] == 15
    assert config["annotations"]["mllm.opening"] == "You asked:"


def test_a_number_of_a_clip_is_in_its_column(distilled: Path) -> None:
    assert all(0 < value < 1 for value in pq.read_table(distilled / "scores")["brightness"].to_pylist())


def test_a_format_is_written_and_is_in_card_and_manifest(distilled: Path) -> None:
    files = list((distilled / "dataset" / "chat").glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(rows) == 6
    assert all(row["messages"][1]["content"].startswith("You asked:") for row in rows)
    assert "chat fine-tuning scripts" in (distilled / "dataset" / "README.md").read_text()
    listed = {
        file["path"] for file in json.loads((distilled / "dataset" / "manifest.json").read_text())["files"]
    }
    assert {f"chat/{file.name}" for file in files} <= listed


def test_a_gate_drops_what_it_should_and_can_be_moved_in_the_report(checkout: Path, distilled: Path) -> None:
    rows = pq.read_table(distilled / "annotations").to_pylist()
    words = [qa["answer"].lower().split() for row in rows for qa in row["qa"]]
    kept = sum(len(set(answer)) == len(answer) for answer in words)
    gates = [setting for setting in CHOSEN if setting.startswith("gates.")]
    for gate, limit, told in (("shake_max", 0, "shake_max"), ("vocabulary_min", 1, f"sft {kept} rows")):
        split = ("-m", "jobs.cli", "split", "--output", "W", "--dry-run")
        run_ = run(checkout, *split, *sets(*gates, f"gates.{gate}={limit}"))
        assert run_.returncode == 0, run_.stderr
        assert told in run_.stdout + run_.stderr
        report = (distilled / "audit" / "report.html").read_text().replace('":"', '": "')
        assert f'"name": "{gate}"' in report


def test_a_file_that_cannot_be_imported_is_named_in_one_line(checkout: Path, tmp_path: Path) -> None:
    copytree(checkout, tmp_path / "broken", ignore=ignore_patterns("__pycache__", "W", "clips", "own"))
    (tmp_path / "broken" / "filters" / "gates" / "steadiness.py").write_text("class Steadiness(:")
    run_ = run(tmp_path / "broken", "-m", "jobs.cli", "config")
    assert run_.returncode == 2
    (line,) = run_.stderr.strip().splitlines()
    assert line.startswith("error: filters.gates.steadiness cannot be imported: SyntaxError")


def test_a_benchmark_is_asked_and_scored(checkout: Path) -> None:
    asked = {
        "video": "0.mp4",
        "question": "Which way does the camera pan?",
        "options": ["To the left", "To the right"],
        "answer": "To the right",
    }
    (checkout / "questions.jsonl").write_text(json.dumps(asked))
    words = ("evaluate", "--benchmark", "two_ways", "--questions", "questions.jsonl", "--videos", "clips")
    motionsight(checkout, *words, "--output", "results")
    results = json.loads((checkout / "results" / "results.json").read_text())
    assert results["prompts"]["motionsight"]["accuracy"]["overall"] == 1


def test_a_pipeline_of_ones_own_runs_on_ones_own_clips_and_resumes(checkout: Path) -> None:
    first = run(checkout, "own_pipeline.py", "clips", "own")
    assert first.returncode == 0, first.stderr
    assert len(pq.read_table(checkout / "own" / "sharpness").to_pylist()) == 3
    files = {file: file.stat().st_mtime_ns for file in (checkout / "own").rglob("*.parquet")}
    again = run(checkout, "own_pipeline.py", "clips", "own")
    assert again.stdout == first.stdout
    assert files == {file: file.stat().st_mtime_ns for file in (checkout / "own").rglob("*.parquet")}
