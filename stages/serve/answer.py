"""MotionSight for a client's question: take its video, look at it, enhance its frames, ask the model."""

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
FORM = "Answer as the question asks."  # clients have their own ways to ask for a letter or a word


@dataclass(frozen=True)
class Desk:
    """What works on one clip at a time.

    Attributes:
        motionsight: Prepares the request to the model.
        write: A process that makes clips out of pictures.
    """

    motionsight: MotionSight
    write: Isolated

    def stop(self) -> None:
        """End what is being decoded; the thread that waits for it gets an error."""
        self.motionsight.observer.interrupt()
        self.write.interrupt()


class Answerer:
    """Answers questions, as many at a time as there are desks; the others wait."""

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
            config: Which models, and how frames are prepared.
            settings: How much is taken on.
            limits: What one clip may take.
            handles: Of the models that run in actors, by role.
            folder: For the clips of clients, each while it is looked at.
            seed: Varies the wording of answers.

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
        self._mllm = self._desks[0].motionsight.mllm
        self._slots = asyncio.Semaphore(settings.places)

    async def answer(self, question: ChatQuestion) -> AsyncGenerator[Piece, None]:
        """The answer in pieces, the last with the tokens of all that it took. Raises ApiError."""
        request, spent = await self._prepared(question)
        tokens = [split_tokens(reply) for reply in spent]
        async with aclosing(forward(self._mllm, request, self._slots)) as pieces:
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
        for desk in self._desks:
            desk.stop()

    async def _prepared(self, question: ChatQuestion) -> tuple[Request, list[Reply]]:
        """The request to the model, and what it took to plan it. When cancelled, decoding ends."""
        desk = await self._free.get()
        work = in_thread(partial(self._prepare, desk, question))
        at_end(work, partial(self._free.put_nowait, desk))  # which may be after a cancellation
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            if not work.done():  # else the desk may be another's by now
                desk.stop()
            raise

    def _prepare(self, desk: Desk, question: ChatQuestion) -> tuple[Request, list[Reply]]:
        motionsight = desk.motionsight
        with tempfile.TemporaryDirectory(dir=self._folder) as own:
            path = Path(own) / "clip"
            try:
                digest = self._take(desk, question, path)
                seed = question.seed
                if seed is None:
                    seed = seed_of(digest, question.text, self._seed)
                inquiry = motionsight.inquire(str(path), None, None, [question.text], [seed])
            except ClipError as error:
                raise of_clip(error, str(path)) from error
            except RunError as error:
                raise ApiError(502, "the model's endpoint refuses this server", "refused") from error
        (asked,) = inquiry.questions
        if asked.failed:
            raise of_reply(asked.failed)
        shown = suited(motionsight.prompts(asked.plan.category), question.times)
        request = motionsight.request(inquiry, asked, shown, FORM)
        return replace(
            request,
            prompt=f"{question.before}\n\n{request.prompt}".strip(),
            max_tokens=question.max_tokens or request.max_tokens,
            temperature=request.temperature if question.temperature is None else question.temperature,
        ), inquiry.spent

    def _take(self, desk: Desk, question: ChatQuestion, path: Path) -> str:
        """Put the video, or one made of the pictures, at the path; its hash. Raises ApiError, ClipError."""
        settings = self._settings
        parts = [data_of(url) for url in question.urls if url[:5].lower() == "data:"]
        if question.times is not None:
            if len(parts) < len(question.urls):
                raise ApiError(400, "pictures have to come as data: URLs", "invalid_url", "messages")
            desk.write(parts, question.times, str(path))
        else:
            if not parts:
                limit = int(settings.body_mb * MIB)
                parts = [fetch(question.urls[0], settings.fetch_hosts, limit, settings.body_timeout_s)]
            path.write_bytes(checked(parts[0]))
        return hashlib.sha256(b"".join(parts)).hexdigest()


def suited(names: Sequence[VisualPrompt], times: np.ndarray | None) -> tuple[VisualPrompt, ...]:
    """The visual prompts without motion blur where the pictures, taken at these times (N,), are sparse."""
    if times is None or np.median(np.diff(times)) <= SPARSE_S:
        return tuple(names)
    return tuple(name for name in names if name != "motion_blur") or ("none",)
