"""Write an answer in OpenAI's format, as JSON or as server-sent events."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from starlette.types import Send

from stages.serve.errors import ApiError
from stages.serve.forward import Piece
from stages.serve.messages import ChatQuestion

ERROR_TIMEOUT_S = 2.0  # for sending an error: a client that reads nothing would hold its connection forever
SSE = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}


class Sender:
    """Writes the response to one request."""

    def __init__(self, send: Send, model: str) -> None:
        """Prepare a response.

        Args:
            send: ASGI's way to send.
            model: The name of the model in the response.
        """
        self._send, self._started = send, False
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    async def answer(self, question: ChatQuestion, pieces: AsyncGenerator[Piece, None]) -> None:
        """Send an answer.

        Nothing is sent before the first piece is there, so that an error before it has a status of its own.

        Args:
            question: The question, which says whether to stream.
            pieces: The parts of the answer.
        """
        text: list[str] = []
        last = Piece("")
        async with aclosing(pieces):
            async for piece in pieces:
                if piece.text and question.stream:
                    role = {} if self._started else {"role": "assistant"}
                    await self._event(self._chunk(role | {"content": piece.text}, None))
                text.append(piece.text)
                last = piece
        tokens = (last.prompt_tokens, last.completion_tokens)
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        if not question.stream:
            message = {"role": "assistant", "content": "".join(text), "refusal": None}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": last.finish}
            whole = self._head | {"object": "chat.completion", "choices": [choice], "usage": usage}
            await self._json(200, whole)
            return
        await self._event(self._chunk({}, last.finish))
        if question.include_usage:
            await self._event(self._chunk(None, None) | {"usage": usage})
        await self._body(b"data: [DONE]\n\n", more=False)

    async def fail(self, error: ApiError) -> None:
        """Send an error, as the response or as the end of a stream that has begun.

        Gives up if the client does not read it within `ERROR_TIMEOUT_S`.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(ERROR_TIMEOUT_S):
                if self._started:
                    await self._event(error.body, more=False)
                else:
                    await self._json(error.status, error.body, error.headers)

    def _chunk(self, delta: dict[str, Any] | None, finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        choices = [] if delta is None else [choice]
        return self._head | {"object": "chat.completion.chunk", "choices": choices}

    async def _event(self, event: dict[str, Any], more: bool = True) -> None:
        if not self._started:
            await self._start(200, SSE)
        await self._body(b"data: " + json.dumps(event).encode() + b"\n\n", more)

    async def _json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        length = {"content-type": "application/json", "content-length": str(len(data))}
        await self._start(status, length | (headers or {}))
        await self._body(data, more=False)

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        self._started = True
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _body(self, data: bytes, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
