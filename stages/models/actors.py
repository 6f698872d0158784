"""Models in Ray actors: with GPUs, replicas, and Python environments that conflict with this one.

The driver starts and owns the actors (`model_actors`). Workers get handles, which `stages.models.proxies`
wraps as models. An actor's environment needs the driver's versions of Python and Ray, NumPy, pydantic, and
whatever the model imports.
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
from stages.models.turns import InTurn

if TYPE_CHECKING:  # it imports PyArrow, which a model's environment may lack
    from pipeline.engine import EngineConfig

ROOT = Path(__file__).parents[2]
CALL_RETRIES = 1  # for a call whose actor dies: a call that kills its actor must not kill many
CONTROL = "control"  # concurrency group that still answers while all other threads of an actor are busy
CLOSE_S = 30.0  # time for models to shut down
GIB = 1024**3

log = logging.getLogger("motionsight")


@dataclass(frozen=True)
class Handle:
    """The running replicas of a model, in a form that can be sent to workers.

    Attributes:
        name: The model's name.
        version: The model's version.
        actors: Ray's handles of the replicas.
        call_timeout_s: Time limit of one call, seconds.
    """

    name: str
    version: str
    actors: tuple[Any, ...]
    call_timeout_s: float


@contextmanager
def model_actors(
    backends: Mapping[str, Backend | None], engine: "EngineConfig | None" = None
) -> Iterator[dict[str, Handle]]:
    """Run the models that have a `Placement` for the duration of a `with` block.

    Args:
        backends: Settings by role, as {"mllm": config.mllm, "detector": ...}. Settings without a placement
            are skipped; equal settings share their actors.
        engine: The cluster; None: the default settings.

    Yields:
        The handles, by role.

    Raises:
        RunError: A model cannot be started.
    """
    placed = {role: (it, it.placement) for role, it in backends.items() if it is not None and it.placement}
    if not placed:
        yield {}
        return
    from pipeline.engine import EngineConfig, start

    engine = engine or EngineConfig()
    start(engine)  # before the import, because Ray reads environment variables when imported
    import ray

    keys = {role: pickle.dumps(backend) for role, (backend, _) in placed.items()}
    distinct = {key: placed[role][1] or Placement() for role, key in keys.items()}
    if not engine.cluster:
        _refuse([*distinct.values()], ray.cluster_resources())  # a cluster may scale up; this machine cannot
    actors = {key: [_actor(key, at) for _ in range(at.replicas)] for key, at in distinct.items()}
    every = [actor for replicas in actors.values() for actor in replicas]
    try:
        yield {role: _ready(role, actors[key], distinct[key]) for role, key in keys.items()}
        _close(every)
    finally:
        for actor in every if ray.is_initialized() else ():
            ray.kill(actor)


def _refuse(placements: Sequence[Placement], available: Mapping[str, float]) -> None:
    """Raise RunError if this machine cannot hold all models at once."""
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
                f" {available.get(name, 0) / scale:g}; lower actor.replicas or what each replica reserves,"
                " or use a cluster"
            )


def _actor(backend: bytes, placement: Placement) -> Any:
    import ray

    runtime_env = dict(placement.runtime_env)
    variables = dict(runtime_env.get("env_vars", {}))
    # In site-packages, the folder of this package also holds the driver's other packages, which must not
    # shadow those of the actor's environment. This package then has to be installed there as well.
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
    """Wait until every replica has loaded its model, or raise RunError."""
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
    """Let the models shut down; whatever does not finish in time is killed with its actor."""
    import ray
    from ray.exceptions import RayError

    calls = [actor.close.options(max_task_retries=0).remote() for actor in actors]
    done, _ = ray.wait(calls, num_returns=len(calls), timeout=CLOSE_S)
    for call in done:
        with suppress(RayError):
            ray.get(call)


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message, which in a traceback names the cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


class Host:
    """The code that runs inside an actor: holds one model and calls its methods."""

    def __init__(self, backend: bytes) -> None:
        self._model: Any = None
        self._failed = ""
        try:
            settings = pickle.loads(backend)
            model = settings.build()
            self._model = model if settings.reentrant else InTurn(model)
        except Exception as error:  # otherwise Ray prints the whole traceback on the driver's terminal
            from ray.util import get_node_ip_address

            log.exception("the model cannot be started")
            where = f"{Path('/proc/self/fd/2').readlink()} on {get_node_ip_address()}"
            self._failed = f"{type(error).__name__}: {last_line(error)} (its log: {where})"

    def about(self) -> tuple[str, str, str]:
        """Return name, version, and the reason why the model could not be started ("" if it could)."""
        return getattr(self._model, "name", ""), getattr(self._model, "version", ""), self._failed

    def call(self, method: str, arguments: Packed) -> Packed:
        """Call a method of the model with packed arguments, and pack its result."""
        if self._failed:
            raise RuntimeError(self._failed)
        given = getattr(self._model, method)(*unpack(arguments))
        if getattr(self._model, "broken", False):
            os._exit(1)  # Ray restarts the actor and repeats the calls that were in progress
        return pack(given)

    def close(self) -> None:
        """Shut the model down."""
        getattr(self._model, "close", lambda: None)()
