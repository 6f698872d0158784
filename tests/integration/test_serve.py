"""`motionsight serve`: real videos, the official client, and model endpoints that misbehave on purpose."""

import base64
import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from configs.settings import load
from jobs import serve as job
from pipeline.errors import CallError
from stages.serve.answer import Answerer
from stages.serve.app import make
from stages.serve.errors import ApiError
from stages.serve.fetch import fetch, is_public
from stages.serve.settings import ServeConfig
from tests.videos import bad, scene, write

KEY = "sk-a-secret-that-must-not-leak"
TOKEN = "a-token-that-nobody-guesses"
CAMERA = "How does the camera move?"


class Upstream(ThreadingHTTPServer):
    """A model's endpoint that streams words, and by the question does something else instead."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Model)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.bodies: list[dict[str, Any]] = []
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self.left = threading.Event()  # a connection was closed on a slow answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


class Model(BaseHTTPRequestHandler):
    server: Upstream

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = body["messages"][-1]["content"][-1]["text"].rpartition("Question: ")[2]
        with server.lock:
            server.bodies.append(body)
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
        try:
            self.answer(asked)
        except OSError:
            server.left.set()
        finally:
            with server.lock:
                server.in_flight -= 1

    def answer(self, asked: str) -> None:
        if status := re.fullmatch(r"status (\d+)", asked):
            told = json.dumps({"error": {"message": f"Incorrect API key: {KEY}"}}).encode()
            self.send_response(int(status[1]))
            self.send_header("Content-Length", str(len(told)))
            self.send_header("Retry-After", "7")
            self.end_headers()
            self.wfile.write(told)
            return
        if asked == "silence":
            time.sleep(2)
        if asked == "hang up":
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        words = [] if asked == "nothing" else ["It ", "moves ", "to the ", "right."]
        words = ["flood " * 2000] * 4000 if asked == "flood" else words
        for word in words:
            self.event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
            if asked == "break off":
                self.event({"error": {"message": f"out of memory, {KEY}"}})
                return
            for _ in range(100 if asked == "slow" else 0):
                time.sleep(0.02)
                self.event({"choices": []})
            time.sleep(0.05 if asked == "a while" else 0)
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.event(
            {"choices": [], "usage": {"prompt_tokens": 90, "completion_tokens": 4, "total_tokens": 94}}
        )
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, told: dict[str, Any]) -> None:
        told = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"} | told
        self.wfile.write(b"data: " + json.dumps(told).encode() + b"\n\n")
        self.wfile.flush()


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Start = Callable[..., str]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts endpoints, each in a thread of its own; gives their base URLs."""
    with ExitStack() as stack:

        def begin(*overrides: str, handles: Any = None, **settings: Any) -> str:
            config = load("embedded", overrides)
            serve = ServeConfig(**{"looks": 1} | settings)
            answerer = Answerer(config, serve, handles or {}, str(tmp_path_factory.mktemp("clips")))
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

        yield begin


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running(Upstream()) as server:
        yield server


@pytest.fixture(scope="module")
def measuring(start: Start) -> str:
    """An endpoint that answers from measurements, without a model."""
    return start()


@pytest.fixture(scope="module")
def forwarding(start: Start, upstream: Upstream) -> Iterator[str]:
    """An endpoint in front of another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        yield start(*to(upstream.url), places=4, timeout_s=20)


def to(url: str) -> tuple[str, ...]:
    model = ("mllm.backend=openai", "mllm.model=m", "mllm.timeout_s=1", "mllm.max_attempts=1")
    return (*model, f"mllm.base_url={url}")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A clip whose camera pans right, as a data URL."""
    return url_of(write(tmp_path_factory.mktemp("video") / "pan.mp4").read_bytes())


def url_of(data: bytes, kind: str = "video/mp4") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def client(url: str, **settings: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, **{"api_key": "any", "max_retries": 0} | settings)


def asking(question: str, *urls: str, kind: str = "image_url") -> list[Any]:
    parts = [{"type": kind, kind: {"url": url}} for url in urls]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": question}]}]


