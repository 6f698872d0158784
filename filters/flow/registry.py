"""From settings to estimators of optical flow: which there are."""

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
    """Return the estimator that the settings name; the same one for the same settings in a process."""
    return settings.build()
