"""Keep packages of the user's from being imported in place of this one's."""

from pathlib import Path
from typing import Any


def job_config() -> Any:
    """Ray's settings of a job, which leave the current folder off its workers' import path.

    Ray puts that folder first on the path. If it holds a package called `configs` or `jobs`, as many
    repositories of models do, workers would import that one. The folder stays on the path if it is where this
    package itself comes from: a checkout that is not installed.
    """
    from ray.job_config import JobConfig

    class OffPath(JobConfig):
        # What Ray asks before it adds the folder; no public setting prevents it.
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    here = Path.cwd() == Path(__file__).resolve().parents[1]
    return JobConfig() if here else OffPath()
