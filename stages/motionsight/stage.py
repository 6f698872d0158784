"""The base of stages that ask a model about clips, and prepare further clips while it works."""

from collections.abc import Mapping
from typing import Any

from pipeline.isolation import Limits
from pipeline.stage import Stage
from stages.models.actors import Handle
from stages.models.metering import Purse
from stages.motionsight.service import MotionSight
from stages.motionsight.settings import MotionSightConfig

CLIPS_PER_WORKER = 8  # in hand: to prepare as many keeps a CPU busy while calls take a second or two
MOST_IN_FLIGHT = 32  # clips in a worker's hands: the frames of one may take 50 MB


class AskingStage(Stage):
    """A stage whose workers have as many clips in hand as keep the answering model busy.

    Attributes:
        workers: How many there are.
        motionsight: Answers the questions; set by `setup`.
        purse: Pays for them; set by `setup`.
    """

    workers = 1

    def __init__(
        self,
        config: MotionSightConfig,
        handles: Mapping[str, Handle] | None = None,
        limits: Limits | None = None,
        book: Any = None,
    ) -> None:
        """Configure the stage; `setup` loads the models.

        Args:
            config: Which models and prompts to use.
            handles: Handles of the models that run in actors, by role; see
                `stages.models.actors.model_actors`.
            limits: Limits of a child process that decodes; None: decode in this process.
            book: Handle of the ledger that enforces the cost ceiling; None: no ceiling.
        """
        self._config, self._handles, self._limits, self._book = config, handles or {}, limits, book
        at_once = config.mllm.at_once
        self.enough_workers = -(-at_once // CLIPS_PER_WORKER) or None
        if not config.mllm.placement:  # each worker calls the endpoint, once at least
            self.most_workers = at_once or None

    def spread(self, workers: int) -> None:
        """Share the model's calls among the workers: each has as many clips in hand as it may make calls."""
        self.workers = workers
        self.in_flight = in_flight(-(-self._config.mllm.at_once // workers))

    def setup(self) -> None:
        """Load the models.

        Raises:
            CallError: A model cannot be loaded as configured.
        """
        self.purse = Purse(self._book)
        shared = self._config.model_copy(update={"mllm": self._config.mllm.shared_by(self.workers)})
        self.motionsight = MotionSight(shared, self._handles, self._limits)


def in_flight(calls: int) -> int:
    """Return how many clips to have in hand for a number of calls that a model can work on at once."""
    return min(calls, MOST_IN_FLIGHT) or 1
