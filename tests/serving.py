"""Endpoints of `motionsight serve` inside this process, and what their clients send."""

import base64
import http.client
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import openai
import uvicorn
from PIL import Image

from configs.settings import load
from stages.serve.answer import Answerer
from stages.serve.app import make
from stages.serve.settings import ServeConfig
from tests.videos import scene

CAMERA = "How does the camera move?"

Start = Callable[..., str]


@contextmanager
def endpoints(folder: Path) -> Iterator[Start]:
    """A function that starts endpoints, each in a thread of its own, and returns their base URLs.

    It takes overrides of settings, such as `mllm.model=m`, models that run elsewhere as `handles`, and fields
    of `ServeConfig`.

    Args:
        folder: Where the endpoints keep the clips that they are sent.
    """
    with ExitStack() as stack:

        def start(*overrides: str, handles: Any = None, **settings: Any) -> str:
            config = load("embedded", overrides)
            serve = ServeConfig(**{"looks": 1} | settings)
            answerer = Answerer(config, serve, config.score, handles or {}, mkdtemp(dir=folder))
            stack.enter_context(closing(answerer))
            sock = socket.create_server(("127.0.0.1", 0))
            app = make(answerer, serve, "motionsight-test")
            server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
            thread.start()

            def end() -> None:
                server.should_exit = True
                thread.join()
                sock.close()

            stack.callback(end)
            return f"http://127.0.0.1:{sock.getsockname()[1]}/v1"

        yield start


def behind(url: str) -> tuple[str, ...]:
    """Overrides that make an endpoint ask the model at a URL, once and for a second."""
    model = ("mllm.backend=openai", "mllm.model=m", "mllm.timeout_s=1", "mllm.max_attempts=1")
    return (*model, f"mllm.base_url={url}")


def url_of(data: bytes, kind: str = "video/mp4") -> str:
    """A data URL."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def client(url: str, **settings: Any) -> openai.OpenAI:
    """The official client, without retries unless `settings` say otherwise."""
    return openai.OpenAI(base_url=url, **{"api_key": "any", "max_retries": 0} | settings)


def asking(question: str, *urls: str, kind: str = "image_url") -> list[Any]:
    """The messages that ask a question about a video or pictures."""
    parts = [{"type": kind, kind: {"url": url}} for url in urls]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": question}]}]


def ask(url: str, question: str, *urls: str, kind: str = "video_url", **more: Any) -> Any:
    """The completion, or the stream of its chunks, that an endpoint gives to a question."""
    messages = asking(question, *urls, kind=kind)
    return client(url).chat.completions.create(model="gpt-4o", messages=messages, **more)


def pictures(count: int, rate: float, form: str = "JPEG", size: tuple[int, int] = (320, 240)) -> list[str]:
    """Data URLs of a pan to the right, sampled `rate` times a second."""
    made = []
    for k in range(count):
        file = io.BytesIO()
        Image.fromarray(scene(*size, 0.1 * k / rate)).save(file, form)
        made.append(url_of(file.getvalue(), f"image/{form.lower()}"))
    return made


def post(url: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a request that is sent as it stands."""
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=30)
    with closing(connection):
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
