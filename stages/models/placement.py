"""Where a model runs: in Ray actors of its own, or in the process that uses it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Placement(BaseModel):
    """Ray actors with these resources each, in this environment."""

    model_config = ConfigDict(extra="forbid")

    replicas: int = Field(1, ge=1, description="actors that share the calls")
    num_cpus: float = Field(1.0, ge=0, description="CPUs that each reserves")
    num_gpus: float = Field(0.0, ge=0, description="GPUs that each reserves; a fraction shares one")
    memory_gb: float | None = Field(None, gt=0, description="main memory that each reserves, GiB; null: none")
    max_concurrency: int = Field(1, ge=1, description="calls that a replica works on at once")
    max_restarts: int = Field(5, ge=0, description="times that a replica which died is restarted")
    start_timeout_s: float = Field(
        1800.0, gt=0, description="to find room, create the environment and load the model, seconds"
    )
    call_timeout_s: float = Field(1800.0, gt=0, description="for one call, restarts included, seconds")
    runtime_env: dict[str, Any] = Field(
        {},
        description="as Ray takes it: py_executable (the python of another environment), env_vars, uv, ...",
    )
