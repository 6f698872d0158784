"""What Prometheus is told of a run, through Ray: clips by stage and error, seconds, and the queue.

`rate(ray_motionsight_clips_total[5m])` is clips a second.
"""

from collections.abc import Mapping


class Meter:
    """Counts what a worker did with the clips of one stage."""

    def __init__(self, stage: str) -> None:
        from ray.util.metrics import Counter

        self._stage = stage
        self._clips = Counter("motionsight_clips", "clips worked on", ("stage", "error"))
        self._seconds = Counter("motionsight_seconds", "seconds that workers spent on clips", ("stage",))

    def add(self, rows: int, errors: Mapping[str, int], seconds: float) -> None:
        """rows: clips of a block, those that failed included. errors: how many of them by code."""
        counts = {"": rows - sum(errors.values()), **errors}
        for error, count in counts.items():
            if count:
                self._clips.inc(count, {"stage": self._stage, "error": error})
        if seconds:
            self._seconds.inc(seconds, {"stage": self._stage})


class Queue:
    """The clips that a stage has yet to do, as the driver knows."""

    def __init__(self, rows: int) -> None:
        from ray.util.metrics import Gauge

        self._rows = rows
        self._gauge = Gauge("motionsight_queue", "clips not yet done in this run", ())
        self._gauge.set(rows)

    def take(self, rows: int) -> None:
        self._rows -= rows
        self._gauge.set(self._rows)
