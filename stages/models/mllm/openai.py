"""A multimodal model behind an OpenAI-compatible endpoint: OpenAI, vLLM, SGLang, llama.cpp, ..."""

import asyncio
import base64
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

import cv2
import numpy as np
from pydantic import AfterValidator, Field, HttpUrl

from pipeline.errors import CallError, CeilingError, RunError, reason
from pipeline.identity import NOTED, OPERATIONAL
from pipeline.requirements import Context, Finding, Package, Requirement
from pipeline.text import without_secrets
from stages.models.backend import MllmBackend
from stages.models.metering import Priced, charged
from stages.models.mllm.replies import after, bad, checked, first_token, sentence, whole_characters
from stages.models.protocols import Reply, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

RETRY_DELAY_S = 0.5  # before another attempt; doubles from attempt to attempt
LONGEST_DELAY_S = 8.0  # the most that it becomes
LONGEST_PAUSE_S = 120.0  # longest Retry-After that is obeyed
PASSING = (408, 409, 429)  # timeout, conflict, too many requests: like any status from 500 on, these may pass
LIST_MODELS_S = 10.0  # time limit for an endpoint to list its models
TOP_LOGPROBS = 20  # maximum of the API
STARTING = threading.Lock()  # a cached function may be called twice by threads that come at once
REFUSED = (401, 403, 404)  # wrong key, permission, address or model: every other call fails likewise


def _url(text: str) -> str:
    HttpUrl(text)  # validates; raises ValueError
    return text


