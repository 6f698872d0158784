"""No alignment scorer."""

from typing import Literal

from stages.models.backend import AlignmentBackend
from stages.models.protocols import Mllm


class NoAlignmentConfig(AlignmentBackend):
    """Nothing is scored: `vqascore` stays null."""

    backend: Literal["none"] = "none"

    def build(self, mllm: Mllm | None = None) -> None:
        """Return no scorer."""
