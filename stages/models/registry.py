"""From settings to models: which backends there are, and where the chosen one runs."""

from typing import TYPE_CHECKING

from pipeline.registry import Registry, backend_name, one_of
from stages.models.actors import Handle
from stages.models.backend import AlignmentBackend, Backend, DetectorBackend, MllmBackend, TrackerBackend
from stages.models.protocols import AlignmentScorer, Detector, Mllm, Tracker
from stages.models.proxies import RemoteAlignment, RemoteDetector, RemoteMllm, RemoteTracker

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
    """Return the model that the settings name.

    Args:
        settings: Those of one backend.
        handle: The actors in which it runs; None: it is loaded in this process.

    Raises:
        CallError: It cannot be loaded or reached as configured.
    """
    return RemoteMllm(handle) if handle else settings.build()


def detector(settings: DetectorBackend, handle: Handle | None = None) -> Detector:
    """Return the detector that the settings name, as `mllm`."""
    return RemoteDetector(handle) if handle else settings.build()


def tracker(settings: TrackerBackend, handle: Handle | None = None) -> Tracker:
    """Return the tracker that the settings name, as `mllm`."""
    return RemoteTracker(handle) if handle else settings.build()


def alignment(
    settings: AlignmentBackend, annotator: Mllm, handle: Handle | None = None
) -> AlignmentScorer | None:
    """Return the scorer that the settings name, as `mllm`; None where nothing scores.

    Args:
        settings: Those of one backend.
        annotator: The model that annotates, for scorers that use it.
        handle: The actors in which the scorer runs.
    """
    return RemoteAlignment(handle) if handle else settings.build(annotator)


def check(*backends: Backend) -> None:
    """Look, before a run, whether the models that its workers will load can be loaded. Raises CallError.

    Those with actors are loaded before any clip is touched, in environments that may not be this one.
    """
    for backend in backends:
        if not backend.placement:
            backend.check()
