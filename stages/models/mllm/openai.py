"""A multimodal model behind an OpenAI-compatible endpoint: OpenAI, vLLM, SGLang, llama.cpp, ..."""

import asyncio
import base64
import json
import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

import cv2
import numpy as np
from pydantic import AfterValidator, Field, HttpUrl

from pipeline.errors import CallError, CeilingError, RunError
from pipeline.identity import NOTED, OPERATIONAL
from pipeline.requirements import Package, Requirement
from pipeline.text import without_secrets
from stages.models.metering import Priced, charged
from stages.models.mllm.adapting import Adapted
from stages.models.mllm.endpoint import Endpoint, Key, key_of
from stages.models.mllm.replies import after, bad, checked, first_token, sentence, whole_characters
from stages.models.mllm.thinking import (
    LEARNT_TOKENS,
    Habits,
    Said,
    ThinkingBackend,
    start_of,
    with_reasoning,
)
from stages.models.protocols import Reply, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

RETRY_DELAY_S = 0.5  # before another attempt; doubles from attempt to attempt
LONGEST_DELAY_S = 8.0  # the most that it becomes
AT_ONCE = 0.0  # the pause before a request in another form
LONGEST_PAUSE_S = 120.0  # longest Retry-After that is obeyed
PASSING = (408, 409, 429)  # timeout, conflict, too many requests: like any status from 500 on, these may pass
TOP_LOGPROBS = 20  # maximum of the API
STARTING = threading.Lock()  # a cached function may be called twice by threads that come at once
THOUGHTS_PER_S = 20.0  # tokens that even a slow model thinks in a second
TELLING = 32  # tokens of an answer that, cut off there, may as well be a thought
REFUSED = (401, 403, 404)  # wrong key, permission, address or model: every other call fails likewise


def _url(text: str) -> str:
    HttpUrl(text)  # validates; raises ValueError
    return text


