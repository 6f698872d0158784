"""From settings to detectors of shot boundaries: the available backends."""

from functools import cache
from typing import TYPE_CHECKING

from filters.shots.detector import ShotBackend, ShotDetector
from pipeline.registry import Registry, backend_name, one_of

SHOTS = Registry("shots", "filters.shots", ShotBackend, backend_name)

if TYPE_CHECKING:
    ShotsConfig = ShotBackend
else:
    ShotsConfig = one_of(SHOTS, "continuity")


@cache
def shot_detector(settings: ShotBackend) -> ShotDetector:
    """Return the detector for some settings; equal settings share one within a process."""
    return settings.build()
