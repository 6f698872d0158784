"""The HTTP endpoint: accepts questions while there is room, and drops one when its client disconnects."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from stages.serve.errors import ApiError
from stages.serve.forward import Piece
from stages.serve.messages import ChatQuestion, read_question
from stages.serve.sender import Sender
from stages.serve.settings import ServeConfig

log = logging.getLogger("motionsight")

MIB = 1024**2
LONGEST_WAIT_S = 60  # the most that Retry-After asks a client to wait
SMOOTHING = 0.2  # weight of the latest answer in the moving average of how long answers take


class Answers(Protocol):
    """What answers questions, such as `stages.serve.answer.Answerer`."""

    def answer(self, question: ChatQuestion) -> AsyncGenerator[Piece, None]:
        """The answer in parts, the last with `finish`.

        Raises:
            ApiError: There is no answer.
        """
        ...


def make(answers: Answers, settings: ServeConfig, model: str) -> FastAPI:
    """Make the app.

    Args:
        answers: What answers the questions.
        settings: The limits of the endpoint.
        model: The name of the model that is served. Clients may ask for any other; they get this one.
    """
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
            raise HTTPException(404, f"the only model here is {model}")
        return card

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        body = ApiError(error.status_code, str(error.detail), "not_found").body
        return JSONResponse(body, error.status_code, error.headers)

    completions = Completions(answers, settings, model)
    app.router.routes.append(Route("/v1/chat/completions", completions, methods=["POST"]))
    return app


class DisconnectedError(Exception):
    """The client has closed the connection."""


class Completions:
    """ASGI app for /v1/chat/completions.

    It is not a route of FastAPI because it has to bound what it reads, and to notice when a client
    disconnects.
    """

    def __init__(self, answers: Answers, settings: ServeConfig, model: str) -> None:
        """The arguments are those of `make`."""
        self._answers, self._settings, self._model = answers, settings, model
        self._active = self._held = 0  # requests, and bytes of their bodies
        self._mean_s = 1.0  # moving average of how long a request takes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        settings, sender = self._settings, Sender(send, self._model)
        try:
            with self._place():
                async with asyncio.timeout(settings.timeout_s), self._body(scope, receive) as body:
                    question = await asyncio.to_thread(read_question, body, settings)
                    body.clear()
                    answer = sender.answer(question, self._answers.answer(question))
                    await while_connected(receive, answer)
        except DisconnectedError:
            pass
        except ApiError as error:
            await sender.fail(error)
        except TimeoutError:
            await sender.fail(ApiError(504, f"no answer within {settings.timeout_s:g} s", "timeout"))
        except asyncio.CancelledError:
            # The server is shutting down. It would print a traceback if this were raised again.
            await sender.fail(ApiError(503, "this server is shutting down", "stopping", retry_after_s=5))
        except Exception:  # a bug: the traceback goes to the log, and the client is not left waiting
            log.exception("a question got no answer")
            await sender.fail(ApiError(500, "an internal error; the server's log has details", "internal"))

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Take one of the places. Raises ApiError 429 if there is none."""
        if self._active >= self._settings.places:
            raise self._overloaded("all places are taken")
        self._active += 1
        began = time.monotonic()
        try:
            yield
        finally:
            self._active -= 1
            self._mean_s += SMOOTHING * (time.monotonic() - began - self._mean_s)

    def _overloaded(self, why: str) -> ApiError:
        wait = min(LONGEST_WAIT_S, math.ceil(self._mean_s))
        return ApiError(429, f"{why}; try again in {wait} s", "overloaded", retry_after_s=wait)

    @asynccontextmanager
    async def _body(self, scope: Scope, receive: Receive) -> AsyncIterator[bytearray]:
        """Read the body. Its bytes count towards `bodies_mb` until the context ends.

        Raises:
            ApiError: 408, 413, 415 or 429.
            DisconnectedError: The client disconnected before all of it was there.
        """
        settings = self._settings
        limit = int(settings.body_mb * MIB)
        headers = dict(scope["headers"])
        too_large = ApiError(413, f"a request may have at most {settings.body_mb:g} MiB", "too_large")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise ApiError(415, "compressed requests are not supported", "invalid_request")
        if int(headers.get(b"content-length", b"0")) > limit:
            raise too_large
        body, held, more = bytearray(), 0, True
        try:
            try:
                async with asyncio.timeout(settings.body_timeout_s):
                    while more:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            raise DisconnectedError
                        body += (chunk := message.get("body", b""))
                        held, self._held = held + len(chunk), self._held + len(chunk)
                        if held > limit:
                            raise too_large
                        if self._held > settings.bodies_mb * MIB:
                            raise self._overloaded("the memory for requests is full")
                        more = message.get("more_body", False)
            except TimeoutError:
                late = f"the request did not arrive within {settings.body_timeout_s:g} s"
                raise ApiError(408, late, "timeout") from None
            yield body
        finally:
            self._held -= held


async def while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do work for a client as long as it is connected.

    Args:
        receive: ASGI's way to receive, after the body.
        work: What to do. It is cancelled when the client disconnects.

    Raises:
        DisconnectedError: The client disconnected before the work was done.
    """
    task, gone = asyncio.create_task(work), asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise DisconnectedError
        task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
