"""How fast the camera moves at each moment of a clip: measured when somebody looks at it."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from filters.flow.dis import DisConfig
from filters.points.lucas_kanade import LucasKanadeConfig
from filters.shots.continuity import ContinuityConfig
from pipeline.isolation import Limits
from stages.motionsight.observe import observe
from stages.motionsight.settings import ObserveConfig

LIMITS = Limits(clip_timeout_s=120.0)
RATES = ("pan", "tilt", "zoom", "roll")  # in the order of `filters.camera.windows.Windows.rates`


class Rates:
    """Measures clips, in a child process. It loads no weights."""

    def __init__(self, config: ObserveConfig) -> None:
        """Remember the settings.

        Args:
            config: How clips are looked at; whatever may need weights is replaced.
        """
        light = {"flow": DisConfig(), "shots": ContinuityConfig(), "points": LucasKanadeConfig()}
        self._config = config.model_copy(update=light)

    def __call__(self, clip: Mapping[str, Any], _kind: str) -> bytes:
        """Measure a clip.

        Args:
            clip: uri, start_s, end_s.

        Returns:
            JSON: `times`, seconds: the middles of windows of about a second, and both ends of the longest
            shot; and at each of them the camera's rates, in the units of `scores`: pan, tilt, zoom, roll.

        Raises:
            ClipError: The clip cannot be decoded.
        """
        seen = observe(clip["uri"], clip["start_s"], clip["end_s"], False, self._config)
        windows = seen.view.motion.windows
        # What the first and the last window show holds from their start and to their end.
        times = np.concatenate((windows.start[:1], windows.middle, windows.end[-1:]))
        each = np.pad(windows.rates, ((1, 1), (0, 0)), "edge") if len(windows.rates) else windows.rates
        rates = {name: each[:, n].tolist() for n, name in enumerate(RATES)}
        return json.dumps({"times": times.tolist(), **rates}, allow_nan=False).encode()
