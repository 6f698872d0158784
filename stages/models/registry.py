"""From settings to models: the available backends, and where the chosen one runs."""

from typing import TYPE_CHECKING, TypeVar, cast

from pipeline.registry import Registry, backend_name, one_of
from stages.models.actors import Handle
from stages.models.backend import AlignmentBackend, Backend, DetectorBackend, MllmBackend, TrackerBackend
from stages.models.protocols import AlignmentScorer, Detector, Mllm, Tracker
from stages.models.proxies import RemoteAlignment, RemoteDetector, RemoteMllm, RemoteTracker
from stages.models.turns import InTurn

M = TypeVar("M")

MLLMS = Registry("mllm", "stages.models.mllm", MllmBackend, backend_name)
DETECTORS = Registry("detector", "stages.models.detector", DetectorBackend, backend_name)
TRACKERS = Registry("tracker", "stages.models.tracker", TrackerBackend, backend_name)
ALIGNMENTS = Registry("alignment", "stages.models.alignment", AlignmentBackend, backend_name)


if TYPE_CHECKING:
    MllmConfig = MllmBackend
    DetectorConfig = DetectorBackend
    TrackerConfig = TrackerBackend
    AlignmentConfig = AlignmentBackend
else:
    MllmConfig = one_of(MLLMS)
    DetectorConfig = one_of(DETECTORS, "moving_regions")
    TrackerConfig = one_of(TRACKERS, "regions")
    AlignmentConfig = one_of(ALIGNMENTS)


def mllm(settings: MllmBackend, handle: Handle | None = None) -> Mllm:
    """Return the multimodal model for some settings.

    Args:
        settings: The settings of a backend.
        handle: The actors in which the model runs; None: load it in this process.

    Raises:
        CallError: The model cannot be loaded or reached as configured.
    """
    return RemoteMllm(handle) if handle else _here(settings, settings.build())


def detector(settings: DetectorBackend, handle: Handle | None = None) -> Detector:
    """Return the detector for some settings; arguments and errors as in `mllm`."""
    return RemoteDetector(handle) if handle else _here(settings, settings.build())


def tracker(settings: TrackerBackend, handle: Handle | None = None) -> Tracker:
    """Return the tracker for some settings; arguments and errors as in `mllm`."""
    return RemoteTracker(handle) if handle else _here(settings, settings.build())


def alignment(
    settings: AlignmentBackend, annotator: Mllm, handle: Handle | None = None
) -> AlignmentScorer | None:
    """Return the alignment scorer for some settings.

    Args:
        settings: The settings of a backend.
        annotator: The annotating model, for scorers that use it.
        handle: The actors in which the scorer runs; None: load it in this process.

    Returns:
        The scorer; None for a backend that scores nothing.

    Raises:
        CallError: The scorer cannot be loaded as configured.
    """
    return RemoteAlignment(handle) if handle else _here(settings, settings.build(annotator))


def _here(settings: Backend, model: M) -> M:
    """Return a model of this process in a form that several threads may use."""
    return model if settings.reentrant or model is None else cast(M, InTurn(model))


def check(*backends: Backend) -> None:
    """Check, before a run, that the models that its workers will load can be loaded.

    Models with actors are skipped: they are loaded before the first clip anyway, possibly in an environment
    other than this one.

    Raises:
        CallError: A model cannot be loaded.
    """
    for backend in backends:
        if not backend.placement:
            backend.check()
