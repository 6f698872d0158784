"""The base of all stages: each declares what it reads, makes and needs, and processes one clip at a time.

The engine runs any stage and knows none by name.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

Row = dict[str, Any]


@dataclass(frozen=True)
class Resources:
    """What a worker reserves.

    Attributes:
        cpus: CPUs.
        gpus: GPUs; with a fraction, workers share one.
    """

    cpus: float = 1.0
    gpus: float = 0.0


class Stage(ABC):
    """A step that processes clips. It is created in the driver, pickled, and set up once in each worker.

    Attributes:
        name: Shown to users; also its key under `engine.workers` and `engine.gpus_per_worker`.
        schema: Of the rows that it makes. If it has a column `error`, failed clips have their code there.
        table: The name of the rows' table in a workspace; "": `name`.
        columns: The columns that it reads, besides clip_id.
        resources: What a worker reserves, unless the engine's settings say otherwise.
        in_flight: Number of clips that a worker processes concurrently, each in its own thread. With more
            than one, `work` must be thread-safe.
        write_every_s: For a stage whose rows take milliseconds, and would fill very many small files. Blocks
            are then as large as tasks, and a worker writes what it has done of one whenever so many seconds
            have passed. None: a block is `engine.block_clips` rows, written together.
        most_workers: Number of workers beyond which more would only wait; None: any number is of use.
        enough_workers: Number of workers to request from a cluster that has no worker node yet, if a stage
            must know it before they start; None: as many as the clips warrant, and more when nodes join.
    """

    name: ClassVar[str]
    schema: ClassVar[pa.Schema]
    table: ClassVar[str] = ""
    columns: ClassVar[tuple[str, ...]] = ("uri", "start_s", "end_s")
    resources: ClassVar[Resources] = Resources()
    in_flight: int = 1
    write_every_s: float | None = None
    most_workers: int | None = None
    enough_workers: int | None = None

    def spread(self, workers: int) -> None:  # noqa: B027 - optional
        """Learn how many workers there will be: called in the driver, before the stage is sent to them."""

    def setup(self) -> None:  # noqa: B027 - optional: some stages have nothing to load
        """Load models and the like, in the worker.

        Raises:
            Exception: Ends the run with its message.
        """

    @abstractmethod
    def work(self, row: Row) -> Row:
        """Process one clip.

        Args:
            row: clip_id and `columns`.

        Returns:
            A row of `schema`.

        Raises:
            ClipError: The clip cannot be processed; the engine puts the code in its row.
            CeilingError: No further clip may be started; the run ends normally.
            RunError: The run must be aborted.
        """