class OpenAiConfig(Priced, MllmBackend):
    """Which model at which endpoint, and how persistently to ask it. The key is read from the environment."""

    backend: Literal["openai"] = "openai"
    base_url: Annotated[Annotated[str, AfterValidator(_url)] | None, NOTED] = Field(
        None, description="URL of the endpoint; null: the client's default"
    )
    model: str = Field(min_length=1, description="name of the model at the endpoint")
    api_key_env: Annotated[str, OPERATIONAL] = Field(
        "OPENAI_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable that holds the key",
    )
    concurrency: Annotated[int, OPERATIONAL] = Field(
        32, ge=1, description="requests in flight at once, those of all workers together"
    )
    timeout_s: Annotated[float, OPERATIONAL] = Field(
        60.0, gt=0, description="time limit of one attempt, seconds"
    )
    max_attempts: Annotated[int, OPERATIONAL] = Field(
        4, ge=1, le=20, description="maximum number of HTTP requests for one answer"
    )
    reentrant: ClassVar[bool] = True
    jpeg_quality: int = Field(90, ge=1, le=100, description="JPEG quality of the frames sent, 1 to 100")

    def build(self) -> "OpenAiMllm":
        """Make a client of the endpoint.

        Raises:
            CallError: The package or the key is missing.
        """
        return OpenAiMllm(self)

    @property
    def at_once(self) -> int:
        """`concurrency`."""
        return self.concurrency

    def shared_by(self, workers: int) -> Self:
        """Return the settings with a worker's share of `concurrency`, at least 1."""
        return self.model_copy(update={"concurrency": max(1, self.concurrency // workers)})

    def requirements(self) -> Iterable[Requirement]:
        """Return the client package, and an endpoint that accepts the key and has the model."""
        package = Package("openai", "pip install 'motionsight-distill[openai]'")
        return package, Key(self), Endpoint(self)


class OpenAiMllm:
    """An `Mllm` that sends requests to a chat-completions endpoint, many at a time.

    Attributes:
        config: Its settings.
        slots: Bounds the requests in flight. For use in the event loop `loop` alone.
    """

    name = "openai"

    def __init__(self, config: OpenAiConfig) -> None:
        """Check that requests could be sent.

        Raises:
            CallError: The `openai` package is missing, or the key of an endpoint on another machine.
        """
        self.config = config
        self.version = config.model
        try:
            import openai  # noqa: F401
        except ImportError:
            raise CallError(
                "mllm.backend openai needs the openai package: pip install 'motionsight-distill[openai]'"
            ) from None
        key_of(self.config)
        self.slots = asyncio.Semaphore(config.concurrency)

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Return one reply for each request, in order.

        A failed request has a reply with error `mllm_error` or `mllm_bad_output`.

        Raises:
            RunError: The endpoint rejects the key or does not have the model, so every request would fail.
        """
        call = asyncio.run_coroutine_threadsafe(self._generate(requests), loop())
        try:
            return call.result()
        except BaseException:  # such as Ctrl-C: no request is to go on, and cost money
            call.cancel()
            raise

    async def _generate(self, requests: Sequence[Request]) -> list[Reply]:
        async def reply(request: Request) -> Reply:
            async with self.slots:  # also while encoding, so that images of waiting requests take no memory
                answer = await self._ask(request)
            return replace(answer, detail=self.told(answer.detail))

        asked = [asyncio.ensure_future(reply(request)) for request in requests]
        try:
            return await asyncio.gather(*asked)
        except BaseException as error:
            # At the ceiling, whatever was sent has to be paid for, and is waited for to be booked.
            for each in () if isinstance(error, CeilingError) else asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            raise

    @cached_property
    def client(self) -> "AsyncOpenAI":
        """The client, which keeps connections open. For use in the event loop `loop` alone."""
        from openai import AsyncOpenAI

        config = self.config
        return AsyncOpenAI(
            api_key=key_of(self.config) or "none",
            base_url=config.base_url,
            timeout=config.timeout_s,
            max_retries=config.max_attempts - 1,
        )

    async def _ask(self, request: Request) -> Reply:
        """Ask until a reply is usable, in at most `max_attempts` HTTP requests."""
        config = self.config
        arguments = await asyncio.to_thread(self.arguments, request)
        spent = Reply("", requests=0)
        for attempt in range(config.max_attempts):
            async with charged(config, request.max_tokens) as book:
                reply, pause = await self._once(arguments, request, attempt)
                book(reply)
            spent = after(spent, reply)
            if pause is None or attempt + 1 == config.max_attempts:
                break
            await asyncio.sleep(pause)
        return spent

    async def _once(
        self, arguments: Mapping[str, Any], request: Request, attempt: int
    ) -> tuple[Reply, float | None]:
        """Send one HTTP request.

        Returns:
            The reply, and the pause before another attempt, seconds; None: no other is of use.
        """
        from openai import OpenAIError

        config = self.config
        pause = min(RETRY_DELAY_S * 2**attempt, LONGEST_DELAY_S) * random.uniform(0.75, 1.0)
        chat = self.client.with_options(max_retries=0).chat.completions.with_raw_response
        try:
            # The client's timeout only limits silence: an endpoint that trickles bytes would hold it forever.
            async with asyncio.timeout(config.timeout_s + LONGEST_PAUSE_S):
                raw = await chat.create(**arguments)
        except (OpenAIError, TimeoutError) as error:
            why = " ".join([str(error) or "no answer in time", str(error.__cause__ or "")])
            if getattr(error, "status_code", None) in REFUSED:
                raise RunError(
                    f"{without_secrets(config.base_url or 'OpenAI')} refuses requests for {config.model};"
                    f" check mllm.base_url, mllm.model and the key in {config.api_key_env}: {self.told(why)}"
                ) from None  # the cause may quote the key
            answer = getattr(error, "response", None)
            if answer is not None:
                pause = wait(answer.status_code, answer.headers, pause)
            return Reply("", error="mllm_error", detail=why), pause
        reply = read(raw.content, request)
        return reply, pause if reply.error else None

    def arguments(self, request: Request) -> dict[str, Any]:
        """Convert a request into arguments of the API: the frames as JPEG, in order, then the prompt."""
        images = [jpeg_url(frame, self.config.jpeg_quality) for frame in request.frames]
        content: list[Any] = [{"type": "image_url", "image_url": {"url": url}} for url in images]
        content.append({"type": "text", "text": whole_characters(request.prompt)})
        arguments: dict[str, Any] = {
            "model": self.config.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        if request.temperature > 0:
            arguments["seed"] = request.seed
        if request.json_schema is not None:
            schema = {"name": "reply", "schema": dict(request.json_schema)}
            arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
        if request.logprob_tokens:
            arguments |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return arguments

    def told(self, text: str) -> str:
        """Turn a text from the endpoint into a one-line sentence with the key masked."""
        key = key_of(self.config)
        return sentence(
            text.replace(key, "***") if key else text
        )  # masked before it is shortened, which could leave half a key


def key_of(config: OpenAiConfig) -> str:
    """Return the key from the environment; "" if it is not set and the server is on this machine.

    Raises:
        CallError: It is not set, or no key.
    """
    name = config.api_key_env
    key = os.environ.get(name, "").strip()
    host = urlsplit(config.base_url or os.environ.get("OPENAI_BASE_URL", "")).hostname or ""
    if not key and host not in ("localhost", "::1") and not host.startswith("127."):
        hint = f"set the environment variable {name} (to any word if the endpoint needs none)"
        raise CallError(f"no key for {host or 'OpenAI'}: {hint}")
    if not (key.isascii() and key.isprintable()):  # HTTP libraries would quote it in their errors
        raise CallError(f"the environment variable {name} holds characters that cannot be part of a key")
    return key


@dataclass(frozen=True)
class Key:
    """The key of an endpoint on another machine.

    Attributes:
        config: Which endpoint and key.
    """

    config: OpenAiConfig

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look it up in the environment; finds nothing if none is needed."""
        what = f"key ${self.config.api_key_env}"
        try:
            if key_of(self.config):
                yield Finding(context.part, what, "set")
        except CallError as error:
            yield Finding(context.part, what, str(error), f"export {self.config.api_key_env}=...")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that answers, accepts the key, and has the model.

    Attributes:
        config: Which endpoint, key and model.
    """

    slow: ClassVar[bool] = True
    config: OpenAiConfig

    def examine(self, context: Context) -> Iterator[Finding]:
        """Ask the endpoint for its models; finds nothing without a key."""
        config, part = self.config, context.part
        try:
            key = key_of(config)
        except CallError:  # which `Key` has found
            return
        base = config.base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        what = f"{config.model} at {without_secrets(base)}"
        request = urllib.request.Request(
            f"{base.rstrip('/')}/models", headers={"Authorization": f"Bearer {key or 'none'}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=LIST_MODELS_S) as answer:
                names = [model["id"] for model in json.load(answer)["data"]]
        except urllib.error.HTTPError as error:
            if error.code in (404, 405):  # not every server lists its models
                yield Finding(part, what, "answers, but does not list its models")
                return
            keyed = f"is the key in ${config.api_key_env} right?"
            remedy = keyed if error.code in (401, 403) else "see its log"
            yield Finding(part, what, f"HTTP {error.code}", remedy)
        except (OSError, ValueError, KeyError, TypeError) as error:
            remedy = f"start it, or --set {part}.base_url=URL (it usually ends in /v1)"
            yield Finding(part, what, reason(error), remedy)
        else:
            found = f"it has: {', '.join(names[:5]) or 'none'}"
            missing = config.model not in names
            remedy = f"--set {part}.model=NAME" if missing else ""
            yield Finding(part, what, found if missing else "available", remedy)


def loop() -> asyncio.AbstractEventLoop:
    """The event loop of all requests of this process, in a thread of its own."""
    with STARTING:
        return _started_loop()


@cache
def _started_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="openai").start()
    return loop


def wait(status: int, headers: Mapping[str, str], usual: float) -> float | None:
    """Return how long to wait after an error of an endpoint, seconds; None: asking again is of no use.

    Args:
        status: The HTTP status.
        headers: Of the response; Retry-After is obeyed, in seconds or as a date.
        usual: The pause, unless the endpoint says otherwise.
    """
    again = {"true": True, "false": False}.get(
        headers.get("x-should-retry", ""), status in PASSING or status >= 500
    )
    told, pause = headers.get("retry-after", ""), 0.0
    with suppress(ValueError):
        pause = float(told)
    with suppress(ValueError):
        pause = parsedate_to_datetime(told).timestamp() - time.time()
    if not again or pause > LONGEST_PAUSE_S:
        return None
    return pause if pause > 0 else usual


def jpeg_url(frame: np.ndarray, quality: int) -> str:
    """Encode a frame (H, W, 3) uint8 RGB as the data URL of a JPEG of some quality, 1 to 100."""
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def read(body: bytes, request: Request) -> Reply:
    """Read a reply from the body of a response with status 200.

    Args:
        body: JSON, or anything else that the endpoint may have sent.
        request: The request that it answers.

    Returns:
        The reply, with error `mllm_bad_output` if it is unusable.
    """
    shown = body.decode("utf-8", "replace")
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        text = (choice["message"]["content"] or "").strip()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return bad(Reply(""), f"not a chat completion: {shown}")
    usage = answer.get("usage")
    reply = checked(
        Reply(
            text,
            _count(usage, "total_tokens"),
            first_token(_candidates(choice), request.logprob_tokens),
            prompt_tokens=_count(usage, "prompt_tokens"),
            cached_tokens=_count(usage, "prompt_tokens_details", "cached_tokens"),
        ),
        request,
    )
    return reply if text or not reply.error else replace(reply, detail=f"{reply.detail}: {shown}")


def _count(usage: Any, *path: str) -> int:
    """Return a token count from the usage that a server may or may not report; 0 if it does not."""
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    return usage if isinstance(usage, int) else 0


def _candidates(choice: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return spelling and log-probability of the candidates for the first token; empty if not reported."""
    try:
        first = choice["logprobs"]["content"][0]
        items = [first, *(first.get("top_logprobs") or ())]  # which repeat the first one
        return [*{str(item["token"]): float(item["logprob"]) for item in items}.items()]
    except (LookupError, TypeError, ValueError, AttributeError):
        return []
