"""Wrong calls: one clear line, exit code 2, no traceback, nothing written."""

import os
import subprocess
from pathlib import Path
from shutil import which

import pytest

from tests import videos
from tests.cli import motionsight

# Root may write anywhere, unless these rights are taken away.
MERE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def refused(run: subprocess.CompletedProcess[str], told: str) -> None:
    assert run.returncode == 2, run.stderr
    assert told in run.stderr
    assert "Traceback" not in run.stderr
    assert len([line for line in run.stderr.splitlines() if line.startswith("error:")]) == 1


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    refused(motionsight("distill", "-i", tmp_path / "in", "-o", tmp_path / "W"), "no clips in")
    assert not (tmp_path / "W").exists()


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(motionsight("distill", "-i", tmp_path / "in", "-o", tmp_path / "W"), "does not exist")


def test_a_manifest_without_its_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\na.mp4\n")
    refused(motionsight("ingest", "-i", tmp_path / "list.csv", "-o", tmp_path / "W"), "no column 'uri'")


def test_an_unknown_setting_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    refused(motionsight("score", "-o", tmp_path, "-s", "decode.fpss=3"), "did you mean 'decode.fps'")


def test_a_step_without_the_one_before_says_which_to_run(tmp_path: Path) -> None:
    refused(motionsight("score", "-o", tmp_path / "W"), "motionsight ingest")
    refused(motionsight("annotate", "-o", tmp_path / "W"), "motionsight ingest")


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    videos.write(tmp_path / "a.mp4", 4)
    (tmp_path / "file").write_text("")
    refused(motionsight("ingest", "-i", tmp_path / "a.mp4", "-o", tmp_path / "file"), "cannot write")
    refused(motionsight("ingest", "-i", tmp_path / "a.mp4", "-o", "/proc/nowhere/W"), "cannot write")


@pytest.mark.skipif(bool(MERE) and not which(MERE[0]), reason="root may write anywhere without setpriv")
def test_a_read_only_output_is_refused(tmp_path: Path) -> None:
    videos.write(tmp_path / "a.mp4", 4)
    (tmp_path / "W").mkdir(mode=0o500)
    refused(motionsight("ingest", "-i", tmp_path / "a.mp4", "-o", tmp_path / "W", by=MERE), "cannot write")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    videos.write(tmp_path / "a.mp4", 4)
    run = motionsight("distill", "-i", tmp_path / "a.mp4", "-o", tmp_path / "W", "--dry-run")
    assert run.returncode == 0, run.stderr
    assert "1 clips found" in run.stderr
    assert not (tmp_path / "W").exists()


@pytest.mark.parametrize("command", ["", "distill", "ingest", "score", "annotate", "split", "audit", "demo"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    run = motionsight(*([command] if command else []), "--help")
    assert run.returncode == 0
    assert ("Example: motionsight" in " ".join(run.stdout.split())) or not command


def test_an_unknown_option_is_a_wrong_call() -> None:
    assert motionsight("score", "--nonsense").returncode == 2
    assert motionsight("nonsense").returncode == 2
