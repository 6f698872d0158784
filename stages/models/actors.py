"""Models in Ray actors of their own: with GPUs, replicas, and a Python environment that the rest has not.

The driver starts the actors and owns them (`serving`). Workers get handles, which proxies with the protocol
of the model (`RemoteMllm`, ...) turn into calls. What an actor's environment must hold: the driver's versions
of Python and Ray, NumPy, pydantic, and what the model itself imports.
"""

import io
import logging
import os
import pickle
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from stages.models.protocols import Detections, Reply, Request, View

if TYPE_CHECKING:
    from filters.evidence import Track
    from pipeline.engine import EngineConfig

ROOT = Path(__file__).parents[2]
CALL_RETRIES = 1  # repeats of a call whose actor dies under it: what kills one actor must not kill many
BESIDE = "beside"  # where an actor answers while all its other threads are taken
CLOSE_S = 30.0  # for models to end what they started
STRIDE = 16  # pixels between those that tell frames apart
GIB = 1024**3

log = logging.getLogger("motionsight")


class Placement(BaseModel):
    """Where a model runs: in Ray actors with these resources each, in this environment."""

    model_config = ConfigDict(extra="forbid")

    replicas: int = Field(1, ge=1)
    num_cpus: float = Field(1.0, ge=0)
    num_gpus: float = Field(0.0, ge=0)
    memory_gb: float | None = Field(None, gt=0, description="main memory to set aside, GiB; null: none")
    max_concurrency: int = Field(1, ge=1, description="calls that a replica works on at once")
    max_restarts: int = Field(5, ge=0, description="times that a replica which died is started anew")
    start_timeout_s: float = Field(1800.0, gt=0, description="to find room, make the environment and load")
    call_timeout_s: float = Field(1800.0, gt=0, description="for one call, restarts included")
    runtime_env: dict[str, Any] = Field(
        {},
        description="as Ray takes it: py_executable (the python of another environment), env_vars, uv, ...",
    )


class Placed(Protocol):
    """The settings of a model that can live in actors; where `actor` is None it lives where it is used."""

    @property
    def actor(self) -> Placement | None: ...

    def build(self) -> Any:
        """The model. Its `close()`, if it has one, is called at the end; once its `broken`, if it has one,
        is true, the actor is started anew."""
        ...


@dataclass(frozen=True)
class Handle:
    """The running replicas of a model, in a form that can be sent to workers."""

    name: str
    version: str
    actors: tuple[Any, ...]
    call_timeout_s: float


@contextmanager
def serving(configs: Mapping[str, Any], engine: "EngineConfig | None" = None) -> Iterator[dict[str, Handle]]:
    """Run the models that have a `Placement` for as long as the block lasts; pass over the others.

    configs: settings by role, as {"mllm": config.mllm, "detector": ...}; equal ones share their actors.
    engine: the cluster. Gives the handles by role. Raises RunError when a model cannot be started.
    """
    placed: dict[str, Placed] = {role: it for role, it in configs.items() if getattr(it, "actor", None)}
    if not placed:
        yield {}
        return
    from pipeline.engine import EngineConfig, start

    engine = engine or EngineConfig()
    start(engine)  # which sets what Ray reads when it is imported
    import ray

    keys = {role: pickle.dumps(config) for role, config in placed.items()}
    distinct = {key: placed[role].actor or Placement() for role, key in keys.items()}
    if not (engine.address or os.environ.get("RAY_ADDRESS")):
        _refuse([*distinct.values()], ray.cluster_resources())  # a cluster may grow, this machine will not
    actors = {key: [_actor(key, at) for _ in range(at.replicas)] for key, at in distinct.items()}
    every = [actor for replicas in actors.values() for actor in replicas]
    try:
        handles = {role: _ready(role, actors[key], distinct[key]) for role, key in keys.items()}
        yield handles
        _close(every)
    finally:
        for actor in every if ray.is_initialized() else ():
            ray.kill(actor)


