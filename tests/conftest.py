"""What holds for all tests."""

from hypothesis import settings

# The same examples in each run, so that a failure is the change's; no deadlines: timings are for
# tests/benchmarks. `make test-long` looks for examples not yet seen.
settings.register_profile("project", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("project")