class OpenAiConfig(Priced, ThinkingBackend):
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
        60.0,
        gt=0,
        description="time limit of one attempt, seconds; for each 20 tokens that the model may think, 1 more",
    )
    max_attempts: Annotated[int, OPERATIONAL] = Field(
        4, ge=1, le=20, description="maximum number of HTTP requests for one answer"
    )
    extra_body: dict[str, Any] = Field(
        {}, description="further fields of each request, such as {reasoning_effort: low}"
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


class _Attempt(NamedTuple):
    """What came of one HTTP request.

    Attributes:
        reply: The reply.
        pause: Seconds before another attempt; None: no other is of use; AT_ONCE: in another form, which has
            just been learnt.
        cut: Whether a reply was cut off because its tokens ran out.
    """

    reply: Reply
    pause: float | None
    cut: bool = False


class OpenAiMllm:
    """An `Mllm` that sends requests to a chat-completions endpoint, many at a time.

    Attributes:
        config: Its settings.
        habits: What is known about the model's thinking.
        adapted: What is known about the endpoint.
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
        self.habits = Habits(config)
        self.adapted = Adapted(f"{config.model} at {without_secrets(config.base_url or 'OpenAI')}")
        self.slots = asyncio.Semaphore(config.concurrency)
        self._learning = asyncio.Lock()

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
        """Ask until a reply is usable, in at most `max_attempts` HTTP requests of the same form."""
        arguments = await asyncio.to_thread(self.arguments, request)
        spent, attempt = Reply("", requests=0), 0
        while True:
            one = await self._charged(arguments, request, attempt, self.habits.budget)
            spent, again = after(spent, one.reply), one.pause == AT_ONCE
            telling = one.cut and not spent.error and request.max_tokens >= TELLING
            if telling and self.habits.may_learn:
                spent, again = await self._probe(arguments, request, spent)
            if again:
                continue
            attempt += 1
            if one.pause is None or attempt == self.config.max_attempts:
                return spent
            await asyncio.sleep(one.pause)

    async def _probe(
        self, arguments: Mapping[str, Any], request: Request, spent: Reply
    ) -> tuple[Reply, bool]:
        """Find out whether a reply that was cut off is a thought: asked once, with room to end it.

        Returns:
            The reply to go on with, what the question has taken so far included, and whether to ask again.
        """
        async with self._learning:
            if self.habits.thinks is None:
                self.habits.thinks = False
                one = await self._charged(arguments, request, 0, LEARNT_TOKENS)
                if not self.habits.thinks:
                    return after(one.reply, spent), False
                return after(spent, one.reply), bool(one.reply.error)
        return spent, self.habits.thinks

    async def _charged(
        self, arguments: Mapping[str, Any], request: Request, attempt: int, room: int
    ) -> _Attempt:
        """Send one HTTP request that somebody pays for; as `_once`."""
        async with charged(self.config, request.max_tokens + room) as book:
            one = await self._once(arguments, request, attempt, room)
            book(one.reply)
        return one

    async def _once(
        self, arguments: Mapping[str, Any], request: Request, attempt: int, room: int
    ) -> _Attempt:
        """Send one HTTP request.

        Args:
            arguments: The request.
            request: What it is made of.
            attempt: Number of attempts before.
            room: Tokens that the model may think.
        """
        from openai import OpenAIError

        config = self.config
        pause = min(RETRY_DELAY_S * 2**attempt, LONGEST_DELAY_S) * random.uniform(0.75, 1.0)
        timeout_s = self.timeout_s(room)
        chat = self.client.with_options(max_retries=0, timeout=timeout_s).chat.completions.with_raw_response
        sent = self.form(arguments, room)
        try:
            # The client's timeout only limits silence: an endpoint that trickles bytes would hold it forever.
            async with asyncio.timeout(timeout_s + LONGEST_PAUSE_S):
                raw = await chat.create(**sent)
        except (OpenAIError, TimeoutError) as error:
            why = " ".join([str(error) or "no answer in time", str(error.__cause__ or "")])
            if getattr(error, "status_code", None) in REFUSED:
                raise RunError(
                    f"{without_secrets(config.base_url or 'OpenAI')} refuses requests for {config.model};"
                    f" check mllm.base_url, mllm.model and the key in {config.api_key_env}: {self.told(why)}"
                ) from None  # the cause may quote the key
            failed, answer = Reply("", error="mllm_error", detail=why), getattr(error, "response", None)
            if answer is None:
                return _Attempt(failed, pause)
            if self.adapted.learn(sent, answer.status_code, answer.text):
                return _Attempt(failed, AT_ONCE)
            return _Attempt(failed, wait(answer.status_code, answer.headers, pause))
        reply, cut = read(raw.content, request, self.habits)
        if cut and room < self.habits.budget:  # it has just been seen to think
            return _Attempt(replace(reply, text="", error="mllm_bad_output"), AT_ONCE)
        if not reply.error or (cut and reply.thought_tokens):
            return _Attempt(reply, None, cut)
        if request.json_schema is not None and not cut:
            self.adapted.note("json", sent)
        return _Attempt(reply, pause)

    def form(self, arguments: Mapping[str, Any], room: int) -> dict[str, Any]:
        """Return arguments as the endpoint takes them, with room for some tokens of thought."""
        return self.adapted.fit({**arguments, "max_tokens": arguments["max_tokens"] + room})

    def timeout_s(self, room: int) -> float:
        """Return the time limit of one attempt in which the model may think some tokens, seconds."""
        return self.config.timeout_s + room / THOUGHTS_PER_S

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
        template = self.config.chat_template_kwargs
        extra = self.config.extra_body | ({"chat_template_kwargs": template} if template else {})
        return arguments | ({"extra_body": extra} if extra else {})

    def told(self, text: str) -> str:
        """Turn a text from the endpoint into a one-line sentence with the key masked."""
        key = key_of(self.config)
        return sentence(
            text.replace(key, "***") if key else text
        )  # masked before it is shortened, which could leave half a key


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


def read(body: bytes, request: Request, habits: Habits) -> tuple[Reply, bool]:
    """Read a reply from the body of a response with status 200.

    Args:
        body: JSON, or anything else that the endpoint may have sent.
        request: The request that it answers.
        habits: What is known about the model's thinking; it learns.

    Returns:
        The reply, with error `mllm_bad_output` if it is unusable, and whether it was cut off because its
        tokens ran out.
    """
    shown = body.decode("utf-8", "replace")
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        text, reasoning = with_reasoning(choice["message"])
        cut = choice.get("finish_reason") == "length"
        said = habits.take_apart(text.strip(), cut, reasoning)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return bad(Reply(""), f"not a chat completion: {shown}"), False
    usage = answer.get("usage")
    reply = Reply(
        said.answer,
        _count(usage, "total_tokens"),
        first_token(_candidates(choice, said), request.logprob_tokens),
        prompt_tokens=_count(usage, "prompt_tokens"),
        cached_tokens=_count(usage, "prompt_tokens_details", "cached_tokens"),
        thought_tokens=_thought(usage, said),
    )
    if said.thought and not said.answer:
        return bad(reply, said.without_answer(cut)), cut
    reply = checked(reply, request)
    return (reply if text or not reply.error else replace(reply, detail=f"{reply.detail}: {shown}")), cut


def _thought(usage: Any, said: Said) -> int:
    """Tokens of the thoughts: as reported, or by their share of the characters."""
    if told := _count(usage, "completion_tokens_details", "reasoning_tokens"):
        return told
    written = _count(usage, "completion_tokens")
    return round(written * said.share)


def _count(usage: Any, *path: str) -> int:
    """Return a token count from the usage that a server may or may not report; 0 if it does not."""
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    return usage if isinstance(usage, int) else 0


def _candidates(choice: Mapping[str, Any], said: Said) -> list[tuple[str, float]]:
    """Return spelling and log-probability of the candidates for the answer's first token.

    Empty if they are not reported.
    """
    try:
        content = choice["logprobs"]["content"]
        first = content[0]
        if said.thought:
            spelt = [str(item["token"]) for item in content]
            first = content[start_of(said.answer, spelt)]
        items = [first, *(first.get("top_logprobs") or ())]  # which repeat the first one
        return [*{str(item["token"]): float(item["logprob"]) for item in items}.items()]
    except (LookupError, TypeError, ValueError, AttributeError):
        return []
