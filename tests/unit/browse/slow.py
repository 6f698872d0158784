"""Something that takes its time, for the child process of a test."""

import time
from collections.abc import Mapping
from typing import Any

from pipeline.errors import ClipError


class Slow:
    """Makes a kilobyte of each clip, in the seconds that the kind says; of a clip named `bad`, an error."""

    def __call__(self, clip: Mapping[str, Any], kind: str) -> bytes:
        time.sleep(float(kind))
        if clip["clip_id"] == "bad":
            raise ClipError("decode_error")
        return str(clip["clip_id"]).encode().ljust(1000)
