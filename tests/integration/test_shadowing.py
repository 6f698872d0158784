"""A command called in a folder that has packages named like this one's."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import videos


@pytest.mark.ray
def test_workers_import_this_package_whatever_the_current_folder_holds(tmp_path: Path) -> None:
    here = tmp_path / "here"
    for name in ("pipeline", "stages", "configs"):
        (here / name).mkdir(parents=True)
        (here / name / "__init__.py").write_text("raise ImportError('another package')")
    videos.write(tmp_path / "clip.mp4", 8)
    script = Path(sys.executable).with_name("motionsight")
    for command in (("ingest", "--input", tmp_path / "clip.mp4"), ("score", "--set", "quality.metric=null")):
        words = [script, *command, "--output", tmp_path / "W"]
        run = subprocess.run(words, cwd=here, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert f"{command[0]}: 1 clips done, 0 failed" in run.stderr
