"""Run stages on Ray Data: rows in, a stage in every worker, results out block by block.

A ClipError that a stage raises becomes the error code of the row. Each worker writes its blocks of finished
rows to the table itself, so that neither frames nor results are sent between processes.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from pipeline import joining, scratch
from pipeline.errors import CallError, CeilingError, RunError, reason
from pipeline.isolation import as_clip_error
from pipeline.metrics import Meter, Queue
from pipeline.pool import Pool, pool_for
from pipeline.shadowing import job_config
from pipeline.stage import Resources, Row, Stage
from pipeline.workspace import Workspace

log = logging.getLogger("motionsight")

T = TypeVar("T")
R = TypeVar("R")


class EngineConfig(BaseModel):
    """How work is spread over workers. These settings never change a result."""

    model_config = ConfigDict(extra="forbid")

    address: str | None = Field(
        None, description="Ray cluster to join; null: RAY_ADDRESS, or this machine if that is not set"
    )
    block_clips: int = Field(
        8,
        ge=1,
        description="clips per block: their rows are written together, and lost together if a worker dies",
    )
    workers: int | dict[str, int] | None = Field(
        None,
        description="worker processes, for every command or by command, as in {annotate: 10}; null: one per"
        " CPU, also of nodes that join the cluster during the run",
    )
    cpus_per_worker: float | None = Field(
        None, gt=0, description="CPUs that a worker reserves; null: the command's own default, usually 1"
    )
    in_flight: int | None = Field(
        None,
        ge=1,
        description="clips that a worker of annotate or evaluate has in hand at once; null: as many as keep"
        " the models busy, at most 32",
    )
    gpus_per_worker: float | dict[str, float] | None = Field(
        None,
        description="fraction of a GPU that a worker reserves, for every command or by command, as in"
        " {score: 0.16, annotate: 0.02}; null: the command's own default, usually none",
    )

    @property
    def cluster(self) -> str | None:
        """The address of the cluster to join; None: Ray runs on this machine alone."""
        return self.address or os.environ.get("RAY_ADDRESS")

    @field_validator("workers", "gpus_per_worker")
    @classmethod
    def _sensible(cls, value: Any, info: ValidationInfo) -> Any:
        least = 1 if info.field_name == "workers" else 0
        parts = value.values() if isinstance(value, dict) else [value]
        if any(part is not None and part < least for part in parts):
            raise ValueError(f"should be at least {least}")
        return value

    def share(self, name: str, resources: Resources) -> "Share":
        """Return what the workers of a stage reserve: these settings, or else what the stage asks for.

        Args:
            name: Of the stage.
            resources: What the stage asks for.
        """
        workers, gpus = (
            setting.get(name) if isinstance(setting, dict) else setting
            for setting in (self.workers, self.gpus_per_worker)
        )
        return Share(
            int(workers) if workers is not None else None,
            resources.cpus if self.cpus_per_worker is None else self.cpus_per_worker,
            resources.gpus if gpus is None else float(gpus),
        )


@dataclass(frozen=True)
class Share:
    """What the workers of a stage reserve.

    Attributes:
        workers: Number of processes; None: as many as the CPUs allow.
        cpus: CPUs per worker.
        gpus: GPUs per worker, possibly a fraction.
    """

    workers: int | None
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Block:
    """A worker's report on a block.

    Attributes:
        rows: Number of rows processed.
        errors: How many of them failed, by code.
    """

    rows: int
    errors: dict[str, int]


def start(config: EngineConfig) -> None:
    """Start Ray on this machine, or join the cluster named by the settings or RAY_ADDRESS.

    Raises:
        RunError: Ray cannot be started or reached.
    """
    address = config.cluster
    import ray

    if ray.is_initialized():
        return
    if not address:  # nobody else joins: Ray's processes listen on the loopback alone
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    joined = address or os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == "1"
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = bool(joined)  # Ray has read the variable at its import
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Users cannot act on the backend's notices, and failures are raised as exceptions.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # tasks that fail after the first failure
    on_sigterm = signal.getsignal(signal.SIGTERM)
    if address:
        joining.let_in(address)
    _join(address)
    if address and not joining.workers_have_this():
        ray.shutdown()  # and once more, with workers in the environment of this process
        _join(address, {"py_executable": sys.executable})
        if not joining.workers_have_this():
            ray.shutdown()
            raise RunError(joining.NO_PACKAGE)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray has installed a handler of its own
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _join(address: str | None, runtime_env: dict[str, Any] | None = None) -> None:
    import ray

    try:
        with _native_stderr_closed():  # the backend announces its log level there
            ray.init(
                address=address or "local",
                job_config=job_config(),
                runtime_env=runtime_env,
                logging_level=logging.ERROR,
                log_to_driver=False,
                include_dashboard=None if address else False,
            )
    except Exception as error:  # Ray also raises plain Exceptions, as when a node takes too long to start
        where = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise RunError(f"cannot reach {where}: {reason(error)}") from error


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Discard what native code writes to file descriptor 2 inside the block."""
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

    def __init__(self, stage: Stage, in_flight: int, root: str | None, token: str | None) -> None:
        import cv2

        cv2.setNumThreads(1)  # Ray runs the workers in parallel; more threads in each would only compete
        self._fatal: str | None = None  # why the run must be aborted
        self._stage = stage
        # Shared by the blocks in progress: while the last clips of one wait, those of the next are begun.
        self._threads = ThreadPoolExecutor(in_flight) if in_flight > 1 else None
        try:
            stage.setup()
            self._workspace = Workspace(root, token) if root else None
            self._meter = Meter(stage.name)
        except Exception as error:  # if raised, Ray would print the traceback in the driver and retry
            log.exception("the stage cannot be started")
            self._fatal = f"{stage.name} cannot be started: {reason(error)}"

    def __call__(self, batch: pa.Table) -> pa.Table:
        rows = self._done(batch.to_pylist())
        errors = Counter(row["error"] for row in rows if row.get("error"))
        report = {"rows": len(rows), "errors": list(errors.items()), "fatal": self._fatal}
        columns: dict[str, Any] = {"report": pa.array([report], REPORT)}
        if not (self._fatal or self._workspace):
            columns["out"] = pa.array([rows], pa.list_(pa.struct(list(self._stage.schema))))
        return pa.table(columns)

    def _done(self, rows: list[Row]) -> list[Row]:
        """Process a block and write its rows to the table, if there is one; no rows if the run must end."""
        if self._fatal:
            return []
        table = self._stage.table or self._stage.name
        try:
            # A task whose worker died is retried as a whole; blocks that it had finished are in the table.
            before = self._workspace.appended(table, rows) if self._workspace else None
            if before is not None:
                return before
            began = wrote = time.perf_counter()
            out, written = list[Row](), 0
            for row in self._results(rows):
                out.append(row)
                if (every := self._stage.write_every_s) and time.perf_counter() - wrote > every:
                    self._append(table, out[written:])
                    written, wrote = len(out), time.perf_counter()
            seconds = time.perf_counter() - began
            self._append(table, out[written:])
        except OSError as error:
            self._fatal = f"cannot write to {self._workspace and self._workspace.root}: {reason(error)}"
            return []
        except RunError as error:
            self._fatal = str(error)
            return []
        self._meter.add(len(out), Counter(row["error"] for row in out if row.get("error")), seconds)
        return out

    def _append(self, table: str, rows: list[Row]) -> None:
        if self._workspace:
            self._workspace.append(table, rows, self._stage.schema)

    def _results(self, rows: list[Row]) -> Iterator[Row]:
        """Process the rows in their order, except those that the cost ceiling excludes."""
        if self._threads:
            return (row for row in self._threads.map(self._one, rows) if row is not None)
        return takewhile(bool, map(self._one, rows))  # type: ignore[arg-type]

    def _one(self, row: Row) -> Row | None:
        """Process a row; None if it may not be started."""
        began = time.perf_counter()
        try:
            done = self._stage.work(row)
        except CeilingError:  # left for a later run
            return None
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


