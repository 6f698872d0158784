"""What a stage is: it declares what it reads, makes and needs, and works on one clip at a time.

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
        gpus: GPUs; a fraction shares one.
    """

    cpus: float = 1.0
    gpus: float = 0.0


class Stage(ABC):
    """Work on clips. Made by the driver, pickled, and set up once in each worker.

    Attributes:
        name: What people call it; also its key under `engine.workers` and `engine.gpus_per_worker`.
        schema: Of the rows that it makes. A row that failed has its code in `error`, if there is one.
        table: The table of the workspace that they go to; "": they come back to the driver.
        columns: The columns that it reads, beside clip_id.
        resources: What a worker reserves, unless the settings of the engine say otherwise.
        in_flight: Rows that a worker works on at once, each in a thread of its own; `work` has to allow it.
    """

    name: ClassVar[str]
    schema: ClassVar[pa.Schema]
    table: ClassVar[str] = ""
    columns: ClassVar[tuple[str, ...]] = ("uri", "start_s", "end_s")
    resources: ClassVar[Resources] = Resources()
    in_flight: int = 1

    def setup(self) -> None:  # noqa: B027 - most stages have something to load, some have not
        """Load models and the like, in the worker.

        Raises:
            Exception: The run ends with its message.
        """

    @abstractmethod
    def work(self, row: Row) -> Row:
        """Work on one clip.

        Args:
            row: clip_id and `columns`.

        Returns:
            A row of `schema`.

        Raises:
            ClipError: The clip cannot be processed; its row gets the code.
            CeilingError: No further clip may be started; the run ends in good order.
            RunError: The run has to end.
        """
