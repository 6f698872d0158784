"""Proxies of models that run in actors; they implement the same protocols as local models."""

import random
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ClipError, RunError
from stages.models.actors import CONTROL, Handle, last_line
from stages.models.packing import pack, unpack
from stages.models.protocols import Detections, Reply, Request, View

if TYPE_CHECKING:
    from filters.evidence import Track

STRIDE = 16  # every 16th pixel in both directions is enough to tell frames apart


class LostError(Exception):
    """A call returned no answer; the message is a sentence."""


class _Proxy:
    """Calls methods of a model that runs in actors."""

    def __init__(self, handle: Handle) -> None:
        self.name, self.version = handle.name, handle.version
        self._handle = handle
        self._turn = random.randrange(len(handle.actors))

    def _replica(self, frames: np.ndarray | None = None) -> int:
        """Choose a replica: always the same one for the same frames, round robin without frames."""
        self._turn += 1
        if frames is None or not frames.size:
            return self._turn % len(self._handle.actors)
        few = np.ascontiguousarray(frames[:, ::STRIDE, ::STRIDE])
        return zlib.crc32(few.data) % len(self._handle.actors)

    def _call(self, replica: int, method: str, *arguments: Any) -> Any:
        """Call a method of this replica, or of the next one if it is dead for good.

        Raises LostError, or RunError if every replica is dead.
        """
        import ray
        from ray.exceptions import RayError

        actor = self._living(replica)
        try:
            call = actor.call.remote(method, pack(arguments))
            return unpack(ray.get(call, timeout=self._handle.call_timeout_s))
        except RayError as error:
            raise LostError(f"{self.name} gave no answer in its actor: {last_line(error)}") from error

    def _living(self, replica: int) -> Any:
        """Find a living actor before the call: one that dies during the call may have been killed by it."""
        import ray
        from ray.exceptions import ActorDiedError, RayError

        why = ""
        actors = self._handle.actors
        for actor in (*actors[replica:], *actors[:replica]):
            try:
                ask = actor.about.options(concurrency_group=CONTROL).remote()
                ray.get(ask, timeout=self._handle.call_timeout_s)
            except ActorDiedError as error:
                why = last_line(error)
                continue
            except RayError:
                pass  # it is restarting, and the call will wait for it
            return actor
        raise RunError(f"{self.name} has no replica left; see Ray's logs: {why}")

    def _of_clip(self, method: str, *arguments: Any) -> Any:
        try:
            return self._call(self._replica(), method, *arguments)
        except LostError as lost:
            raise ClipError("worker_crash", str(lost)) from lost


class RemoteMllm(_Proxy):
    """An `Mllm` in actors. Requests about the same frames go to one replica, which has them cached."""

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Return one reply for each request, in order.

        A request that got no answer has a reply with error `mllm_error`.

        Raises:
            RunError: Every replica is dead.
        """
        groups: dict[int, list[int]] = {}
        for k, request in enumerate(requests):
            groups.setdefault(self._replica(request.frames), []).append(k)
        replies: dict[int, Reply] = {}

        def ask(replica: int) -> None:
            wanted = groups[replica]
            try:
                given = self._call(replica, "generate", [requests[k] for k in wanted])
            except LostError as lost:
                given = [Reply("", error="mllm_error", detail=str(lost))] * len(wanted)
            replies.update(zip(wanted, given, strict=True))

        with ThreadPoolExecutor(max(1, len(groups))) as threads:
            list(threads.map(ask, groups))
        return [replies[k] for k in range(len(requests))]


class RemoteDetector(_Proxy):
    """A `Detector` in actors."""

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        """Find objects; see `Detector.detect`.

        Raises:
            ClipError: worker_crash: the call got no answer.
            RunError: Every replica is dead.
        """
        return self._of_clip("detect", view, labels)


class RemoteTracker(_Proxy):
    """A `Tracker` in actors."""

    def track(self, view: View, found: Mapping[float, Detections]) -> "list[Track]":
        """Follow objects; see `Tracker.track`.

        Raises:
            ClipError: worker_crash: the call got no answer.
            RunError: Every replica is dead.
        """
        return self._of_clip("track", view, found)


class RemoteAlignment(_Proxy):
    """An `AlignmentScorer` in actors."""

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        """Score texts; see `AlignmentScorer`.

        Raises:
            ClipError: worker_crash: the call got no answer.
            RunError: Every replica is dead.
        """
        return self._of_clip("__call__", frames, times, texts)