REPORT = pa.struct(
    [("rows", pa.int64()), ("errors", pa.map_(pa.string(), pa.int64())), ("fatal", pa.string())]
)


def _failed(stage: Stage, row: Row, code: str, detail: str) -> Row:
    blank = dict.fromkeys(stage.schema.names)
    known = {name: row[name] for name in blank.keys() & row.keys()}
    return blank | known | {"error": code, "error_detail": detail[:500]}


def run(
    stage: Stage, rows: pa.Table, config: EngineConfig, workspace: Workspace | None = None
) -> Iterator[tuple[Block, list[Row]]]:
    """Run a stage on every row, spread over the workers.

    Args:
        stage: What to run.
        rows: With clip_id and the columns that the stage reads; other columns are not sent to the workers.
        config: How the work is spread.
        workspace: Where each block is written as soon as it is done; None: the rows are returned instead.

    Yields:
        A report on each block, in the order in which blocks finish, and the block's rows if there is no
        workspace.

    Raises:
        CallError: A column that the stage reads is missing.
        RunError: Ray cannot be started, the stage cannot be set up, or a block cannot be written.
    """
    if lacking := [name for name in ("clip_id", *stage.columns) if name not in rows.column_names]:
        raise CallError(
            f"{stage.name} reads the column {lacking[0]!r}, which the clips do not have"
            f" (they have: {', '.join(rows.column_names)})"
        )
    if not rows.num_rows:
        return
    scratch.hold()  # until this process ends, so that the next stage finds what this one has fetched
    import ray
    from ray.exceptions import RayError

    start(config)
    rows = rows.select([name for name in rows.column_names if name in {"clip_id", *stage.columns}])
    # The clips of one video one after the other: it is fetched, and its frames' times are read, only once.
    order = [name for name in ("uri", "start_s", "clip_id") if name in rows.column_names]
    rows = rows.sort_by([(name, "ascending") for name in order])
    share = config.share(stage.name, stage.resources)
    blocks = -(-rows.num_rows // config.block_clips)
    pool = pool_for(stage, share.workers, _fitting(share), rows.num_rows, grows=bool(config.cluster))
    pool = pool.at_most(blocks).at_most(stage.most_workers)
    stage.spread(pool.most)
    in_flight = stage.in_flight if config.in_flight is None or stage.in_flight == 1 else config.in_flight
    rows_per_task = config.block_clips * pool.blocks_per_task(blocks)
    tasks = [rows.slice(at, rows_per_task) for at in range(0, rows.num_rows, rows_per_task)]
    rows_per_block = rows_per_task if stage.write_every_s else config.block_clips
    # Blocks that a worker has in progress: no more than its share, or the first to be ready would take all.
    calls = min(1 + -(-in_flight // rows_per_block), -(-len(tasks) // pool.most)) if in_flight > 1 else 1
    compute = _workers(pool, calls, ahead=in_flight == 1)
    queue = Queue(rows.num_rows)
    place = (workspace.root, workspace.token) if workspace else (None, None)
    # Not from_arrow: it starts a task for every table, and for all of them a cluster would start nodes.
    data = ray.data.from_blocks(tasks).map_batches(
        _Worker,
        fn_constructor_args=(stage, in_flight, *place),
        batch_format="pyarrow",
        batch_size=rows_per_block,
        zero_copy_batch=True,
        compute=compute,
        num_cpus=share.cpus,
        num_gpus=share.gpus,
    )
    try:
        for item in data.iter_rows():
            report = item["report"]
            if report["fatal"]:
                raise RunError(report["fatal"])
            queue.take(report["rows"])
            yield Block(report["rows"], dict(report["errors"])), item.get("out") or []
    except RayError as error:
        raise RunError(f"Ray failed: {reason(error)[-300:]}") from error


def _workers(pool: Pool, calls: int, ahead: bool) -> Any:
    """Return Ray Data's strategy for a pool.

    Args:
        pool: Its size.
        calls: Blocks that a worker has in progress.
        ahead: Whether a worker is sent tasks ahead; not in a pool that grows, where others may come for them.
    """
    import ray

    grows = pool.least < pool.most
    if grows:
        scaling = ray.data.DataContext.get_current().autoscaling_config
        scaling.actor_pool_util_upscaling_threshold = 1.0  # when all are busy and there are CPUs for more
        scaling.actor_pool_util_downscaling_threshold = 0.0  # to set a worker up again would take seconds
    return ray.data.ActorPoolStrategy(
        min_size=pool.least,
        max_size=pool.most,
        max_tasks_in_flight_per_actor=None if ahead and not grows else calls,
        max_concurrent_calls_per_actor=calls,
        enable_true_multi_threading=calls > 1,
    )


def scatter(name: str, function: Callable[[T], R], items: Sequence[T], config: EngineConfig) -> Iterator[R]:
    """Apply a function to every item, spread over the workers: one Ray task per item.

    For work that is not done clip by clip.

    Args:
        name: The key of this work under `engine.workers` and `engine.gpus_per_worker`.
        function: Called with one item in a Ray worker.
        items: Its arguments; picklable.
        config: How the work is spread.

    Yields:
        The results, in the order in which the calls finish.

    Raises:
        RunError: Workers died more often than Ray retries.
        Exception: Whatever the function raises.
    """
    start(config)
    import ray
    from ray.exceptions import RayError, RayTaskError

    share = config.share(name, Resources())
    task = ray.remote(function).options(num_cpus=share.cpus, num_gpus=share.gpus)
    left, running = iter(items), list[Any]()
    try:
        while True:
            in_flight = 2 * (
                share.workers or max(_fitting(share), 1)
            )  # anew each time: nodes may have joined
            running += [task.remote(item) for item in islice(left, in_flight - len(running))]
            if not running:
                return
            done, running = ray.wait(running)
            yield from ray.get(done)
    except RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from error
    except RayError as error:
        raise RunError(f"Ray failed: {reason(error)[-300:]}") from error
    finally:
        for call in running:
            ray.cancel(call)


def _fitting(share: Share) -> int:
    """How many workers fit on the cluster, as it is now."""
    import ray

    there = ray.cluster_resources()
    wanted = {"CPU": share.cpus, "GPU": share.gpus}
    return int(min(there.get(name, 0) / amount for name, amount in wanted.items() if amount))


def pending(rows: pa.Table, done: set[str]) -> pa.Table:
    """Return the rows whose clip_id is not in `done`."""
    return rows.filter(pa.array([clip_id not in done for clip_id in rows["clip_id"].to_pylist()], pa.bool_()))
