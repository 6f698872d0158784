"""A chat-completions request as a question about one video."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stages.serve.config import ServeConfig
from stages.serve.errors import ApiError

SHOWN = 80  # characters of a client's own words in a message


class Link(BaseModel):
    url: str


class Part(BaseModel):
    """A piece of a message: text, a picture, or a video."""

    type: str
    text: str | None = None
    image_url: Link | None = None
    video_url: Link | None = None

    @field_validator("image_url", "video_url", mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value


class Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None

    @property
    def parts(self) -> list[Part]:
        if isinstance(self.content, str):
            return [Part(type="text", text=self.content)]
        return self.content or []

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts if part.text).strip()


class Timing(BaseModel):
    """When the pictures of a request were taken: so many a second, or at these seconds."""

    model_config = ConfigDict(extra="forbid")

    fps: float | None = Field(None, gt=0, le=1000)
    times: list[float] | None = None


class StreamOptions(BaseModel):
    include_usage: bool = False


class Chat(BaseModel):
    """The body of a request. What leaves the form of the answer as it is may stand in it, to no effect."""

    messages: list[Message] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = None
    motionsight: Timing | None = None
    # Those that would change its form are refused, unless they ask for nothing.
    n: int | None = None
    tools: list[object] | None = None
    functions: list[object] | None = None
    logprobs: bool | None = None
    stop: str | list[str] | None = None
    response_format: dict[str, object] | None = None


@dataclass(frozen=True)
class Question:
    """What is asked of which video.

    before: the instructions and turns that came earlier, as text. urls: one video, or pictures in order of
    time. times: (N,) seconds of the pictures, rising from 0, or None for a video.
    """

    text: str
    before: str
    urls: tuple[str, ...]
    times: np.ndarray | None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stream: bool = False
    include_usage: bool = False


def question(body: bytes | bytearray, config: ServeConfig) -> Question:
    """The question in the body of a request. Raises ApiError 400 that names what is wrong."""
    try:
        chat = Chat.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ApiError(
            400, f"{where or 'the body'}: {first['msg']}", "invalid_request", where or None
        ) from None
    _refuse_unsupported(chat)
    asking = [message for message in chat.messages if message.role == "user"]
    text = asking[-1].text if asking else ""
    if not text:
        raise _wrong("the last message of the user holds no question")
    urls, times = _media(asking, chat.motionsight or Timing(), config)
    wanted = chat.max_completion_tokens or chat.max_tokens
    if wanted and wanted > config.max_tokens:
        raise ApiError(400, f"at most {config.max_tokens} tokens", "too_many_tokens", "max_tokens")
    others = [message for message in chat.messages if message is not asking[-1] and message.text]
    return Question(
        text,
        "\n\n".join(f"{message.role}: {message.text}" for message in others),
        urls,
        times,
        wanted,
        chat.temperature,
        None if chat.seed is None else chat.seed % 2**32,
        bool(chat.stream),
        bool(chat.stream_options and chat.stream_options.include_usage),
    )


def _refuse_unsupported(chat: Chat) -> None:
    asked = {
        "n": chat.n not in (None, 1),
        "tools": bool(chat.tools),
        "functions": bool(chat.functions),
        "logprobs": bool(chat.logprobs),
        "stop": bool(chat.stop),
        "response_format": (chat.response_format or {"type": "text"}).get("type") != "text",
    }
    for name, used in asked.items():
        if used:
            raise ApiError(400, f"{name} is not supported here", "unsupported_parameter", name)


def _media(
    asking: Sequence[Message], timing: Timing, config: ServeConfig
) -> tuple[tuple[str, ...], np.ndarray | None]:
    """The URLs of the newest message that has any, and the times of pictures."""
    videos: list[str] = []
    pictures: list[str] = []
    for message in reversed(asking):
        for part in message.parts:
            if part.type not in ("text", "image_url", "video_url"):
                raise _wrong(f"a part of type {part.type[:SHOWN]!r}; there are text, image_url and video_url")
            for link in (part.image_url, part.video_url):
                if link:
                    still = part.type == "image_url" and not link.url.startswith("data:video/")
                    (pictures if still else videos).append(link.url)
        if videos or pictures:
            break
    if len(videos) == 1 and videos[0].startswith("data:video/jpeg;base64,"):  # as vLLM's clients send frames
        head, _, data = videos.pop().partition(",")
        pictures += [f"{head},{one}" for one in data.split(",")]
    if (videos and pictures) or len(videos) > 1:
        raise _wrong("one video, or the pictures of one, is what a question can be about")
    if videos:
        return tuple(videos), None
    if len(pictures) < 2:
        raise _wrong("no video: give a video_url, or at least two pictures of one as image_url")
    if len(pictures) > config.max_frames:
        raise _wrong(f"{len(pictures)} pictures; at most {config.max_frames} are taken")
    return tuple(pictures), _times(len(pictures), timing)


def _times(count: int, timing: Timing) -> np.ndarray:
    if timing.times is None:
        return np.arange(count) / (timing.fps or 1.0)  # MotionChat's own rate
    times = np.array(timing.times, float)
    if len(times) != count:
        raise _wrong(f"{len(times)} times for {count} pictures", "motionsight.times")
    if not np.isfinite(times).all() or (np.diff(times) < 0.001).any():
        raise _wrong("times rise, by a millisecond at least", "motionsight.times")
    return times - times[0]


def data_of(url: str) -> bytes:
    """The bytes of a data URL. Raises ApiError 400."""
    head, comma, data = url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise _wrong("a data URL has the form data:video/mp4;base64,...")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("a data URL whose data is not base64") from None


def _wrong(message: str, param: str = "messages") -> ApiError:
    return ApiError(400, message, "invalid_request", param)