def _refuse(placements: Sequence[Placement], there: Mapping[str, float]) -> None:
    from pipeline.errors import RunError

    wanted = {
        "CPU": sum(it.replicas * it.num_cpus for it in placements),
        "GPU": sum(it.replicas * it.num_gpus for it in placements),
        "memory": sum(it.replicas * (it.memory_gb or 0) * GIB for it in placements),
    }
    for name, amount in wanted.items():
        if amount > there.get(name, 0):
            unit, scale = (" GiB of", GIB) if name == "memory" else ("", 1)
            raise RunError(
                f"the models want {amount / scale:g}{unit} {name}, this machine has"
                f" {there.get(name, 0) / scale:g}; lower actor.replicas or what each takes, or use a cluster"
            )


def _actor(config: bytes, placement: Placement) -> Any:
    import ray

    runtime_env = dict(placement.runtime_env)
    variables = dict(runtime_env.get("env_vars", {}))
    # Where the package is installed like any other, its folder holds this environment's packages too,
    # which must not come before those of the other environment: there it has to be installed as well.
    if ROOT.name not in ("site-packages", "dist-packages"):
        paths = [str(ROOT), variables.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return (
        ray.remote(concurrency_groups={BESIDE: 1})(Host)  # type: ignore[call-overload]  # untold, but documented
        .options(
            num_cpus=placement.num_cpus,
            num_gpus=placement.num_gpus,
            memory=int((placement.memory_gb or 0) * GIB) or None,
            max_concurrency=placement.max_concurrency,
            max_restarts=placement.max_restarts,
            max_task_retries=CALL_RETRIES,
            runtime_env=runtime_env | {"env_vars": variables},
        )
        .remote(config)
    )


def _ready(role: str, actors: Sequence[Any], placement: Placement) -> Handle:
    """The handle, once every replica has loaded. Raises RunError."""
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    from pipeline.errors import RunError

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
    """What a traceback ends with."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


class Host:
    """The inside of an actor: one model, and calls of its methods."""

    def __init__(self, config: bytes) -> None:
        self._model: Any = None
        self._failed = ""
        try:
            self._model = pickle.loads(config).build()
        except Exception as error:  # Ray would put the whole traceback on the driver's screen
            from ray.util import get_node_ip_address

            log.exception("the model cannot be started")
            where = f"{Path('/proc/self/fd/2').readlink()} on {get_node_ip_address()}"
            self._failed = f"{type(error).__name__}: {last_line(error)} (its log: {where})"

    def about(self) -> tuple[str, str, str]:
        """Name, version, and why the model could not be started, or ""."""
        return getattr(self._model, "name", ""), getattr(self._model, "version", ""), self._failed

    def call(self, method: str, arguments: "Packed") -> "Packed":
        """What a method of the model gives."""
        if self._failed:
            raise RuntimeError(self._failed)
        given = getattr(self._model, method)(*unpack(arguments))
        if getattr(self._model, "broken", False):
            os._exit(1)  # Ray starts the actor anew and repeats the calls that were under way
        return pack(given)

    def close(self) -> None:
        getattr(self._model, "close", lambda: None)()


class LostError(Exception):
    """A call that came back without an answer; the message is a sentence."""


class _Remote:
    """Calls of the methods of a model that lives in actors."""

    def __init__(self, handle: Handle) -> None:
        self.name, self.version = handle.name, handle.version
        self._handle = handle
        self._turn = random.randrange(len(handle.actors))

    def _replica(self, frames: np.ndarray | None = None) -> int:
        """The number of the replica for a call: the same for the same frames, in turn without any."""
        self._turn += 1
        if frames is None or not frames.size:
            return self._turn % len(self._handle.actors)
        few = np.ascontiguousarray(frames[:, ::STRIDE, ::STRIDE])
        return zlib.crc32(few.data) % len(self._handle.actors)

    def _call(self, replica: int, method: str, *arguments: Any) -> Any:
        """The result of a method, by the next replica if this one is dead for good.

        Raises LostError, and RunError when every replica is dead.
        """
        import ray
        from ray.exceptions import RayError

        actor = self._living(replica)
        try:
            call = actor.call.remote(method, pack(arguments))
            return unpack(ray.get(call, timeout=self._handle.call_timeout_s))
        except RayError as error:
            raise LostError(f"{self.name} gave no answer in its actor: {last_line(error)}") from error

    def _living(self, replica: int) -> Any:
        """The actor to call. Asked for first, because a call that is told of a death may be its cause."""
        import ray
        from ray.exceptions import ActorDiedError, RayError

        from pipeline.errors import RunError

        why = ""
        actors = self._handle.actors
        for actor in (*actors[replica:], *actors[:replica]):
            try:
                ask = actor.about.options(concurrency_group=BESIDE).remote()
                ray.get(ask, timeout=self._handle.call_timeout_s)
            except ActorDiedError as error:
                why = last_line(error)
                continue
            except RayError:
                pass  # it is being started anew, and the call will wait for that
            return actor
        raise RunError(f"{self.name} has no replica left, see the logs of Ray: {why}")

    def _of_clip(self, method: str, *arguments: Any) -> Any:
        from pipeline.errors import ClipError

        try:
            return self._call(self._replica(), method, *arguments)
        except LostError as lost:
            raise ClipError("worker_crash", str(lost)) from lost


class RemoteMllm(_Remote):
    """An `Mllm` in actors. Requests about the same frames meet at one replica, in whose cache they are."""

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request, in order; error `mllm_error` for those that were not answered.

        Raises RunError when every replica is dead.
        """
        groups: dict[int, list[int]] = {}
        for k, request in enumerate(requests):
            groups.setdefault(self._replica(request.frames), []).append(k)
        replies: dict[int, Reply] = {}

        def ask(replica: int) -> None:
            wanted = groups[replica]
            try:
                given = self._call(replica, "generate", [requests[k] for k in wanted])
            except LostError as lost:
                given = [Reply("", error="mllm_error", detail=str(lost))] * len(wanted)
            replies.update(zip(wanted, given, strict=True))

        with ThreadPoolExecutor(max(1, len(groups))) as threads:
            list(threads.map(ask, groups))
        return [replies[k] for k in range(len(requests))]


class RemoteDetector(_Remote):
    """A `Detector` in actors."""

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        """As the detector there does. Raises ClipError `worker_crash`, and RunError as `RemoteMllm`."""
        return self._of_clip("detect", view, labels)


class RemoteTracker(_Remote):
    """A `Tracker` in actors."""

    def track(self, view: View, found: Mapping[float, Detections]) -> "list[Track]":
        """As the tracker there does. Raises ClipError `worker_crash`, and RunError as `RemoteMllm`."""
        return self._of_clip("track", view, found)


class RemoteAlignment(_Remote):
    """An `AlignmentScorer` in actors."""

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        """As the scorer there does. Raises ClipError `worker_crash`, and RunError as `RemoteMllm`."""
        return self._of_clip("__call__", frames, times, texts)


Packed = tuple[bytes, list[pickle.PickleBuffer]]


class _Pickler(pickle.Pickler):
    """Sends arrays as plain memory: NumPy 1.26 cannot read what NumPy 2 pickles."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is not np.ndarray or thing.dtype.hasobject:
            return NotImplemented
        whole = np.ascontiguousarray(thing)
        return np.ndarray, (thing.shape, whole.dtype.str, pickle.PickleBuffer(whole.data))


def pack(value: Any) -> Packed:
    """A value as bytes and, uncopied, the memory of its arrays, which come out of `unpack` read-only."""
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
    return file.getvalue(), buffers


def unpack(packed: Packed) -> Any:
    """The value that went into `pack`, here or in another process."""
    data, buffers = packed
    return pickle.loads(data, buffers=buffers)
