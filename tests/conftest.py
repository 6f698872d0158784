"""What holds for all tests."""

from hypothesis import settings

settings.register_profile("project", deadline=None)  # timings are for tests/benchmarks
settings.load_profile("project")
