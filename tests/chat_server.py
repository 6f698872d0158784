"""An OpenAI-compatible endpoint that misbehaves by script."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.http_server import Exchange, FakeServer

KEY = "sk-a-secret-that-must-not-leak"


def completion(text: str | None, **choice: Any) -> dict[str, Any]:
    """The body of an answer with this text; `choice` changes its only choice."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop", **choice}]
    return {"id": "1", "object": "chat.completion", "choices": choices, "usage": {"total_tokens": 7}}


# Faults after which it is worth asking again, by what they are. Those that are strings give no answer at all.
PASSING = {
    "busy": "busy",
    "server error": "broken",
    "slow": "slow",
    "cut connection": "cut",
    "invalid JSON": b'{"choices": [',
    "not UTF-8": b"\xff\xfe\xff",
    "HTML": b"<html><body>Sign in to the wifi</body></html>",
    "empty text": completion(""),
    "null text": completion(None),
    "no choices": {"choices": []},
    "no object": [1],
    "error with status 200": {"error": {"message": "upstream"}},
}


class Endpoint(FakeServer):
    """Chat completions by script: the faults listed for a prompt, one per request, then its echo for ever.

    A fault is a body to send with status 200 (bytes, or anything that is sent as JSON), the name of one, or
    the status of a refusal, which quotes the key.

    Attributes:
        faults: What goes wrong, by prompt.
        slow_s: Seconds that the fault "slow" takes.
        delay_s: Seconds until an answer, by prompt.
        asked: How often each prompt was sent.
        bodies: The requests, in order of arrival.
        keys: The values of the header `Authorization`.
    """

    def __init__(self, slow_s: float = 1.0) -> None:
        super().__init__()
        self.faults: dict[str, list[Any]] = {}
        self.slow_s = slow_s
        self.delay_s: Callable[[str], float] = lambda prompt: 0.0
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str] = set()

    def answer(self, prompt: str, attempt: int) -> Any:
        """The fault or body that an attempt for a prompt, counted from 0, gets."""
        script = self.faults.get(prompt, [])
        return script[attempt] if attempt < len(script) else completion(f"echo {prompt}")

    def respond(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body)
        prompt = body["messages"][0]["content"][-1]["text"]
        with self.busy():  # but not while answering: the client may ask again as soon as it has the answer
            with self.lock:
                self.bodies.append(body)
                self.keys.add(exchange.headers["Authorization"])
                attempt = self.asked[prompt]
                self.asked[prompt] += 1
            answer = self.answer(prompt, attempt)
            time.sleep(self.delay_s(prompt))
        self._send(exchange, answer)

    def _send(self, exchange: Exchange, answer: Any) -> None:
        match answer:
            case "slow":
                time.sleep(self.slow_s)
                exchange.close_connection = True
            case "cut":
                exchange.open(200, Content_Length="1000")
                exchange.wfile.write(b'{"choices": [')
                exchange.close_connection = True
            case "drip":
                exchange.open(200, Content_Length="1000")
                for _ in range(40):
                    exchange.wfile.write(b" ")
                    time.sleep(0.1)
            case "busy":
                exchange.send(429, {"error": {"message": "slow down"}}, Retry_After="0")
            case "broken":
                exchange.send(500, b"<html>Internal Server Error</html>")
            case "long excuse":
                exchange.send(400, {"error": {"message": ("x" * 50 + "\n" + KEY) * 20}})
            case (int() as status, refusal):
                exchange.send(status, refusal)
            case int():
                exchange.send(answer, {"error": {"message": f"Incorrect API key: {KEY}"}})
            case _:
                exchange.send(200, answer)


class Mannered(Endpoint):
    """An endpoint that knows only a part of the API, as some models' do, and may think aloud.

    Attributes:
        refuses: Words that say what, by argument that is refused with status 400.
        thinks: What it writes before each answer; "" if it does not think.
        reply: The answer to a prompt.
    """

    def __init__(self, refuses: dict[str, str] | None = None, thinks: str = "") -> None:
        super().__init__()
        self.refuses, self.thinks = refuses or {}, thinks
        self.reply: Callable[[str], str] = lambda prompt: f"echo {prompt}"
        self.refusals = 0

    def respond(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body)
        taken = {"temperature": body.get("temperature"), "top_logprobs": body.get("top_logprobs", 0) <= 5}
        wrong = next((name for name in self.refuses if name in body and not taken.get(name)), None)
        if not wrong:
            super().respond(exchange)
            return
        with self.lock:
            self.refusals += 1
        error = {"message": self.refuses[wrong], "type": "invalid_request_error", "param": wrong}
        exchange.send(400, {"error": error})

    def answer(self, prompt: str, attempt: int) -> Any:
        with self.lock:
            most = next(
                it.get("max_tokens") or it["max_completion_tokens"]
                for it in reversed(self.bodies)
                if it["messages"][0]["content"][-1]["text"] == prompt
            )
        words = (self.thinks + self.reply(prompt)).split(" ")  # each word counts as a token
        written = " ".join(words[:most])
        made = completion(written, finish_reason="length" if len(words) > most else "stop")
        written_tokens = min(most, len(words))
        usage = {
            "prompt_tokens": 50,
            "completion_tokens": written_tokens,
            "total_tokens": 50 + written_tokens,
        }
        return made | {"usage": usage}
