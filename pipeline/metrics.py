"""Metrics of a run, exported to Prometheus by Ray: clips by stage and error, seconds, and the queue.

`rate(ray_motionsight_clips_total[5m])` is the throughput in clips per second.
"""

from collections.abc import Mapping


class Meter:
    """Counters for the clips that a worker processes in one stage."""

    def __init__(self, stage: str) -> None:
        """Register the counters with Ray; `stage` is their label."""
        from ray.util.metrics import Counter

        self._stage = stage
        self._clips = Counter("motionsight_clips", "clips processed", ("stage", "error"))
        self._seconds = Counter("motionsight_seconds", "worker-seconds spent on clips", ("stage",))

    def add(self, rows: int, errors: Mapping[str, int], seconds: float) -> None:
        """Count a block.

        Args:
            rows: Its clips, including those that failed.
            errors: How many clips failed, by code.
            seconds: Wall-clock time that the block took.
        """
        counts = {"": rows - sum(errors.values()), **errors}
        for error, count in counts.items():
            if count:
                self._clips.inc(count, {"stage": self._stage, "error": error})
        if seconds:
            self._seconds.inc(seconds, {"stage": self._stage})


class Queue:
    """A gauge in the driver: the clips that a stage has left to process."""

    def __init__(self, rows: int) -> None:
        """Register the gauge with Ray, at `rows` clips."""
        from ray.util.metrics import Gauge

        self._rows = rows
        self._gauge = Gauge("motionsight_queue", "clips left in this run", ())
        self._gauge.set(rows)

    def take(self, rows: int) -> None:
        """Subtract clips that are done."""
        self._rows -= rows
        self._gauge.set(self._rows)
