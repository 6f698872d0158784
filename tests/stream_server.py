"""An OpenAI-compatible endpoint that streams, or misbehaves if the question says so."""

import json
import re
import threading
import time
from typing import Any

from tests.chat_server import KEY
from tests.http_server import Exchange, FakeServer


class Upstream(FakeServer):
    """Streams the words of an answer; questions that name a fault get it instead.

    The faults: "status 503" (or any other), "silence", "hang up", "nothing", "flood", "break off", "slow" and
    "a while".

    Attributes:
        bodies: The requests, in order of arrival.
        left: Set once a client closed its connection before the answer ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[dict[str, Any]] = []
        self.left = threading.Event()

    def respond(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body)
        question = body["messages"][-1]["content"][-1]["text"].rpartition("Question: ")[2]
        with self.lock:
            self.bodies.append(body)
        with self.busy():
            try:
                self._answer(exchange, question)
            except OSError:
                exchange.close_connection = True
                self.left.set()

    def _answer(self, exchange: Exchange, question: str) -> None:
        if status := re.fullmatch(r"status (\d+)", question):
            exchange.send(
                int(status[1]), {"error": {"message": f"Incorrect API key: {KEY}"}}, Retry_After="7"
            )
            return
        if question == "silence":
            time.sleep(2)
        if question == "hang up":
            exchange.close_connection = True
            return
        exchange.open(200, Content_Type="text/event-stream")
        words = {"nothing": [], "flood": ["flood " * 2000] * 4000}.get(
            question, ["It ", "moves ", "to the ", "right."]
        )
        for word in words:
            _event(exchange, {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
            if question == "break off":
                _event(exchange, {"error": {"message": f"out of memory, {KEY}"}})
                return
            for _ in range(100 if question == "slow" else 0):
                time.sleep(0.02)
                _event(exchange, {"choices": []})
            time.sleep(0.05 if question == "a while" else 0)
        _event(exchange, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 90, "completion_tokens": 4, "total_tokens": 94}
        _event(exchange, {"choices": [], "usage": usage})
        exchange.wfile.write(b"data: [DONE]\n\n")


def _event(exchange: Exchange, chunk: dict[str, Any]) -> None:
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"} | chunk
    exchange.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    exchange.wfile.flush()
