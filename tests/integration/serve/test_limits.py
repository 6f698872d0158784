"""`motionsight serve` under load, with clients and models that misbehave on purpose."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import openai
import pytest

from tests.chat_server import KEY, completion
from tests.http_server import Exchange
from tests.serving import CAMERA, Start, ask, asking, behind, client, url_of
from tests.stream_server import Upstream
from tests.videos import write


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


class Planner(Upstream):
    """Answers slowly: also to the question what a question is about."""

    def respond(self, exchange: Exchange) -> None:
        if json.loads(exchange.body).get("stream"):
            super().respond(exchange)
            return
        with self.busy():
            time.sleep(1.0)
        plan = {"plans": [{"about": "camera", "objects": []}]}
        exchange.send(200, completion(json.dumps(plan)))


def test_while_some_wait_for_the_model_others_are_looked_at(
    start: Start, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one process that looks at clips; and no more calls at once than the model's endpoint is given."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Planner() as model:
        settings = ("decouple.backend=mllm", "mllm.concurrency=3", "mllm.timeout_s=20")
        url = start(*behind(model.url), *settings, looks=1, places=9)
        with ThreadPoolExecutor(9) as threads:
            answers = [*threads.map(lambda _: ask(url, "a while", video), range(9))]
    assert {each.choices[0].message.content for each in answers} == {"It moves to the right."}
    assert model.most_in_flight == 3


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
    url = start(*behind(f"http://127.0.0.1:{port}/v1"))
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
    url = start(*behind(upstream.url), timeout_s=1.5)
    with pytest.raises(openai.InternalServerError) as error:
        ask(url, "slow", video)
    assert (error.value.status_code, error.value.code) == (504, "timeout")
    assert ask(url, CAMERA, video).choices


def test_a_client_that_reads_nothing_loses_its_place(start: Start, upstream: Upstream, video: str) -> None:
    url = start(*behind(upstream.url), timeout_s=1.5, places=1)
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
