"""The endpoint itself: takes questions while there is room, and lets go of one when its client has gone."""

import asyncio
import json
import logging
import math
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from stages.serve.config import ServeConfig
from stages.serve.errors import ApiError
from stages.serve.forward import Piece
from stages.serve.messages import Question, question

log = logging.getLogger("motionsight")

MIB = 1024**2
LONGEST_WAIT_S = 60  # that a client is told to come again after
LAST_WORD_S = 2.0  # for a client to take an error: one that reads nothing would hold its connection for ever
SSE = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}


class Answers(Protocol):
    """What gives an answer, such as `stages.serve.answer.Answerer`."""

    def answer(self, question: Question) -> AsyncGenerator[Piece, None]: ...


def make(answers: Answers, settings: ServeConfig, model: str) -> FastAPI:
    """The app. model: the name it goes by, whatever name clients give."""
    app = FastAPI(title="MotionSight", docs_url=None, redoc_url=None, openapi_url=None)
    card = {"id": model, "object": "model", "created": int(time.time()), "owned_by": "motionsight"}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [card]}

    @app.get("/v1/models/{name:path}")
    async def one(name: str) -> dict[str, Any]:
        if name != model:
            raise HTTPException(404, f"there is one model here, {model}")
        return card

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        told = ApiError(error.status_code, str(error.detail), "not_found")
        return JSONResponse(told.body, error.status_code, error.headers)

    work = Completions(answers, settings, model)
    app.router.routes.append(Route("/v1/chat/completions", work, methods=["POST"]))
    return app


class GoneError(Exception):
    """The client hung up."""


class Completions:
    """ASGI app of the one path that does the work."""

    def __init__(self, answers: Answers, settings: ServeConfig, model: str) -> None:
        self._answers, self._settings, self._model = answers, settings, model
        self._inside = self._held = 0  # requests, and bytes of their bodies
        self._took_s = 1.0  # by an answer, as of late

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings, reply = self._settings, Sender(send, self._model)
        try:
            with self._place():
                async with asyncio.timeout(settings.timeout_s), self._body(scope, receive) as body:
                    asked = await asyncio.to_thread(question, body, settings)
                    body.clear()
                    await unless_gone(receive, reply.answer(asked, self._answers.answer(asked)))
        except GoneError:
            pass
        except ApiError as error:
            await reply.fail(error)
        except TimeoutError:
            await reply.fail(ApiError(504, f"no answer within {settings.timeout_s:g} s", "timeout"))
        except asyncio.CancelledError:
            # By the server, which is being stopped. It would print a traceback if this were raised again.
            await reply.fail(ApiError(503, "this server is being stopped", "stopping", retry_after_s=5))
        except Exception:  # a defect: its traceback is for the log, and the client is not left waiting
            log.exception("a question got no answer")
            await reply.fail(ApiError(500, "a defect of this server; its log says more", "internal"))

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places. Raises ApiError 429 when all are taken."""
        if self._inside >= self._settings.places:
            raise self._full("all places are taken")
        self._inside += 1
        began = time.monotonic()
        try:
            yield
        finally:
            self._inside -= 1
            self._took_s += 0.2 * (time.monotonic() - began - self._took_s)

    def _full(self, why: str) -> ApiError:
        wait = min(LONGEST_WAIT_S, math.ceil(self._took_s))
        return ApiError(429, f"{why}; come again in {wait} s", "overloaded", retry_after_s=wait)

    @asynccontextmanager
    async def _body(self, scope: Scope, receive: Receive) -> AsyncIterator[bytearray]:
        """The body, which counts as held until the end. Raises ApiError 408, 413, 415 or 429, GoneError."""
        limit = int(self._settings.body_mb * MIB)
        headers = dict(scope["headers"])
        large = ApiError(413, f"a request has at most {self._settings.body_mb:g} MiB", "too_large")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise ApiError(415, "a compressed request is not read", "invalid_request")
        if int(headers.get(b"content-length", b"0")) > limit:
            raise large
        body, held, more = bytearray(), 0, True
        try:
            try:
                async with asyncio.timeout(self._settings.body_timeout_s):
                    while more:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            raise GoneError
                        body += (chunk := message.get("body", b""))
                        held, self._held = held + len(chunk), self._held + len(chunk)
                        if held > limit:
                            raise large
                        if self._held > self._settings.bodies_mb * MIB:
                            raise self._full(
                                "the requests being worked on fill the memory set aside for them"
                            )
                        more = message.get("more_body", False)
            except TimeoutError:
                told = f"the request did not arrive within {self._settings.body_timeout_s:g} s"
                raise ApiError(408, told, "timeout") from None
            yield body
        finally:
            self._held -= held


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do the work while the client waits for it. Raises GoneError, the work cancelled, once it does not."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise GoneError
        task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Sender:
    """Writes one answer in OpenAI's form: as JSON, or in pieces as server-sent events."""

    def __init__(self, send: Send, model: str) -> None:
        self._send, self._started = send, False
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    async def answer(self, asked: Question, pieces: AsyncGenerator[Piece, None]) -> None:
        """Send the answer, its status once the first piece is there, so that an error before has its own."""
        text: list[str] = []
        last = Piece("")
        async with aclosing(pieces):
            async for piece in pieces:
                if piece.text and asked.stream:
                    role = {} if self._started else {"role": "assistant"}
                    await self._event(self._chunk(role | {"content": piece.text}, None))
                text.append(piece.text)
                last = piece
        tokens = (last.prompt_tokens, last.completion_tokens)
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        if not asked.stream:
            message = {"role": "assistant", "content": "".join(text), "refusal": None}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": last.finish}
            whole = self._head | {"object": "chat.completion", "choices": [choice], "usage": usage}
            await self._json(200, whole)
            return
        await self._event(self._chunk({}, last.finish))
        if asked.include_usage:
            await self._event(self._chunk(None, None) | {"usage": usage})
        await self._body(b"data: [DONE]\n\n", more=False)

    async def fail(self, error: ApiError) -> None:
        """Send an error: as the answer, or as the end of one that has begun; if the client takes it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                if self._started:
                    await self._event(error.body, more=False)
                else:
                    await self._json(error.status, error.body, error.headers)

    def _chunk(self, delta: dict[str, Any] | None, finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        choices = [] if delta is None else [choice]
        return self._head | {"object": "chat.completion.chunk", "choices": choices}

    async def _event(self, told: dict[str, Any], more: bool = True) -> None:
        if not self._started:
            await self._start(200, SSE)
        await self._body(b"data: " + json.dumps(told).encode() + b"\n\n", more)

    async def _json(self, status: int, told: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(told).encode()
        length = {"content-type": "application/json", "content-length": str(len(data))}
        await self._start(status, length | (headers or {}))
        await self._body(data, more=False)

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        self._started = True
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _body(self, data: bytes, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
