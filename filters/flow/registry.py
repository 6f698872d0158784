"""From settings to optical flow estimators: the available backends."""

from functools import cache
from typing import TYPE_CHECKING

from filters.flow.estimator import FlowBackend, FlowEstimator
from pipeline.registry import Registry, backend_name, one_of

FLOWS = Registry("flow", "filters.flow", FlowBackend, backend_name)

if TYPE_CHECKING:
    FlowConfig = FlowBackend
else:
    FlowConfig = one_of(FLOWS, "dis")


@cache
def estimator(settings: FlowBackend) -> FlowEstimator:
    """Return the estimator for some settings; equal settings share one within a process."""
    return settings.build()
