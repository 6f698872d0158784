"""Parse a chat-completions request as a question about one video."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stages.serve.errors import ApiError
from stages.serve.settings import ServeConfig

SHOWN = 80  # how many characters of a client's own words an error message repeats


class Link(BaseModel):
    """Where an image or a video is."""

    url: str


class ContentPart(BaseModel):
    """A part of a message: text, an image, or a video."""

    type: str
    text: str | None = None
    image_url: Link | None = None
    video_url: Link | None = None

    @field_validator("image_url", "video_url", mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value


class Message(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart] | None = None

    @property
    def parts(self) -> list[ContentPart]:
        """Its parts; a message that is a string has one."""
        if isinstance(self.content, str):
            return [ContentPart(type="text", text=self.content)]
        return self.content or []

    @property
    def text(self) -> str:
        """All its text."""
        return "\n".join(part.text for part in self.parts if part.text).strip()


class Timing(BaseModel):
    """When the images of a request were taken: at `fps` images per second, or at `times` in seconds."""

    model_config = ConfigDict(extra="forbid")

    fps: float | None = Field(None, gt=0, le=1000)
    times: list[float] | None = None


class StreamOptions(BaseModel):
    """What a streamed answer includes."""

    include_usage: bool = False


class Chat(BaseModel):
    """The body of a request. Fields that are not listed here are ignored."""

    messages: list[Message] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = None
    motionsight: Timing | None = None
    # These would change the form of the answer, and are refused unless they ask for what is done anyway.
    n: int | None = None
    tools: list[object] | None = None
    functions: list[object] | None = None
    logprobs: bool | None = None
    stop: str | list[str] | None = None
    response_format: dict[str, object] | None = None


@dataclass(frozen=True)
class ChatQuestion:
    """A client's question about a video.

    Attributes:
        text: The question.
        before: Instructions and earlier turns of the conversation, as text.
        urls: One video, or images in the order of time.
        times: (N,) float64, when the images were taken, in seconds from the first; None for a video.
        max_tokens: The longest answer; None: as configured.
        temperature: Of the model; None: as configured.
        seed: Of the model; None: derived from the question and the video.
        stream: Send the answer as it is written.
        include_usage: End a streamed answer with the number of tokens.
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


def read_question(body: bytes | bytearray, config: ServeConfig) -> ChatQuestion:
    """Parse the body of a request.

    Raises:
        ApiError: 400, with what is wrong.
    """
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
        raise _wrong("the last message of the user contains no question")
    urls, times = _media(asking, chat.motionsight or Timing(), config)
    wanted = chat.max_completion_tokens or chat.max_tokens
    if wanted and wanted > config.max_tokens:
        raise ApiError(
            400, f"at most {config.max_tokens} tokens are allowed", "too_many_tokens", "max_tokens"
        )
    others = [message for message in chat.messages if message is not asking[-1] and message.text]
    return ChatQuestion(
        text,
        before="\n\n".join(f"{message.role}: {message.text}" for message in others),
        urls=urls,
        times=times,
        max_tokens=wanted,
        temperature=chat.temperature,
        seed=None if chat.seed is None else chat.seed % 2**32,
        stream=bool(chat.stream),
        include_usage=bool(chat.stream_options and chat.stream_options.include_usage),
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
    """The URLs of the last message that has any, and for images the times."""
    videos: list[str] = []
    images: list[str] = []
    for message in reversed(asking):
        for part in message.parts:
            if part.type not in ("text", "image_url", "video_url"):
                kind = part.type[:SHOWN]
                raise _wrong(f"a part of type {kind!r}; the types are text, image_url and video_url")
            for link in (part.image_url, part.video_url):
                if link:
                    still = part.type == "image_url" and not link.url.startswith("data:video/")
                    (images if still else videos).append(link.url)
        if videos or images:
            break
    if len(videos) == 1 and videos[0].startswith(
        "data:video/jpeg;base64,"
    ):  # how clients of vLLM send frames
        head, _, data = videos.pop().partition(",")
        images += [f"{head},{image}" for image in data.split(",")]
    if (videos and images) or len(videos) > 1:
        raise _wrong("a question can be about one video, or about the images of one")
    if videos:
        return tuple(videos), None
    if len(images) < 2:
        raise _wrong("no video: send a video_url, or at least two images of one as image_url")
    if len(images) > config.max_frames:
        raise _wrong(f"{len(images)} images; at most {config.max_frames} are allowed")
    return tuple(images), _times(len(images), timing)


def _times(count: int, timing: Timing) -> np.ndarray:
    """When `count` images were taken, (count,) float64, seconds from the first."""
    if timing.times is None:
        return np.arange(count) / (timing.fps or 1.0)  # MotionChat's own rate
    times = np.array(timing.times, float)
    if len(times) != count:
        raise _wrong(f"{len(times)} times for {count} images", "motionsight.times")
    if not np.isfinite(times).all() or (np.diff(times) < 0.001).any():
        raise _wrong("times have to rise by at least a millisecond", "motionsight.times")
    return times - times[0]


def data_of(url: str) -> bytes:
    """Decode a base64 data URL.

    Raises:
        ApiError: 400, if it is none.
    """
    head, comma, data = url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise _wrong("a data URL has the form data:video/mp4;base64,...")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("a data URL with data that is not base64") from None


def _wrong(message: str, param: str = "messages") -> ApiError:
    return ApiError(400, message, "invalid_request", param)
