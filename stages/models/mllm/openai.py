"""A multimodal model behind an OpenAI-compatible endpoint: OpenAI itself, vLLM, SGLang, llama.cpp, ..."""

import asyncio
import base64
import json
import os
import random
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import cv2
import numpy as np
from pydantic import AfterValidator, Field, HttpUrl

from pipeline.errors import CallError, RunError, reason
from pipeline.identity import NOTED, OPERATIONAL
from pipeline.requirements import Context, Finding, Package, Requirement
from stages.models.backend import MllmBackend
from stages.models.metering import Priced
from stages.models.mllm.replies import after, bad, checked, first_token, sentence, whole_characters
from stages.models.protocols import Reply, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

RETRY_DELAY_S = 0.5  # before asking again after an unusable reply; doubles, as the client's own delays do
LONGEST_PAUSE_S = 120.0  # the longest Retry-After that the client obeys
LIST_MODELS_S = 10.0  # for an endpoint to list its models
TOP_LOGPROBS = 20  # the most that the API gives
REFUSED = (401, 403, 404)  # the key, what it may do, the address or the model: wrong for every call alike


def _url(text: str) -> str:
    HttpUrl(text)  # raises a ValueError that says what is wrong
    return text


class OpenAiConfig(Priced, MllmBackend):
    """Which model at which endpoint, and how hard to try. The key itself stays in the environment."""

    backend: Literal["openai"] = "openai"
    base_url: Annotated[Annotated[str, AfterValidator(_url)] | None, NOTED] = Field(
        None, description="the endpoint; null: the client's own"
    )
    model: str = Field(min_length=1, description="as the endpoint names it")
    api_key_env: Annotated[str, OPERATIONAL] = Field(
        "OPENAI_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="the environment variable that holds the key",
    )
    concurrency: Annotated[int, OPERATIONAL] = Field(8, ge=1, description="calls in flight at once")
    timeout_s: Annotated[float, OPERATIONAL] = Field(60.0, gt=0, description="of one attempt, seconds")
    max_attempts: Annotated[int, OPERATIONAL] = Field(
        4, ge=1, le=20, description="HTTP requests for one answer, at most"
    )
    jpeg_quality: int = Field(90, ge=1, le=100, description="of the frames as they are sent")

    def build(self) -> "OpenAiMllm":
        """Make a client. Raises CallError without the package or a key."""
        return OpenAiMllm(self)

    def requirements(self) -> Iterable[Requirement]:
        """The client, a key, and an endpoint that has the model."""
        return Package("openai", "pip install 'motionsight-distill[openai]'"), Endpoint(self)


