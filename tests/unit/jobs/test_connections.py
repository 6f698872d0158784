"""Connections that are held on purpose, on a real server."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
import uvicorn

from jobs.connections import bounded
from jobs.web import Guard, Receive, Rules, Scope, Send

HEAD_S, BODY_S, MOST = 0.4, 0.8, 8
LONG_S = 30.0  # by when a connection would have been cut if it were at all


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body; /early before it is there, /slow later."""
    size, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(1.5 * BODY_S)
    text = str(size).encode()
    head = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": text})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    guarded = Guard(echo, None, True, "cookie", Rules(body=100))
    config = uvicorn.Config(
        guarded, log_level="error", lifespan="off", http=bounded(BODY_S, HEAD_S, MOST), timeout_keep_alive=30
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        yield sock.getsockname()[1]
        server.should_exit = True
        thread.join()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=LONG_S)


def post(path: str, size: int, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode() + body


def answered(sock: socket.socket, number: int) -> bool:
    """Whether a whole answer with this length arrives."""
    got = b""
    while not got.partition(b"\r\n\r\n")[2]:
        got += sock.recv(1000)
    return got.endswith(b"\r\n\r\n%d" % number)


def is_cut(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


WHOLE = post("/", 3, b"abc")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: local", WHOLE[:-1]])
@pytest.mark.parametrize("drip", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_half_a_request_is_not_waited_for(port: int, sent: bytes, drip: bool, before: bool) -> None:
    """Neither one that stops nor one that drips, on a new connection and on one that got an answer before."""
    with connected(port) as sock:
        if before:
            sock.sendall(WHOLE)
            assert answered(sock, 3)
        sock.sendall(sent.replace(b"Length: 3", b"Length: 90"))
        began = time.monotonic()
        sock.settimeout(0.05 if drip else LONG_S)
        while time.monotonic() < began + LONG_S:
            try:
                if drip:
                    sock.sendall(b"A")
                assert is_cut(sock)
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - began < LONG_S


def test_who_is_answered_before_the_body_is_there_may_not_drip_the_rest(port: int) -> None:
    with connected(port) as sock:
        sock.sendall(post("/early", 90, b"a"))
        assert answered(sock, 0)
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < began + LONG_S:
                sock.sendall(b"A")
                time.sleep(0.05)
        assert time.monotonic() < began + LONG_S


def test_an_answer_that_takes_long_and_a_connection_that_is_used_again_are_not_cut(port: int) -> None:
    with connected(port) as sock:
        for _ in range(2):
            sock.sendall(post("/slow", 3, b"abc"))
            assert answered(sock, 3)


def test_whoever_holds_all_connections_makes_room_for_others(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(5 * MOST):
            stack.enter_context(connected(port)).sendall(b"GET / HTTP/1.1\r\n")
            with connected(port) as sock:
                sock.sendall(WHOLE)
                assert answered(sock, 3)


@pytest.mark.parametrize("head", [b"Content-Length: 101", b"Transfer-Encoding: chunked"])
def test_a_body_over_the_limit_is_refused_before_it_is_read(port: int, head: bytes) -> None:
    with connected(port) as sock:
        sock.sendall(WHOLE.replace(b"Content-Length: 3", head)[:-3])
        assert sock.recv(1000).startswith(b"HTTP/1.1 413")
