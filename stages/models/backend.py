"""The settings of a swappable model, which also know how to build it and what it needs.

A backend is one file in the folder of its kind (`mllm`, `detector`, `tracker`, `alignment`): a subclass of
the class below that fits, with `backend: Literal["name"] = "name"` and `build`. Everything else follows:
the name can be chosen in the configuration, `motionsight config` lists its settings, and `motionsight
doctor` checks its requirements. Heavy packages are imported inside `build`, never at the top of the file.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from pipeline.requirements import Requirement
from stages.models.placement import Placement
from stages.models.protocols import AlignmentScorer, Detector, Mllm, Tracker


class Backend(BaseModel):
    """The settings of one backend."""

    model_config = ConfigDict(extra="forbid")

    backend: str = ""

    def build(self) -> Any:
        """Load the model in this process.

        A model may have `close()`, called when it is no longer needed, and `broken`, which, once true, makes
        its actor start anew.

        Raises:
            CallError: A package, a key or weights are missing; the message says how to get them.
        """
        raise NotImplementedError

    def check(self) -> None:
        """Look, without loading it, whether the model can be loaded in this process.

        Raises:
            CallError: It cannot; the message says what is missing.
        """

    def requirements(self) -> Iterable[Requirement]:
        """What has to be there for `build`; for `motionsight doctor`."""
        return ()

    @property
    def placement(self) -> Placement | None:
        """The actors that the model is to run in; None: in the process that uses it."""
        return getattr(self, "actor", None)

    @property
    def title(self) -> str:
        """What to call the model in a report: backend and, where there is one, its name."""
        return f"{self.backend} {getattr(self, 'model', '')}".strip()


class MllmBackend(Backend):
    """The settings of a multimodal language model.

    Attributes:
        measures: Whether it answers from the evidence in the request alone, without looking at the frames.
    """

    measures: ClassVar[bool] = False

    max_tokens: int = Field(256, ge=1, description="longest answer, tokens")
    temperature: float = Field(0.0, ge=0, description="of sampling; 0: the likeliest answer")

    def build(self) -> Mllm:
        """Load the model, or make the client of its endpoint."""
        raise NotImplementedError


class DetectorBackend(Backend):
    """The settings of a detector.

    Attributes:
        needs_labels: Whether it looks for objects by name. One that does not finds whatever moves.
    """

    needs_labels: ClassVar[bool] = True

    def build(self) -> Detector:
        """Load the detector."""
        raise NotImplementedError


class TrackerBackend(Backend):
    """The settings of a tracker."""

    def build(self) -> Tracker:
        """Load the tracker."""
        raise NotImplementedError


class AlignmentBackend(Backend):
    """The settings of a scorer of how well a text fits a clip."""

    def build(self, mllm: Mllm | None = None) -> AlignmentScorer | None:
        """Load the scorer.

        Args:
            mllm: The model that annotates, for scorers that use it; None inside an actor.

        Returns:
            The scorer; None for a backend that scores nothing.
        """
        raise NotImplementedError
