"""Answer a client's question: fetch its video, observe it, enhance its frames, and ask the model."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.errors import ClipError, RunError
from pipeline.isolation import Isolated, Limits
from stages.models.actors import Handle
from stages.models.protocols import Reply, Request
from stages.motionsight.observe import Observation
from stages.motionsight.prompt import VisualPrompt
from stages.motionsight.service import MotionSight, seed_of
from stages.motionsight.settings import MotionSightConfig
from stages.serve.clip import SPARSE_S, checked, write_clip
from stages.serve.errors import ApiError, of_clip, of_reply
from stages.serve.fetch import fetch
from stages.serve.forward import Piece, at_end, forward, in_thread, split_tokens
from stages.serve.messages import ChatQuestion, data_of
from stages.serve.settings import ServeConfig

MIB = 1024**2
# Clients say themselves whether they want a letter or a word.
FORM = "Answer as the question asks, in the language of the question."


@dataclass(frozen=True)
class Desk:
    """The parts that work together on one clip at a time.

    Attributes:
        motionsight: Observes the clip.
        write: Child process that encodes pictures as a clip.
    """

    motionsight: MotionSight
    write: Isolated

    def stop(self) -> None:
        """Stop decoding; the thread waiting for it gets an error."""
        self.motionsight.interrupt()
        self.write.interrupt()


class Answerer:
    """Answers questions; each desk observes one clip at a time, and further requests wait."""

    def __init__(
        self,
        config: MotionSightConfig,
        settings: ServeConfig,
        limits: Limits,
        handles: Mapping[str, Handle],
        folder: str,
        seed: int = 0,
    ) -> None:
        """Set up the desks.

        Args:
            config: Which models to use, and how to prepare frames.
            settings: Limits of the endpoint.
            limits: Limits of one clip; its time is also limited by `settings`.
            handles: Handles of the models that run in actors, by role.
            folder: Folder for clients' clips, which are deleted once they have been observed.
            seed: Random seed for the wording of answers.

        Raises:
            CallError: A model cannot be loaded as configured.
            RuntimeError: A child process cannot be started.
        """
        self._settings, self._folder, self._seed = settings, folder, seed
        seconds = min(limits.clip_timeout_s, settings.timeout_s)
        limits = limits.model_copy(update={"clip_timeout_s": seconds})
        write = partial(partial, write_clip)
        self._desks = [
            Desk(
                MotionSight(config, handles, limits),
                Isolated(write, limits, ["stages.motionsight.observe", "stages.serve.clip"]),
            )
            for _ in range(settings.looks)
        ]
        self._free: asyncio.Queue[Desk] = asyncio.Queue()
        for desk in self._desks:
            self._free.put_nowait(desk)
        self._motionsight = self._desks[0].motionsight  # one for all, or each would count its own requests
        self._slots = asyncio.Semaphore(settings.places)

    async def answer(self, question: ChatQuestion) -> AsyncGenerator[Piece, None]:
        """Answer a question.

        Yields:
            The answer in pieces; the last one carries the token counts, planning included.

        Raises:
            ApiError: The request, the clip or the model failed.
        """
        request, spent = await self._prepared(question)
        tokens = [split_tokens(reply) for reply in spent]
        async with aclosing(forward(self._motionsight.mllm, request, self._slots)) as pieces:
            async for piece in pieces:
                if not piece.finish:
                    yield piece
                    continue
                yield replace(
                    piece,
                    prompt_tokens=piece.prompt_tokens + sum(read for read, _ in tokens),
                    completion_tokens=piece.completion_tokens + sum(written for _, written in tokens),
                )

    def close(self) -> None:
        """Stop all decoding."""
        for desk in self._desks:
            desk.stop()

    async def _prepared(self, question: ChatQuestion) -> tuple[Request, list[Reply]]:
        """Return the request to the model and the replies used to plan it.

        Only observing a clip takes a desk: whoever waits for the model to plan keeps none from observing.
        """
        desk = await self._free.get()
        work = in_thread(partial(self._observed, desk, question))
        at_end(work, partial(self._free.put_nowait, desk))  # possibly after a cancellation
        try:
            observation, seed = await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            if not work.done():  # otherwise the desk may already serve another request
                desk.stop()
            raise
        return await asyncio.wrap_future(in_thread(partial(self._request, question, observation, seed)))

    def _observed(self, desk: Desk, question: ChatQuestion) -> tuple[Observation, int]:
        """Observe the clip of a question; the seed depends on it."""
        with tempfile.TemporaryDirectory(dir=self._folder) as own:
            path = Path(own) / "clip"
            try:
                digest = self._take(desk, question, path)
                seed = seed_of(digest, question.text, self._seed) if question.seed is None else question.seed
                return desk.motionsight.observe(str(path), None, None, [question.text]), seed
            except ClipError as error:
                raise of_clip(error, str(path)) from error

    def _request(
        self, question: ChatQuestion, observation: Observation, seed: int
    ) -> tuple[Request, list[Reply]]:
        motionsight = self._motionsight
        try:
            inquiry = motionsight.inquire_of(observation, [question.text], [seed])
        except ClipError as error:
            raise of_clip(error, self._folder) from error
        except RunError as error:
            raise ApiError(502, "the model's endpoint refuses requests of this server", "refused") from error
        (asked,) = inquiry.questions
        if asked.failed:
            raise of_reply(asked.failed)
        shown = suited(motionsight.prompts(asked.plan.category), question.times)
        request = motionsight.request(inquiry, asked, shown, FORM)
        return replace(
            request,
            prompt=f"{question.before}\n\n{request.prompt}".strip(),
            to_person=True,
            max_tokens=question.max_tokens or request.max_tokens,
            temperature=request.temperature if question.temperature is None else question.temperature,
        ), inquiry.spent

    def _take(self, desk: Desk, question: ChatQuestion, path: Path) -> str:
        """Write the video, or one made from the pictures, to the path and return its hash."""
        settings = self._settings
        parts = [data_of(url) for url in question.urls if url[:5].lower() == "data:"]
        if question.times is not None:
            if len(parts) < len(question.urls):
                raise ApiError(400, "pictures must be data: URLs", "invalid_url", "messages")
            desk.write(parts, question.times, str(path))
        else:
            if not parts:
                limit = int(settings.body_mb * MIB)
                parts = [fetch(question.urls[0], settings.fetch_hosts, limit, settings.body_timeout_s)]
            path.write_bytes(checked(parts[0]))
        return hashlib.sha256(b"".join(parts)).hexdigest()


def suited(names: Sequence[VisualPrompt], times: np.ndarray | None) -> tuple[VisualPrompt, ...]:
    """Drop motion blur from the visual prompts if the pictures are too far apart for it.

    Args:
        names: The visual prompts.
        times: (N,) seconds, of the pictures; None for a video, which is never sparse.
    """
    if times is None or np.median(np.diff(times)) <= SPARSE_S:
        return tuple(names)
    return tuple(name for name in names if name != "motion_blur") or ("none",)
