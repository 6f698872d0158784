"""Models in Ray actors of their own: with GPUs, replicas, and Python environments that clash with this one.

The driver starts the actors and owns them (`model_actors`). Workers get handles, which the proxies of
`stages.models.proxies` turn into models. An actor's environment has to hold this Python's and Ray's versions,
NumPy, pydantic, and what the model itself imports.
"""

import logging
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import RunError
from stages.models.backend import Backend
from stages.models.packing import Packed, pack, unpack
from stages.models.placement import Placement

if TYPE_CHECKING:  # it needs PyArrow, which the environment of a model may lack
    from pipeline.engine import EngineConfig

ROOT = Path(__file__).parents[2]
CALL_RETRIES = 1  # repeats of a call whose actor dies under it: what kills one actor must not kill many
CONTROL = "control"  # the concurrency group in which an actor answers while its other threads are all busy
CLOSE_S = 30.0  # for models to end what they started
GIB = 1024**3

log = logging.getLogger("motionsight")


@dataclass(frozen=True)
class Handle:
    """The running replicas of a model, in a form that can be sent to workers."""

    name: str
    version: str
    actors: tuple[Any, ...]
    call_timeout_s: float


@contextmanager
def model_actors(
    backends: Mapping[str, Backend | None], engine: "EngineConfig | None" = None
) -> Iterator[dict[str, Handle]]:
    """Run the models that have a `Placement` for as long as the block lasts.

    Args:
        backends: Settings by role, as {"mllm": config.mllm, "detector": ...}. Those without a placement are
            passed over; equal ones share their actors.
        engine: The cluster; None: as by default.

    Yields:
        The handles by role.

    Raises:
        RunError: A model cannot be started.
    """
    placed = {role: (it, it.placement) for role, it in backends.items() if it is not None and it.placement}
    if not placed:
        yield {}
        return
    from pipeline.engine import EngineConfig, start

    engine = engine or EngineConfig()
    start(engine)  # sets what Ray reads when it is imported
    import ray

    keys = {role: pickle.dumps(backend) for role, (backend, _) in placed.items()}
    distinct = {key: placed[role][1] or Placement() for role, key in keys.items()}
    if not (engine.address or os.environ.get("RAY_ADDRESS")):
        _refuse([*distinct.values()], ray.cluster_resources())  # a cluster may grow, this machine will not
    actors = {key: [_actor(key, at) for _ in range(at.replicas)] for key, at in distinct.items()}
    every = [actor for replicas in actors.values() for actor in replicas]
    try:
        yield {role: _ready(role, actors[key], distinct[key]) for role, key in keys.items()}
        _close(every)
    finally:
        for actor in every if ray.is_initialized() else ():
            ray.kill(actor)


def _refuse(placements: Sequence[Placement], available: Mapping[str, float]) -> None:
    """Raise RunError when this machine cannot hold all the models."""
    wanted = {
        "CPU": sum(it.replicas * it.num_cpus for it in placements),
        "GPU": sum(it.replicas * it.num_gpus for it in placements),
        "memory": sum(it.replicas * (it.memory_gb or 0) * GIB for it in placements),
    }
    for name, amount in wanted.items():
        if amount > available.get(name, 0):
            unit, scale = (" GiB of", GIB) if name == "memory" else ("", 1)
            raise RunError(
                f"the models need {amount / scale:g}{unit} {name}, this machine has"
                f" {available.get(name, 0) / scale:g}; lower actor.replicas or what each takes,"
                " or use a cluster"
            )


def _actor(backend: bytes, placement: Placement) -> Any:
    import ray

    runtime_env = dict(placement.runtime_env)
    variables = dict(runtime_env.get("env_vars", {}))
    # Where the package is installed like any other, its folder holds this environment's packages too,
    # which must not come before those of the other environment: there it has to be installed as well.
    if ROOT.name not in ("site-packages", "dist-packages"):
        paths = [str(ROOT), variables.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return (
        ray.remote(concurrency_groups={CONTROL: 1})(Host)  # type: ignore[call-overload]  # not in its stubs
        .options(
            num_cpus=placement.num_cpus,
            num_gpus=placement.num_gpus,
            memory=int((placement.memory_gb or 0) * GIB) or None,
            max_concurrency=placement.max_concurrency,
            max_restarts=placement.max_restarts,
            max_task_retries=CALL_RETRIES,
            runtime_env=runtime_env | {"env_vars": variables},
        )
        .remote(backend)
    )


def _ready(role: str, actors: Sequence[Any], placement: Placement) -> Handle:
    """Return the handle once every replica has loaded. Raises RunError."""
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    try:
        abouts = ray.get([actor.about.remote() for actor in actors], timeout=placement.start_timeout_s)
    except GetTimeoutError:
        raise RunError(
            f"{role}: not ready after actor.start_timeout_s ({placement.start_timeout_s:g} s); check that the"
            f" cluster has {placement.num_gpus:g} GPUs and {placement.num_cpus:g} CPUs free for each of"
            f" {placement.replicas} replicas, and that the python of actor.runtime_env starts"
        ) from None
    except RayError as error:
        raise RunError(f"{role}: its actor cannot be started: {last_line(error)}") from error
    for *_, failed in abouts:
        if failed:
            raise RunError(f"{role}: the model cannot be started: {failed}")
    name, version, _ = abouts[0]
    return Handle(name, version, tuple(actors), placement.call_timeout_s)


def _close(actors: Sequence[Any]) -> None:
    """Let the models end what they started; those that cannot are killed with it."""
    import ray
    from ray.exceptions import RayError

    calls = [actor.close.options(max_task_retries=0).remote() for actor in actors]
    done, _ = ray.wait(calls, num_returns=len(calls), timeout=CLOSE_S)
    for call in done:
        with suppress(RayError):
            ray.get(call)


def last_line(error: BaseException) -> str:
    """Return the last line of a traceback."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


class Host:
    """The inside of an actor: one model, and calls of its methods."""

    def __init__(self, backend: bytes) -> None:
        self._model: Any = None
        self._failed = ""
        try:
            self._model = pickle.loads(backend).build()
        except Exception as error:  # Ray would put the whole traceback on the driver's screen
            from ray.util import get_node_ip_address

            log.exception("the model cannot be started")
            where = f"{Path('/proc/self/fd/2').readlink()} on {get_node_ip_address()}"
            self._failed = f"{type(error).__name__}: {last_line(error)} (its log: {where})"

    def about(self) -> tuple[str, str, str]:
        """Return name, version, and why the model could not be started, or ""."""
        return getattr(self._model, "name", ""), getattr(self._model, "version", ""), self._failed

    def call(self, method: str, arguments: Packed) -> Packed:
        """Call a method of the model."""
        if self._failed:
            raise RuntimeError(self._failed)
        given = getattr(self._model, method)(*unpack(arguments))
        if getattr(self._model, "broken", False):
            os._exit(1)  # Ray starts the actor anew and repeats the calls that were under way
        return pack(given)

    def close(self) -> None:
        """Let the model end what it started."""
        getattr(self._model, "close", lambda: None)()
