"""What holds for all tests."""

import sys

import pytest
from hypothesis import settings

# The same examples in each run, so that a failure is the change's; no deadlines: timings are for
# tests/benchmarks. `make test-long` looks for examples not yet seen.
settings.register_profile("project", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("project")


@pytest.fixture(scope="module", autouse=True)
def _clusters_may_be_joined() -> None:
    """Undo for each file of tests what a run on one machine has told Ray for the rest of its process."""
    if ray := sys.modules.get("ray"):
        ray._private.ray_constants.ENABLE_RAY_CLUSTER = True