def ask(url: str, question: str, *urls: str, kind: str = "video_url", **more: Any) -> Any:
    messages = asking(question, *urls, kind=kind)
    return client(url).chat.completions.create(model="gpt-4o", messages=messages, **more)


def pictures(count: int, rate: float, form: str = "JPEG", size: tuple[int, int] = (320, 240)) -> list[str]:
    """A pan to the right, seen `rate` times a second."""
    made = []
    for k in range(count):
        file = io.BytesIO()
        Image.fromarray(scene(*size, 0.1 * k / rate)).save(file, form)
        made.append(url_of(file.getvalue(), f"image/{form.lower()}"))
    return made


def post(url: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=30)
    with closing(connection):
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_a_video_is_answered_about(measuring: str, video: str) -> None:
    for kind in ("video_url", "image_url"):
        answer = ask(measuring, CAMERA, video, kind=kind)
        assert "to the right" in answer.choices[0].message.content
        assert answer.choices[0].finish_reason == "stop"
        assert answer.model == "motionsight-test"


def test_the_same_question_gets_the_same_answer_streamed_or_not(measuring: str, video: str) -> None:
    whole = ask(measuring, CAMERA, video)
    chunks = list(ask(measuring, CAMERA, video, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]


@pytest.mark.parametrize(
    ("count", "rate", "form", "size"),
    [
        (16, 4, "JPEG", (320, 240)),
        (9, 1, "PNG", (321, 239)),
        (2, 1, "WEBP", (64, 64)),
        (40, 8, "JPEG", (96, 170)),
    ],
)
def test_pictures_of_a_video_are_answered_about(
    measuring: str, count: int, rate: float, form: str, size: tuple[int, int]
) -> None:
    body = {"motionsight": {"fps": rate}}
    answer = ask(measuring, CAMERA, *pictures(count, rate, form, size), kind="image_url", extra_body=body)
    assert "to the right" in answer.choices[0].message.content


def test_times_of_pictures_are_told_to_the_model(forwarding: str, upstream: Upstream) -> None:
    shown = pictures(3, 2)
    for timing, told in (
        ({"times": [5.0, 5.25, 6.5]}, "0.00, 0.25, 1.50"),
        ({"fps": 2}, "0.00, 0.50, 1.00"),
        (None, "0.00, 1.00, 2.00"),
    ):
        body = {"motionsight": timing} if timing else None
        ask(forwarding, "What moves?", *shown, kind="image_url", extra_body=body)
        assert told in upstream.bodies[-1]["messages"][0]["content"][-1]["text"]


def test_pictures_in_one_url_as_vllm_takes_them(measuring: str) -> None:
    shown = "data:video/jpeg;base64," + ",".join(url.partition(",")[2] for url in pictures(8, 4))
    answer = ask(measuring, CAMERA, shown, extra_body={"motionsight": {"fps": 4}})
    assert "to the right" in answer.choices[0].message.content


def test_the_model_gets_enhanced_frames_and_streams(forwarding: str, upstream: Upstream, video: str) -> None:
    words = [c.choices[0].delta.content for c in ask(forwarding, CAMERA, video, stream=True) if c.choices]
    assert words == ["It ", "moves ", "to the ", "right.", None]
    *images, text = upstream.bodies[-1]["messages"][0]["content"]
    assert len(images) == 16
    assert "trails" in text["text"]
    ask(forwarding, "What does the person do?", video)
    *dimmed, text = upstream.bodies[-1]["messages"][0]["content"]
    assert "dimmed" in text["text"]
    assert dimmed != images


def test_usage_is_counted(forwarding: str, video: str) -> None:
    usage = ask(forwarding, CAMERA, video).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (90, 4, 94)
    *_, last = ask(forwarding, CAMERA, video, stream=True, stream_options={"include_usage": True})
    assert (last.choices, last.usage.total_tokens) == ([], 94)


def test_sparse_pictures_are_not_blended(forwarding: str, upstream: Upstream) -> None:
    """Seconds apart, a blend shows ghosts and no trails."""
    for rate, blurred in ((1, False), (12, True)):
        body = {"motionsight": {"fps": rate}}
        ask(forwarding, CAMERA, *pictures(16, rate), kind="image_url", extra_body=body)
        text = upstream.bodies[-1]["messages"][0]["content"][-1]["text"]
        assert ("trails" in text) == blurred


def test_instructions_settings_and_earlier_turns_reach_the_model(
    forwarding: str, upstream: Upstream, video: str
) -> None:
    turns: list[Any] = [
        {"role": "system", "content": "Answer in Ünïcødé 动作."},
        *asking("What is it?", video, kind="video_url"),
        {"role": "assistant", "content": "A portrait."},
        {"role": "user", "content": CAMERA},
    ]
    client(forwarding).chat.completions.create(
        model="m", messages=turns, max_completion_tokens=33, temperature=0.5, seed=-7
    )
    body = upstream.bodies[-1]
    text = body["messages"][0]["content"][-1]["text"]
    assert text.startswith(
        "system: Answer in Ünïcødé 动作.\n\nuser: What is it?\n\nassistant: A portrait.\n\n"
    )
    assert text.endswith(f"Question: {CAMERA}")
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (33, 0.5, 2**32 - 7)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no messages": ({"messages": []}, "messages", "invalid_request"),
    "no user": ({"messages": [{"role": "system", "content": "x"}]}, "no question", "invalid_request"),
    "no question": (
        {"messages": asking(" ", "data:video/mp4;base64,AAAA")},
        "no question",
        "invalid_request",
    ),
    "no video": ({"messages": [{"role": "user", "content": "hi"}]}, "no video", "invalid_request"),
    "one picture": ({"messages": asking("q", *pictures(1, 1))}, "two images", "invalid_request"),
    "two videos": (
        {"messages": asking("q", *["data:video/mp4;base64,AA=="] * 2)},
        "one video",
        "invalid_request",
    ),
    "sound": (
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}, {"type": "text", "text": "q"}]}]},
        "input_audio",
        "invalid_request",
    ),
    "not base64": ({"messages": asking("q", "data:video/mp4;base64,ä€")}, "not base64", "invalid_request"),
    "many pictures": (
        {"messages": asking("q", *["data:image/png;base64,AA=="] * 257)},
        "256",
        "invalid_request",
    ),
    "no pictures": (
        {"messages": asking("q", *["data:image/png;base64,AA=="] * 2)},
        "image 0",
        "decode_error",
    ),
    "sizes": (
        {"messages": asking("q", *pictures(1, 1), *pictures(1, 1, size=(64, 64)))},
        "one size",
        "decode_error",
    ),
    "times": (
        {"messages": asking("q", *pictures(2, 1)), "motionsight": {"times": [1, 1]}},
        "times have to rise",
        "invalid_request",
    ),
    "no numbers": (
        {"messages": asking("q", *pictures(2, 1)), "motionsight": {"times": [0]}},
        "1 times for 2 images",
        "invalid_request",
    ),
    "two answers": ({"messages": asking("q", *pictures(2, 1)), "n": 2}, "n is", "unsupported_parameter"),
    "tools": ({"messages": asking("q", *pictures(2, 1)), "tools": [{}]}, "tools", "unsupported_parameter"),
    "JSON": (
        {"messages": asking("q", *pictures(2, 1)), "response_format": {"type": "json_object"}},
        "response_format",
        "unsupported_parameter",
    ),
    "an essay": ({"messages": asking("q", *pictures(2, 1)), "max_tokens": 10**6}, "2048", "too_many_tokens"),
    "temperature": (
        {"messages": asking("q", *pictures(2, 1)), "temperature": "hot"},
        "temperature",
        "invalid_request",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_told_what_is_wrong(measuring: str, name: str) -> None:
    body, told, code = WRONG[name]
    status, answer = post(measuring, json.dumps(body).encode())
    assert status == 400
    assert told in answer["error"]["message"]
    assert (answer["error"]["type"], answer["error"]["code"]) == ("invalid_request_error", code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"messages": 1}', b"\xff\xfe", b"[" * 10**5])
def test_what_is_no_request_is_told_so(measuring: str, body: bytes) -> None:
    status, answer = post(measuring, body)
    assert status == 400
    assert answer["error"]["code"] == "invalid_request"


def test_other_paths_and_methods_are_refused_in_the_same_form(measuring: str) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client(measuring).embeddings.create(model="m", input="x")
    assert error.value.type == "not_found_error"
    assert [model.id for model in client(measuring).models.list()] == ["motionsight-test"]
    assert client(measuring).models.retrieve("motionsight-test").object == "model"
    with pytest.raises(openai.NotFoundError):
        client(measuring).models.retrieve("gpt-4o")


def test_a_bad_video_is_named_by_its_code_and_not_by_its_path(measuring: str, tmp_path: Path) -> None:
    for name, (path, code) in bad(tmp_path).items():
        if code == "missing_file":
            continue
        with pytest.raises(openai.BadRequestError) as error:
            ask(measuring, CAMERA, url_of(path.read_bytes()))
        assert error.value.code in (code, "not_a_video"), name
        assert "/tmp" not in str(error.value)


NAMES = """
    {} file://{} file:{} FILE://localhost{} ftp://127.0.0.1{} s3://bucket{} a.tar::b.mp4 http://127.0.0.1:9{}
    http://localhost{} https://169.254.169.254{} http://[::1]{} concat:{} pipe:0 //host{} http:// http://a:b:c/
    data:video/mp4,{}
"""


@pytest.mark.parametrize(
    "url",
    NAMES.split(),
)
def test_what_a_client_may_not_name_is_not_read(measuring: str, tmp_path: Path, url: str) -> None:
    here = write(tmp_path / "here.mp4")
    with pytest.raises(openai.BadRequestError) as error:
        ask(measuring, CAMERA, url.format(here))
    assert error.value.code in ("invalid_url", "invalid_request")


def test_a_playlist_that_names_a_file_here_is_not_followed(measuring: str, tmp_path: Path) -> None:
    here = write(tmp_path / "here.mp4")
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\nfile://{here}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {here}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ):
        with pytest.raises(openai.BadRequestError) as error:
            ask(measuring, CAMERA, url_of(text.encode()))
        assert error.value.code == "not_a_video"


class Files(BaseHTTPRequestHandler):
    """Serves 1000 bytes, in ways that depend on the path."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        for _ in range(10):
            self.wfile.write(bytes(100))
            time.sleep(0.2 if self.path == "/drip" else 0)


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Files)) as server:
        yield f"127.0.0.1:{server.server_address[1]}"


def test_a_url_is_read_from_an_allowed_host_alone(files: str) -> None:
    def get(url: str, hosts: list[str], limit: int = 1000, timeout_s: float = 5.0) -> bytes:
        return fetch(url, hosts, limit, timeout_s, public=lambda address: address == "127.0.0.1")

    assert get(f"http://{files}/file?a=b", [files]) == bytes(1000)
    for url, hosts, told in (
        (f"http://{files}/file", [], "not in serve.fetch_hosts"),
        (f"http://{files}/file", ["127.0.0.1"], "not in serve.fetch_hosts"),  # on its usual port alone
        (f"http://me@{files}/file", [files], "not in serve.fetch_hosts"),
        (f"http://127.0.0.1.evil.example:{files[10:]}/", [files], "not in serve.fetch_hosts"),
        (f"http://{files}/away", [files], "302"),
        (f"http://{files}/a b\r\nX: y", [files], "escaping"),
        ("http://127.0.0.1:1/", ["127.0.0.1:1"], "cannot read"),
    ):
        with pytest.raises(ApiError, match=re.escape(told)) as error:
            get(url, hosts)
        assert error.value.status == 400
    with pytest.raises(ApiError, match="larger"):
        get(f"http://{files}/file", [files], limit=999)
    with pytest.raises(ApiError, match="in time"):
        get(f"http://{files}/drip", [files], timeout_s=0.5)


def test_an_allowed_host_at_a_private_address_is_not_read(files: str) -> None:
    with pytest.raises(ApiError, match="private network"):
        fetch(f"http://{files}/file", [files], 1000, 5.0)


def test_a_name_that_changes_its_address_after_the_check_leads_nowhere_else(
    files: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver stands in for a hostile DNS server: it gives another address each time it is asked."""
    port, asked = int(files.partition(":")[2]), []
    genuine = socket.getaddrinfo

    def rebinding(host: Any, *more: Any, **options: Any) -> Any:
        if host != "changing.example":
            return genuine(host, *more, **options)
        asked.append(host)
        return genuine("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    url = f"http://changing.example:{port}/file"
    assert fetch(url, [f"changing.example:{port}"], 1000, 5.0, lambda address: address == "127.0.0.1")
    assert len(asked) == 1


PRIVATE = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/4"
)


@given(st.sampled_from(PRIVATE.split()).flatmap(lambda net: st.ip_addresses(v=4, network=net)))
def test_no_way_to_write_a_private_address_makes_it_public(address: Any) -> None:
    number = int(address)
    for text in (f"{address}", f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"):
        assert not is_public(text)
    assert not is_public(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")


def test_public_addresses_are_public() -> None:
    for text in ("8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"):
        assert is_public(text)
    for text in ("::1", "fe80::1", "fe80::1%eth0", "fc00::1", "::", "ff02::1"):
        assert not is_public(text)


def test_a_body_over_the_limit_is_refused_while_it_is_read(start: Start, video: str) -> None:
    url = start(body_mb=0.5, bodies_mb=0.75)
    with pytest.raises(openai.APIStatusError) as error:
        ask(url, CAMERA, "data:video/mp4;base64," + "A" * 30_000_000)
    assert (error.value.status_code, error.value.code) == (413, "too_large")
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=30)
    with closing(connection):
        sent = 0

        def endless() -> Iterator[bytes]:
            nonlocal sent
            while sent < 200:
                sent += 1
                yield bytes(1 << 16)

        connection.request("POST", "/v1/chat/completions", endless(), {}, encode_chunked=False)
        assert connection.getresponse().status == 413
    assert ask(url, CAMERA, video).choices


def test_all_bodies_together_are_bounded(start: Start, video: str) -> None:
    url = start(body_mb=1, bodies_mb=1.2)
    with half_sent(url, 900_000):
        with pytest.raises(openai.RateLimitError, match="memory"):
            ask(url, CAMERA, "data:video/mp4;base64," + "A" * 600_000)
        assert ask(url, CAMERA, video).choices
    deadline = time.monotonic() + 10
    while True:  # once the other has gone, there is room again
        try:
            ask(url, CAMERA, "data:video/mp4;base64," + "A" * 600_000)
        except openai.BadRequestError:
            break
        except openai.RateLimitError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@contextmanager
def half_sent(url: str, size: int) -> Iterator[socket.socket]:
    """A client that stops in the middle of its request."""
    host, _, port = url.split("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as sock:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size + 9}\r\n\r\n"
        sock.sendall(head.encode() + b" " * size)
        time.sleep(0.3)
        yield sock


def test_a_client_that_never_ends_its_request_loses_its_place(start: Start, video: str) -> None:
    url = start(places=2, body_timeout_s=1.0)
    with half_sent(url, 100) as one, half_sent(url, 100):
        with pytest.raises(openai.RateLimitError):
            ask(url, CAMERA, video)
        assert one.recv(100).startswith(b"HTTP/1.1 408")
        assert ask(url, CAMERA, video).choices


def test_fifty_at_once_are_each_answered_or_told_when_to_come_again(
    forwarding: str, upstream: Upstream, video: str
) -> None:
    upstream.most_in_flight = 0

    def one(_: int) -> str:
        try:
            return ask(forwarding, "a while", video).choices[0].message.content
        except openai.RateLimitError as error:
            return f"{error.code}, wait {1 <= int(error.response.headers['retry-after']) <= 60}"

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(one, range(50)))
    assert set(answers) == {"It moves to the right.", "overloaded, wait True"}
    assert upstream.most_in_flight <= 4
    assert ask(forwarding, CAMERA, video).choices, "and goes on as before"


def test_the_official_client_waits_and_comes_again(start: Start, upstream: Upstream, video: str) -> None:
    url = start(places=1)
    patient = client(url, max_retries=20)
    asked = asking(CAMERA, video, kind="video_url")
    with ThreadPoolExecutor(3) as threads:
        done = [threads.submit(patient.chat.completions.create, model="m", messages=asked) for _ in range(3)]
    assert all(it.result().choices for it in done)


def test_a_client_that_hangs_up_ends_the_work_for_it(forwarding: str, upstream: Upstream, video: str) -> None:
    asked = asking("slow", video, kind="video_url")
    with pytest.raises(openai.APITimeoutError):
        client(forwarding, timeout=0.9).chat.completions.create(model="m", messages=asked)
    assert upstream.left.wait(10), "the connection to the model is closed"
    upstream.left.clear()
    with ask(forwarding, "slow", video, stream=True) as stream:
        next(iter(stream))
    assert upstream.left.wait(10), "and when it leaves in the middle of a stream"
    assert ask(forwarding, CAMERA, video).choices


@pytest.mark.parametrize(
    ("question", "status", "code"),
    [
        ("status 401", 502, "refused"),
        ("status 404", 502, "refused"),
        ("status 400", 502, "upstream_error"),
        ("status 500", 502, "upstream_error"),
        ("status 429", 503, "upstream_busy"),
        ("silence", 504, "upstream_timeout"),
        ("hang up", 502, "upstream_error"),
        ("nothing", 502, "mllm_bad_output"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_fails_is_an_error_with_a_status(
    forwarding: str, video: str, question: str, status: int, code: str, stream: bool
) -> None:
    with pytest.raises(openai.APIStatusError) as error:
        ask(forwarding, question, video, stream=stream)
    assert (error.value.status_code, error.value.code) == (status, code)
    assert KEY not in str(error.value)
    if status == 503:
        assert error.value.response.headers["retry-after"] == "7"


def test_a_dead_endpoint_is_an_error(start: Start, video: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = start(*to(f"http://127.0.0.1:{port}/v1"))
    with pytest.raises(openai.InternalServerError) as error:
        ask(url, CAMERA, video)
    assert (error.value.status_code, error.value.code) == (502, "upstream_error")


def test_a_stream_that_breaks_off_ends_in_an_error_and_not_as_if_whole(forwarding: str, video: str) -> None:
    chunks = iter(ask(forwarding, "break off", video, stream=True))
    assert next(chunks).choices[0].delta.content == "It "
    with pytest.raises(openai.APIError) as error:
        next(chunks)
    assert KEY not in str(error.value)


def test_an_answer_that_takes_too_long_is_given_up(start: Start, upstream: Upstream, video: str) -> None:
    url = start(*to(upstream.url), timeout_s=1.5)
    with pytest.raises(openai.InternalServerError) as error:
        ask(url, "slow", video)
    assert (error.value.status_code, error.value.code) == (504, "timeout")
    assert ask(url, CAMERA, video).choices


def test_a_client_that_reads_nothing_loses_its_place(start: Start, upstream: Upstream, video: str) -> None:
    url = start(*to(upstream.url), timeout_s=1.5, places=1)
    body = json.dumps({"messages": asking("flood", video, kind="video_url"), "stream": True}).encode()
    host, _, port = url.split("/")[2].partition(":")
    with socket.create_connection((host, int(port))) as sock:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        sock.sendall(head.encode() + body)
        time.sleep(0.5)
        with pytest.raises(openai.RateLimitError):
            ask(url, CAMERA, video)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.2)
            with suppress(openai.RateLimitError):
                assert ask(url, CAMERA, video).choices
                break
        else:
            pytest.fail("the place was never free again")


def test_looking_at_a_clip_that_takes_too_long_is_given_up(start: Start, video: str, tmp_path: Path) -> None:
    long = write(tmp_path / "long.mp4", 1200, 96, 64, rate=8, pan=0.02).read_bytes()  # 1200 flows take 4 s
    url = start(timeout_s=1.5)
    with pytest.raises(openai.InternalServerError) as error:
        ask(url, CAMERA, url_of(long))
    assert error.value.status_code == 504
    deadline = time.monotonic() + 60
    while True:  # the process that looks was ended, and another one takes its place
        try:
            assert "to the right" in ask(url, CAMERA, video).choices[0].message.content
            break
        except openai.InternalServerError:
            assert time.monotonic() < deadline


@contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command itself, as a process; what it says goes to a pipe."""
    command = [sys.executable, "-m", "jobs.cli", "serve", "--port", "0", "--set", "serve.looks=1", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as it:
        assert it.stderr
        try:
            line = next(line for line in it.stderr if "http://" in line)
            yield it, re.search(r"http://[^\s?]+", line)[0] + "v1"  # type: ignore[index]
        finally:
            it.kill()


def test_the_command_asks_for_its_token_ends_in_order_and_leaves_nothing(
    upstream: Upstream, video: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    model = [word for setting in to(upstream.url) for word in ("--set", setting)]
    with process("--token", TOKEN, *model) as (it, url):
        for key in ("any", "", TOKEN[:-1]):
            with pytest.raises((openai.AuthenticationError, openai.APIConnectionError)):
                client(url, api_key=key or "x").models.list()
        with pytest.raises(openai.AuthenticationError, match="a token is needed") as refused:
            client(url, api_key="x").models.list()
        assert refused.value.type == "authentication_error"
        asked = asking(CAMERA, video, kind="video_url")
        known = client(url, api_key=TOKEN)
        assert known.chat.completions.create(model="m", messages=asked).choices
        connection = http.client.HTTPConnection(url.split("/")[2])
        connection.request("GET", "/health")
        assert json.loads(connection.getresponse().read()) == {"status": "ok"}
        slow = asking("slow", video, kind="video_url")
        with ThreadPoolExecutor(1) as threads:
            cut = threads.submit(known.chat.completions.create, model="m", messages=slow)
            time.sleep(1.5)
            it.send_signal(signal.SIGTERM)
            with pytest.raises(openai.APIError):
                cut.result()
        assert it.wait(15) == 0
        assert it.stderr
        rest = it.stderr.read()
        assert "Traceback" not in rest
        assert TOKEN not in rest
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("motionsight-")]


def test_settings_of_the_endpoint_are_checked() -> None:
    settings = load("embedded", ["serve.places=3", "serve.fetch_hosts=[a.example]"]).serve
    assert (settings.places, settings.fetch_hosts) == (3, ["a.example"])
    for wrong in ("serve.place=3", "serve.places=none", "serve.places=[", "serve.places=0", "serve."):
        with pytest.raises(CallError, match=r"serve\."):
            load("embedded", [wrong])


def test_it_does_not_start_with_a_ceiling_that_it_would_not_keep() -> None:
    paid = ["mllm.base_url=http://127.0.0.1:9/v1", "mllm.max_requests=5"]
    with pytest.raises(CallError, match=r"serve does not keep to a cost ceiling.*mllm\.max_cost"):
        job.run(load("openai", paid), "127.0.0.1", 0, None, Console())


def test_pictures_come_out_of_the_clip_as_they_went_in(tmp_path: Path) -> None:
    from stages.serve.clip import write_clip
    from stages.video.frames import Clip, DecodeConfig, Wanted

    times = np.array([0.0, 0.04, 1.5])
    shown = [base64.b64decode(url.partition(",")[2]) for url in pictures(3, 1, "PNG", (33, 17))]
    write_clip(shown, times, str(tmp_path / "clip"))
    clip = Clip(str(tmp_path / "clip"))
    np.testing.assert_allclose(clip.probe.times, times, atol=0.001)
    (taken,) = clip.read([Wanted(range(3), (33, 17), True)], DecodeConfig())
    originals = np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in shown])
    assert np.abs(taken.pictures.astype(int) - originals).max() <= 4  # RGB to YCbCr of 8 bits and back
