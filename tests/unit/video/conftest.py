"""Clips that the tests of this folder share."""

from pathlib import Path

import pytest

from tests import videos


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Unusual clips that can be read."""
    return videos.good(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """Files that cannot be read, with the error code of each."""
    return videos.bad(tmp_path_factory.mktemp("bad"))
