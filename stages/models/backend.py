"""The settings of a swappable model, which also build the model and list what it requires.

A backend is one file in the folder of its kind (`mllm`, `detector`, `tracker`, `alignment`): a subclass of
the matching class below, with `backend: Literal["name"] = "name"` and a `build` method. That is enough to
select it by name in the configuration, to see its settings in `motionsight config`, and to have its
requirements checked by `motionsight doctor`. Heavy packages are imported inside `build`, never at the top of
the file.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from pipeline.requirements import Requirement
from stages.models.placement import Placement
from stages.models.protocols import AlignmentScorer, Detector, Mllm, Tracker


class Backend(BaseModel):
    """The settings of one backend.

    Attributes:
        reentrant: Whether its model may be called from several threads at once; otherwise calls take turns.
    """

    model_config = ConfigDict(extra="forbid")

    backend: str = ""
    reentrant: ClassVar[bool] = False

    def build(self) -> Any:
        """Load the model in this process.

        A model may have a method `close()`, which is called when it is no longer needed, and an attribute
        `broken`: once it is true, the model's actor is restarted.

        Raises:
            CallError: A package, a key or weights are missing; the message says how to get them.
        """
        # Not abstract: settings that several backends share are also made where no model is built.
        raise NotImplementedError(f"{type(self).__name__} has no `build`")

    def check(self) -> None:
        """Check, without loading the model, that it can be loaded in this process.

        Raises:
            CallError: Something is missing; the message says what.
        """

    def requirements(self) -> Iterable[Requirement]:
        """Return what `build` requires, for `motionsight doctor` to check."""
        return ()

    @property
    def placement(self) -> Placement | None:
        """The actors in which the model runs; None: it runs in the process that uses it."""
        return getattr(self, "actor", None)

    @property
    def at_once(self) -> int:
        """How many calls the model can work on at once, apart from this process; 0: it is part of it."""
        return self.placement.replicas * self.placement.max_concurrency if self.placement else 0

    @property
    def gather_s(self) -> float:
        """How long the model waits for others to share a batch, seconds; see `batching.Batches`."""
        return self.placement.gather_ms / 1000 if self.placement else 0.0

    def shared_by(self, workers: int) -> Self:
        """Return the settings for each of some workers that call the model independently."""
        return self

    @property
    def title(self) -> str:
        """The model's name in reports: the backend and, if it has one, the checkpoint."""
        return f"{self.backend} {getattr(self, 'model', '')}".strip()


class MllmBackend(Backend):
    """The settings of a multimodal language model.

    Attributes:
        measures: Whether it answers from the evidence in the request alone and ignores the frames.
    """

    measures: ClassVar[bool] = False

    max_tokens: int = Field(256, ge=1, description="length limit of an answer, tokens")
    temperature: float = Field(0.0, ge=0, description="sampling temperature; 0: always the likeliest token")

    def build(self) -> Mllm:
        """Load the model, or make the client of its endpoint."""
        return super().build()


class DetectorBackend(Backend):
    """The settings of a detector.

    Attributes:
        needs_labels: Whether it searches for objects by name. A detector that does not finds whatever moves.
    """

    needs_labels: ClassVar[bool] = True

    def build(self) -> Detector:
        """Load the detector."""
        return super().build()


class TrackerBackend(Backend):
    """The settings of a tracker."""

    def build(self) -> Tracker:
        """Load the tracker."""
        return super().build()


class AlignmentBackend(Backend):
    """The settings of a scorer that judges how well a text fits a clip."""

    def build(self, mllm: Mllm | None = None) -> AlignmentScorer | None:
        """Load the scorer.

        Args:
            mllm: The annotating model, for scorers that use it; None inside an actor.

        Returns:
            The scorer; None for a backend that scores nothing.
        """
        return super().build()
