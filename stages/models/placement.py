"""Where a model runs: in Ray actors of its own, or in the process that uses it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Placement(BaseModel):
    """The Ray actors that a model runs in: their number, resources and Python environment."""

    model_config = ConfigDict(extra="forbid")

    replicas: int = Field(1, ge=1, description="number of actors that share the calls")
    num_cpus: float = Field(1.0, ge=0, description="CPUs reserved by each actor")
    num_gpus: float = Field(0.0, ge=0, description="GPUs reserved by each actor; a fraction shares a GPU")
    memory_gb: float | None = Field(
        None, gt=0, description="main memory reserved by each actor, GiB; null: none"
    )
    max_concurrency: int = Field(1, ge=1, description="calls that an actor works on at once")
    gather_ms: float = Field(
        5.0,
        ge=0,
        description="how long a model that computes in batches waits for calls that the actor also works on,"
        " milliseconds; a call that is alone never waits",
    )
    max_restarts: int = Field(5, ge=0, description="how often a dead actor is restarted")
    start_timeout_s: float = Field(
        1800.0,
        gt=0,
        description="time limit to find resources, create the environment and load the model, seconds",
    )
    call_timeout_s: float = Field(
        1800.0, gt=0, description="time limit of one call, restarts included, seconds"
    )
    runtime_env: dict[str, Any] = Field(
        {},
        description="Ray's runtime_env: py_executable (the Python of another environment), env_vars, uv, ...",
    )
