"""Small videos, and a dataset of them; both are for reading only."""

from pathlib import Path

import pytest

from stages.split.publish import publish
from tests.plans import a_plan, write_videos


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_videos(folder, 12)
    return folder


@pytest.fixture(scope="session")
def dataset(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace") / "dataset"
    plan, config = a_plan(videos)
    publish(plan, str(folder), config, {"config_fingerprint": "abc"})
    return folder
