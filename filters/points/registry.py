"""From settings to trackers of points: the available backends."""

from functools import cache
from typing import TYPE_CHECKING

from filters.points.follower import PointBackend, PointTracker
from pipeline.registry import Registry, backend_name, one_of

POINTS = Registry("points", "filters.points", PointBackend, backend_name)

if TYPE_CHECKING:
    PointsConfig = PointBackend
else:
    PointsConfig = one_of(POINTS, "lucas_kanade")


@cache
def point_tracker(settings: PointBackend) -> PointTracker:
    """Return the tracker for some settings; equal settings share one within a process."""
    return settings.build()