class OpenAiMllm:
    """Asks a chat-completions endpoint, many requests at a time, and always comes back with a reply for each.

    Raises CallError when made without the `openai` package, or without a key for an endpoint elsewhere.
    """

    name = "openai"

    def __init__(self, config: OpenAiConfig) -> None:
        self.config = config
        self.version = config.model
        try:
            import openai  # noqa: F401
        except ImportError:
            raise CallError(
                "mllm.backend openai needs the openai package: pip install 'motionsight-distill[openai]'"
            ) from None
        self._key()

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request, in order: an answer, or error `mllm_error` or `mllm_bad_output`.

        Raises RunError when the endpoint refuses the key or knows no such model: it would do so every time.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._generate(requests))
        with ThreadPoolExecutor(1) as thread:  # no second loop in a thread that runs one, as a notebook does
            return thread.submit(asyncio.run, self._generate(requests)).result()

    async def _generate(self, requests: Sequence[Request]) -> list[Reply]:
        slots = asyncio.Semaphore(self.config.concurrency)

        async def reply(request: Request) -> Reply:
            async with slots:  # held while encoding too: images of waiting requests take no memory
                answer = await self._ask(client, request)
            return replace(answer, detail=self.told(answer.detail))

        async with self.client() as client:
            return await asyncio.gather(*map(reply, requests))

    def client(self) -> "AsyncOpenAI":
        """A client of the endpoint, for the loop that it is first used in."""
        from openai import AsyncOpenAI

        config = self.config
        return AsyncOpenAI(
            api_key=self._key() or "none",
            base_url=config.base_url,
            timeout=config.timeout_s,
            max_retries=config.max_attempts - 1,
        )

    async def _ask(self, client: Any, request: Request) -> Reply:
        """Ask until a usable reply or `max_attempts` HTTP requests, the client's own retries among them."""
        from openai import OpenAIError

        config = self.config
        arguments = await asyncio.to_thread(self.arguments, request)
        left, pause, spent = config.max_attempts, RETRY_DELAY_S, Reply("", requests=0)
        try:
            # The client's time limit is for silence: an endpoint that drips would hold it for ever.
            async with asyncio.timeout(left * (config.timeout_s + LONGEST_PAUSE_S)):
                while True:
                    chat = client.with_options(max_retries=left - 1).chat.completions.with_raw_response
                    raw = await chat.create(**arguments)
                    reply = replace(read(raw.content, request), requests=1 + raw.retries_taken)
                    spent = reply = after(spent, reply)
                    left -= 1 + raw.retries_taken
                    if reply.error is None or left <= 0:
                        return reply
                    await asyncio.sleep(pause * random.uniform(0.75, 1.0))
                    pause *= 2
        except (OpenAIError, TimeoutError) as error:
            why = " ".join([str(error) or "no answer in time", str(error.__cause__ or "")])
            if getattr(error, "status_code", None) in REFUSED:
                raise RunError(
                    f"{config.base_url or 'OpenAI'} refuses to answer as {config.model}; check mllm.base_url,"
                    f" mllm.model and the key in {config.api_key_env}: {self.told(why)}"
                ) from None  # the cause may quote the key
            return replace(spent, error="mllm_error", detail=why, requests=spent.requests + _attempts(error))

    def arguments(self, request: Request) -> dict[str, Any]:
        """The request in the API's words: the frames as JPEG in order of time, then the prompt."""
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
        """A text from the endpoint as a sentence, in which the key does not stand."""
        key = self._key()
        return sentence(text.replace(key, "***") if key else text)  # shortened first, half a key may stay

    def _key(self) -> str:
        """The key out of the environment; "" where none is set and a server on this machine needs none."""
        name = self.config.api_key_env
        key = os.environ.get(name, "").strip()
        host = urlsplit(self.config.base_url or os.environ.get("OPENAI_BASE_URL", "")).hostname or ""
        if not key and host not in ("localhost", "::1") and not host.startswith("127."):
            hint = f"set the environment variable {name} (to any word if it needs none)"
            raise CallError(f"no key for {host or 'OpenAI'}: {hint}")
        if not (key.isascii() and key.isprintable()):  # refused here, since HTTP libraries quote it in errors
            raise CallError(f"the environment variable {name} holds characters that no key has")
        return key


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that answers, knows the key, and has the model."""

    config: OpenAiConfig

    def examine(self, context: Context) -> Iterator[Finding]:
        """Ask it for its models."""
        config, part = self.config, context.part
        key = os.environ.get(config.api_key_env)
        if key is None and config.base_url is None:
            yield Finding(part, f"key ${config.api_key_env}", "not set", f"export {config.api_key_env}=...")
            return
        base = config.base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        what = f"{config.model} at {base}"
        request = urllib.request.Request(
            f"{base.rstrip('/')}/models", headers={"Authorization": f"Bearer {key or 'none'}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=LIST_MODELS_S) as answer:
                names = [model["id"] for model in json.load(answer)["data"]]
        except urllib.error.HTTPError as error:
            if error.code in (404, 405):  # not every server lists its models
                yield Finding(part, what, "answers, but lists no models")
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


def _attempts(error: Exception) -> int:
    """How many requests the client had made when it gave up; 1 where that is not known."""
    asked = getattr(error, "request", None)
    return 1 + int(asked.headers.get("x-stainless-retry-count", 0)) if asked else 1


def jpeg_url(frame: np.ndarray, quality: int) -> str:
    """A frame (H, W, 3) uint8 RGB as a data URL of a JPEG of the given quality, 1 to 100."""
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def read(body: bytes, request: Request) -> Reply:
    """The body of a response with status 200 as a reply; error `mllm_bad_output` if it cannot be used."""
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
            first_token(_told(choice), request.logprob_tokens),
            prompt_tokens=_count(usage, "prompt_tokens"),
            cached_tokens=_count(usage, "prompt_tokens_details", "cached_tokens"),
        ),
        request,
    )
    return reply if text or not reply.error else replace(reply, detail=f"{reply.detail}: {shown}")


def _count(usage: Any, *path: str) -> int:
    """A number of tokens out of the usage that a server may or may not tell."""
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    return usage if isinstance(usage, int) else 0


def _told(choice: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Spelling and log-probability of what could have been the first token; empty if the server is silent."""
    try:
        first = choice["logprobs"]["content"][0]
        items = [first, *(first.get("top_logprobs") or ())]  # which tell of the first once more
        return [*{str(item["token"]): float(item["logprob"]) for item in items}.items()]
    except (LookupError, TypeError, ValueError, AttributeError):
        return []
