"""Send a prepared request to the configured model, and pass its answer on.

The `openai` backend streams, and its request is cancelled once nobody wants the answer. Other models return
the whole answer, in a thread, and cannot be interrupted.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.errors import RunError
from stages.models.mllm.openai import REFUSED, OpenAiMllm, loop
from stages.models.mllm.thinking import Answering, with_reasoning
from stages.models.protocols import Mllm, Reply, Request
from stages.serve.errors import ApiError, of_reply

T = TypeVar("T")
AHEAD = 16  # pieces of an answer that wait for a client
LONGEST_PAUSE_S = 60  # the most of a busy endpoint's Retry-After that is passed on to clients


@dataclass(frozen=True)
class Piece:
    """A part of an answer.

    Attributes:
        text: What it adds to the answer.
        finish: Only in the last part: why the answer ended, such as `stop` or `length`.
        prompt_tokens: Only in the last part: the tokens that the model read.
        completion_tokens: Only in the last part: the tokens that it wrote.
    """

    text: str
    finish: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


def forward(model: Mllm, request: Request, slots: asyncio.Semaphore) -> AsyncGenerator[Piece, None]:
    """Ask the model.

    Args:
        model: The model.
        request: The prepared request.
        slots: Bounds the calls that cannot be cancelled. Each counts until it ends, even if its client has
            disconnected.

    Returns:
        The parts of the answer, the last with `finish`.

    Raises:
        ApiError: 502, 503 or 504: the model gives no answer.
    """
    if isinstance(model, OpenAiMllm):
        return elsewhere(_streamed(model, request), loop())
    return _whole(model, request, slots)


async def _whole(model: Mllm, request: Request, slots: asyncio.Semaphore) -> AsyncGenerator[Piece, None]:
    await slots.acquire()
    work = in_thread(lambda: model.generate([request]))
    at_end(work, slots.release)
    try:
        (reply,) = await asyncio.wrap_future(work)
    except RunError as error:
        raise ApiError(502, f"the model is not available: {error}", "mllm_error") from error
    if reply.error:
        raise of_reply(reply)
    read, written = split_tokens(reply)
    yield Piece(reply.text, "length" if written >= request.max_tokens else "stop", read, written)


def split_tokens(reply: Reply) -> tuple[int, int]:
    """Tokens read and tokens written; all count as read if the model does not report them separately."""
    read = reply.prompt_tokens or reply.tokens
    return read, reply.tokens - read


async def elsewhere(
    pieces: AsyncGenerator[T, None], there: asyncio.AbstractEventLoop
) -> AsyncGenerator[T, None]:
    """Run a generator in another event loop, hardly ahead of whoever takes here what it yields."""
    here, arrived, room = asyncio.get_running_loop(), asyncio.Queue[T | None](), asyncio.Semaphore(AHEAD)

    async def run() -> None:
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    await room.acquire()
                    here.call_soon_threadsafe(arrived.put_nowait, piece)
        finally:
            with suppress(RuntimeError):  # the loop has been closed
                here.call_soon_threadsafe(arrived.put_nowait, None)

    work = asyncio.run_coroutine_threadsafe(run(), there)
    try:
        while (piece := await arrived.get()) is not None:
            yield piece
            there.call_soon_threadsafe(room.release)
        await asyncio.wrap_future(work)  # raises what the generator raised
    finally:
        work.cancel()


async def _streamed(model: OpenAiMllm, request: Request) -> AsyncGenerator[Piece, None]:
    import openai

    arguments = await asyncio.to_thread(model.arguments, request)
    arguments |= {"stream": True, "stream_options": {"include_usage": True}}
    finish, usage, answered = "stop", None, False
    room = model.habits.budget
    answering = Answering(model.habits)
    try:
        async with model.slots, await _begun(model, arguments, room) as stream:
            async for chunk in stream:
                usage = chunk.usage or usage
                for choice in chunk.choices[:1]:
                    finish = choice.finish_reason or finish
                    answering.reason(with_reasoning(choice.delta.model_dump())[1])
                    if text := answering.feed(choice.delta.content or ""):
                        answered = answered or bool(text.strip())
                        yield Piece(text)
    except openai.OpenAIError as error:
        raise _of_upstream(error, model) from None  # the cause may quote the key
    said = answering.end(finish == "length")
    if rest := answering.rest:
        answered = answered or bool(rest.strip())
        yield Piece(rest)
    if not answered:
        why = said.without_answer(finish == "length") if said.thought else "the model gave an empty answer"
        raise ApiError(502, why, "mllm_bad_output")
    yield Piece("", finish, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0)


async def _begun(model: OpenAiMllm, arguments: dict[str, Any], room: int) -> Any:
    """Begin a streamed answer, in the form that the endpoint takes."""
    from openai import APIStatusError

    completions = model.client.with_options(timeout=model.timeout_s(room)).chat.completions
    while True:
        sent = model.form(arguments, room)
        try:
            return await completions.create(**sent)
        except APIStatusError as error:
            if not model.adapted.learn(sent, error.status_code, error.response.text):
                raise


def _of_upstream(error: Any, model: OpenAiMllm) -> ApiError:
    """An error of the model's endpoint, in words that do not reveal the API key."""
    import openai

    message = model.told(f"{error} {error.__cause__ or ''}")
    status = getattr(error, "status_code", None)
    if isinstance(error, openai.APITimeoutError):
        return ApiError(504, "the model did not answer in time", "upstream_timeout")
    if status == 429:
        pause = error.response.headers.get("retry-after", "")
        wait = int(pause) if pause.isdecimal() else 1
        busy = f"the model's endpoint is busy: {message}"
        return ApiError(503, busy, "upstream_busy", retry_after_s=min(wait, LONGEST_PAUSE_S))
    if status in REFUSED:
        refused = "the model's endpoint refuses requests of this server; its operator has to fix this"
        return ApiError(502, refused, "refused")
    return ApiError(502, f"the model's endpoint failed: {message}", "upstream_error")


def in_thread(work: Callable[[], T]) -> "Future[T]":
    """Run something in a thread that does not keep the process from exiting.

    Returns:
        A future with its result or exception.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the future is awaited
            future.set_exception(error)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, daemon=True).start()
    return future


def at_end(work: "Future[Any]", then: Callable[[], object]) -> None:
    """Call something in the running event loop when work has ended, even if nobody waits for it.

    Args:
        work: A future, such as `in_thread` returns.
        then: What to call.
    """
    loop = asyncio.get_running_loop()

    def call(_: object) -> None:
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(then)

    work.add_done_callback(call)
