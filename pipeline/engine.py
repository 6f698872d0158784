"""Ray Data under the stages: rows in, a stage on every worker, results out block by block.

The only file that knows Ray. A stage is a plain callable from a row to a row; what it raises as ClipError
becomes the row's error code, and a block of finished rows is written to its table by the worker itself, so
neither frames nor results travel.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from pipeline.errors import CeilingError, RunError, reason
from pipeline.isolation import as_clip_error
from pipeline.metrics import Meter, Queue
from pipeline.shadowing import job_config
from pipeline.workspace import Workspace

log = logging.getLogger("motionsight")

T = TypeVar("T")
R = TypeVar("R")

# The driver keeps some 100 KB of each task of Ray Data: larger tasks, not more of them, as rows grow.
TASKS = 2048
BLOCKS_PER_TASK = 4
TASKS_PER_WORKER = 16  # even if they are smaller then, so that the last ones end at about the same time


class EngineConfig(BaseModel):
    """How the work is spread. None of it changes a result."""

    model_config = ConfigDict(extra="forbid")

    address: str | None = Field(None, description="a Ray cluster; null: RAY_ADDRESS, or else this machine")
    block_clips: int = Field(8, ge=1, description="clips written together, and redone at most after a crash")
    workers: int | dict[str, int] | None = Field(
        None, description="worker processes, of each command or {annotate: 10}; null: one for each CPU"
    )
    cpus_per_worker: float = Field(1.0, gt=0)
    gpus_per_worker: float | dict[str, float] = Field(
        0.0, description="share of a GPU, of each command or {score: 0.16, annotate: 0.02}"
    )

    @field_validator("workers", "gpus_per_worker")
    @classmethod
    def _sensible(cls, value: Any, info: ValidationInfo) -> Any:
        least = 1 if info.field_name == "workers" else 0
        parts = value if isinstance(value, dict) else {"": value}
        if unknown := parts.keys() - {"", "score", "annotate", "split", "evaluate"}:
            raise ValueError(
                f"no command {', '.join(sorted(unknown))}; there are score, annotate, split, evaluate"
            )
        if any(part is not None and part < least for part in parts.values()):
            raise ValueError(f"should be at least {least}")
        return value

    def of(self, command: str) -> "EngineConfig":
        """The settings of one command."""
        own = {
            name: value.get(command, type(self).model_fields[name].default)
            for name in ("workers", "gpus_per_worker")
            if isinstance(value := getattr(self, name), dict)
        }
        return self.model_copy(update=own)


class Stage(Protocol):
    """Work on one clip. Rows of `schema` go to `table`; raises ClipError for a clip that cannot be done."""

    table: str
    schema: pa.Schema

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Block:
    """What a worker reports of a block: rows done, how many of them by error code."""

    rows: int
    errors: dict[str, int]


def start(config: EngineConfig) -> None:
    """Start Ray on this machine, or join the cluster that the settings or RAY_ADDRESS name."""
    address = config.address or os.environ.get("RAY_ADDRESS")
    if not address:
        # Ray's way to be told that no other machine will join, so that it listens on the loopback alone;
        # read when it is imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # The backend's own notices say nothing that a user could act on; what fails is raised.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with _native_stderr_closed():  # where the backend announces the level it was given
            ray.init(
                address=address or "local",
                job_config=job_config(),
                logging_level=logging.ERROR,
                log_to_driver=False,
                include_dashboard=None if address else False,
            )
    except Exception as error:  # Ray raises plain ones too, as when a node takes too long to start
        where = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise RunError(f"cannot reach {where}: {reason(error)}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts a handler of its own in its place
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Send what native code writes to file descriptor 2 nowhere for a while."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _Worker:
    """A stage inside a Ray actor."""

    def __init__(self, make: Callable[[], Stage], root: str | None, token: str | None) -> None:
        import cv2

        cv2.setNumThreads(1)  # Ray spreads the work; threads inside a worker only fight each other
        self._fatal: str | None = None  # why the run must end
        try:
            self._stage = make()
            self._workspace = Workspace(root, token) if root else None
            self._meter = Meter(self._stage.table)
        except Exception as error:  # Ray would put the whole traceback on the driver's screen, and try again
            log.exception("the stage cannot be started")
            self._fatal = f"the work cannot be started: {reason(error)}"

    def __call__(self, batch: pa.Table) -> pa.Table:
        rows = self._done(batch.to_pylist())
        errors = Counter(row["error"] for row in rows if row.get("error"))
        report = {"rows": len(rows), "errors": list(errors.items()), "fatal": self._fatal}
        kind = pa.struct(
            [("rows", pa.int64()), ("errors", pa.map_(pa.string(), pa.int64())), ("fatal", pa.string())]
        )
        columns: dict[str, Any] = {"report": pa.array([report], kind)}
        if not (self._fatal or self._workspace):
            columns["out"] = pa.array([rows], pa.list_(pa.struct(list(self._stage.schema))))
        return pa.table(columns)

    def _done(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of the stage for these, in its table if it has one; none after a failure to write."""
        if self._fatal:
            return []
        table = self._stage.table
        try:
            # A task whose worker was lost is tried again as a whole, but its finished blocks are there.
            before = self._workspace.appended(table, rows) if self._workspace else None
            if before is not None:
                return before
            began = time.perf_counter()
            out: list[dict[str, Any]] = []
            with suppress(CeilingError):  # what is left of the block is for a later run
                for row in rows:
                    out.append(self._one(row))
            seconds = time.perf_counter() - began
            if self._workspace:
                self._workspace.append(table, out)
        except OSError as error:
            where = self._workspace.root if self._workspace else "the workspace"
            self._fatal = f"cannot write to {where}: {reason(error)}"
            return []
        except RunError as error:
            self._fatal = str(error)
            return []
        self._meter.add(len(out), Counter(row["error"] for row in out if row.get("error")), seconds)
        return out

    def _one(self, row: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            done = self._stage(row)
        except RunError:
            raise
        except Exception as error:
            failed = as_clip_error(error)
            done = _failed(self._stage, row, failed.code, failed.detail)
            defect = failed.code == "internal"
            log.warning("clip_id=%s %s", row.get("clip_id"), failed, exc_info=error if defect else None)
        if "seconds" in done:
            done["seconds"] = time.perf_counter() - began
        return done


def _failed(stage: Stage, row: dict[str, Any], code: str, detail: str) -> dict[str, Any]:
    blank = dict.fromkeys(stage.schema.names)
    known = {name: row[name] for name in blank.keys() & row.keys()}
    return blank | known | {"error": code, "error_detail": detail[:500]}


def run(
    rows: pa.Table, make: Callable[[], Stage], config: EngineConfig, workspace: Workspace | None = None
) -> Iterator[tuple[Block, list[dict[str, Any]]]]:
    """Put every row through a stage, spread over the workers.

    make: builds the stage, once in each worker. workspace: where each block is written as soon as it is
    done; None: the rows come back instead. Yields what each block did, in the order they finish.
    Raises RunError when a block cannot be written.
    """
    if not rows.num_rows:
        return
    import ray
    from ray.exceptions import RayError

    start(config)
    cpus = _cpus(config)
    if isinstance(config.workers, dict) or isinstance(config.gpus_per_worker, dict):
        raise TypeError("settings of one command are needed: EngineConfig.of")
    blocks = -(-rows.num_rows // config.block_clips)
    workers = min(config.workers or cpus, blocks)
    most = max(TASKS_PER_WORKER * workers, min(TASKS, blocks // BLOCKS_PER_TASK))
    rows_per_task = config.block_clips * -(-blocks // most)
    tasks = [rows.slice(at, rows_per_task) for at in range(0, rows.num_rows, rows_per_task)]
    queue = Queue(rows.num_rows)
    data = ray.data.from_arrow(tasks).map_batches(
        _Worker,
        fn_constructor_args=(make, *((workspace.root, workspace.token) if workspace else (None, None))),
        batch_format="pyarrow",
        batch_size=config.block_clips,
        zero_copy_batch=True,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=config.cpus_per_worker,
        num_gpus=config.gpus_per_worker,
    )
    try:
        for item in data.iter_rows():
            report = item["report"]
            if report["fatal"]:
                raise RunError(report["fatal"])
            queue.take(report["rows"])
            yield Block(report["rows"], dict(report["errors"])), item.get("out") or []
    except RayError as error:
        raise RunError(f"the work on the cluster failed: {reason(error)[-300:]}") from error


def scatter(function: Callable[[T], R], items: Sequence[T], config: EngineConfig) -> Iterator[R]:
    """Apply a function to every item, spread over the workers.

    For work that is no clip: an item is whatever can be pickled, a task each.

    Args:
        function: Called with one item, in a process of Ray's.
        items: What to call it with.
        config: The settings of one command (`EngineConfig.of`).

    Yields:
        What the function returned, in the order in which the calls end.

    Raises:
        RunError: A worker was lost more often than Ray tries again. What the function raises, as it is.
    """
    start(config)
    import ray
    from ray.exceptions import RayError, RayTaskError

    task = ray.remote(function).options(num_cpus=config.cpus_per_worker, num_gpus=config.gpus_per_worker)
    at_once = 2 * (config.workers if isinstance(config.workers, int) else _cpus(config))
    left, under_way = iter(items), list[Any]()
    try:
        while True:
            under_way += [task.remote(item) for item in islice(left, at_once - len(under_way))]
            if not under_way:
                return
            done, under_way = ray.wait(under_way)
            yield from ray.get(done)
    except RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from error
    except RayError as error:
        raise RunError(f"the work on the cluster failed: {reason(error)[-300:]}") from error
    finally:
        for call in under_way:
            ray.cancel(call)


def _cpus(config: EngineConfig) -> int:
    """How many workers the CPUs of the cluster are enough for."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1) / config.cpus_per_worker))


def pending(rows: pa.Table, done: set[str]) -> pa.Table:
    """The rows whose clip_id is not done."""
    return rows.filter(pa.array([clip_id not in done for clip_id in rows["clip_id"].to_pylist()], pa.bool_()))


def join(left: pa.Table, right: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Rows of `left` that `right` has by clip_id, with these columns of it, in the order of clip_id."""
    kept = right.select(["clip_id", *columns])
    return left.join(kept, "clip_id", join_type="inner").sort_by("clip_id")
