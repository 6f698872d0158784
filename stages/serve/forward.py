"""A prepared request goes to the configured model, and its answer comes as it is written.

An endpoint of the `openai` backend streams, and is left as soon as nobody wants the answer. Other models
answer whole, in a thread; what they have begun they finish.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.errors import RunError
from stages.models.mllm.openai import REFUSED, OpenAiMllm
from stages.models.protocols import Mllm, Reply, Request
from stages.serve.errors import ApiError, of_reply

T = TypeVar("T")
LONGEST_PAUSE_S = 60  # that a busy endpoint may make our clients wait for


@dataclass(frozen=True)
class Piece:
    """More of an answer; with the last piece, why it ended, and the tokens read and written for it."""

    text: str
    finish: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


def forward(model: Mllm, request: Request, slots: asyncio.Semaphore) -> AsyncGenerator[Piece, None]:
    """The answer in pieces, the last with `finish`. Raises ApiError 502, 503 or 504 where there is none.

    slots: for calls that cannot be cut off, each until it ends, though its client may have gone.
    """
    return _streamed(model, request) if isinstance(model, OpenAiMllm) else _whole(model, request, slots)


async def _whole(model: Mllm, request: Request, slots: asyncio.Semaphore) -> AsyncGenerator[Piece, None]:
    await slots.acquire()
    work = in_thread(lambda: model.generate([request]))
    at_end(work, slots.release)
    try:
        (reply,) = await asyncio.wrap_future(work)
    except RunError as error:
        raise ApiError(502, f"the model is gone: {error}", "mllm_error") from error
    if reply.error:
        raise of_reply(reply)
    read, written = split_tokens(reply)
    yield Piece(reply.text, "length" if written >= request.max_tokens else "stop", read, written)


def split_tokens(reply: Reply) -> tuple[int, int]:
    """Tokens read and tokens written; all count as read where the model does not tell them apart."""
    read = reply.prompt_tokens or reply.tokens
    return read, reply.tokens - read


async def _streamed(model: OpenAiMllm, request: Request) -> AsyncGenerator[Piece, None]:
    import openai

    arguments = await asyncio.to_thread(model.arguments, request)
    arguments |= {"stream": True, "stream_options": {"include_usage": True}}
    finish, usage, said = "stop", None, False
    try:
        async with model.client() as client, await client.chat.completions.create(**arguments) as stream:
            async for chunk in stream:
                usage = chunk.usage or usage
                for choice in chunk.choices[:1]:
                    finish = choice.finish_reason or finish
                    if choice.delta.content:
                        said = said or bool(choice.delta.content.strip())
                        yield Piece(choice.delta.content)
    except openai.OpenAIError as error:
        raise _of_upstream(error, model) from None  # the cause may quote the key
    if not said:
        raise ApiError(502, "the model gave an empty answer", "mllm_bad_output")
    yield Piece("", finish, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0)


def _of_upstream(error: Any, model: OpenAiMllm) -> ApiError:
    """An error of the endpoint in words that do not tell our key."""
    import openai

    told = model.told(f"{error} {error.__cause__ or ''}")
    status = getattr(error, "status_code", None)
    if isinstance(error, openai.APITimeoutError):
        return ApiError(504, "the model did not answer in time", "upstream_timeout")
    if status == 429:
        pause = error.response.headers.get("retry-after", "")
        wait = int(pause) if pause.isdecimal() else 1
        message = f"the model's endpoint is busy: {told}"
        return ApiError(503, message, "upstream_busy", retry_after_s=min(wait, LONGEST_PAUSE_S))
    if status in REFUSED:
        return ApiError(
            502, "the model's endpoint refuses this server; its operator has to see to it", "refused"
        )
    return ApiError(502, f"the model's endpoint failed: {told}", "upstream_error")


def in_thread(work: Callable[[], T]) -> "Future[T]":
    """Run something in a thread that does not keep the process from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            future.set_exception(error)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, daemon=True).start()
    return future


def at_end(work: "Future[Any]", then: Callable[[], object]) -> None:
    """Do something in the running event loop when the work has ended, also if nobody waits for it."""
    loop = asyncio.get_running_loop()

    def call(_: object) -> None:
        with suppress(RuntimeError):  # the loop ended first
            loop.call_soon_threadsafe(then)

    work.add_done_callback(call)
