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

from configs.settings import Config
from pipeline.errors import ClipError, RunError
from pipeline.isolation import Isolated
from stages.annotate.stage import Annotate, seed_of
from stages.models.actors import Handle
from stages.models.alignment.registry import NoAlignmentConfig
from stages.models.protocols import Reply, Request
from stages.motionsight.prompt import VisualPrompt
from stages.serve.clip import SPARSE_S, checked, write_clip
from stages.serve.errors import ApiError, of_clip, of_reply
from stages.serve.fetch import fetch
from stages.serve.forward import Piece, at_end, forward, in_thread, split_tokens
from stages.serve.messages import ChatQuestion, data_of
from stages.serve.settings import ServeConfig

MIB = 1024**2
FORM = "Answer as the question asks."  # clients have their own ways to ask for a letter or a word


def lean(config: Config) -> Config:
    """The settings without the models that answering takes no part of."""
    return config.model_copy(update={"baseline": None, "vqascore": NoAlignmentConfig()})


@dataclass(frozen=True)
class Desk:
    """What works on one clip at a time: MotionSight, and a process that makes clips of pictures."""

    annotate: Annotate
    write: Isolated

    def stop(self) -> None:
        """End what is being decoded; the thread that waits for it gets an error."""
        for it in (self.annotate.looker.watch, self.write):
            if isinstance(it, Isolated):
                it.interrupt()


class Answerer:
    """Answers questions, as many at a time as there are desks; the others wait."""

    def __init__(
        self, config: Config, settings: ServeConfig, handles: Mapping[str, Handle], folder: str
    ) -> None:
        """folder: for the clips of clients, each while it is looked at. Raises CallError, RuntimeError."""
        self._settings, self._folder, self._seed = settings, folder, config.annotate.seed
        seconds = min(config.score.clip_timeout_s, settings.timeout_s)
        limits = config.score.model_copy(update={"clip_timeout_s": seconds})
        write = partial(partial, write_clip)
        self._desks = [
            Desk(
                Annotate(lean(config), handles, limits),
                Isolated(write, limits, ["stages.motionsight.observe", "stages.serve.clip"]),
            )
            for _ in range(settings.looks)
        ]
        self._free: asyncio.Queue[Desk] = asyncio.Queue()
        for desk in self._desks:
            self._free.put_nowait(desk)
        self._mllm = self._desks[0].annotate.mllm.model
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
        annotate = desk.annotate
        with tempfile.TemporaryDirectory(dir=self._folder) as own:
            path = Path(own) / "clip"
            try:
                digest = self._take(desk, question, path)
                seed = question.seed
                if seed is None:
                    seed = seed_of(digest, question.text, self._seed)
                seen, (asked,), spent = annotate.look(str(path), None, None, [question.text], [seed])
            except ClipError as error:
                raise of_clip(error, str(path)) from error
            except RunError as error:
                raise ApiError(502, "the model's endpoint refuses this server", "refused") from error
        if asked.failed:
            raise of_reply(asked.failed)
        names = suited(annotate.prompts(asked.plan.category), question.times)
        request = annotate.request(seen, asked, names, {}, FORM)
        return replace(
            request,
            prompt=f"{question.before}\n\n{request.prompt}".strip(),
            max_tokens=question.max_tokens or request.max_tokens,
            temperature=request.temperature if question.temperature is None else question.temperature,
        ), spent

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
