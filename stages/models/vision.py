"""From settings to detectors and trackers: which backends there are, and how each is made."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from stages.models.actors import Handle, RemoteDetector, RemoteTracker
from stages.models.checkpoint import CheckpointConfig
from stages.models.detector.grounding_dino import GroundingDinoConfig
from stages.models.detector.groundingdino_py import GroundingDinoPyConfig
from stages.models.detector.moving_regions import MovingRegionsConfig
from stages.models.protocols import Detector, Tracker
from stages.models.tracker.refined import FlowCarrierConfig
from stages.models.tracker.regions import FlowTrackerConfig
from stages.models.tracker.sam2 import Sam2Config
from stages.models.tracker.sam2_meta import Sam2MetaConfig


def _default(backend: str) -> BeforeValidator:
    """Settings that name no backend are those of this one."""
    return BeforeValidator(lambda given: {"backend": backend, **given} if isinstance(given, dict) else given)


AnyDetector = MovingRegionsConfig | GroundingDinoConfig | GroundingDinoPyConfig
AnyTracker = FlowTrackerConfig | FlowCarrierConfig | Sam2Config | Sam2MetaConfig
DetectorConfig = Annotated[AnyDetector, Field(discriminator="backend"), _default("moving_regions")]
TrackerConfig = Annotated[AnyTracker, Field(discriminator="backend"), _default("regions")]


def detector(config: AnyDetector, handle: Handle | None = None) -> Detector:
    """The detector that the settings name, in its actors through a handle of `remote.serving`.

    Without a handle, in this process. Raises CallError when its package or weights are not there.
    """
    return RemoteDetector(handle) if handle else config.build()


def tracker(config: AnyTracker, handle: Handle | None = None) -> Tracker:
    """The tracker that the settings name, as `detector`."""
    return RemoteTracker(handle) if handle else config.build()


def check(*configs: AnyDetector | AnyTracker) -> None:
    """Before a run: see whether the models that its workers will load are there. Raises CallError.

    Those with actors are loaded before any clip is touched, in environments that may not be this one.
    """
    for config in configs:
        if isinstance(config, CheckpointConfig | GroundingDinoPyConfig | Sam2MetaConfig) and not config.actor:
            config.check()
