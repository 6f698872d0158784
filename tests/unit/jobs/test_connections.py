import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from jobs import connections
from jobs.connections import PromptProtocol


async def app(scope, receive, send):  # type: ignore[no-untyped-def]
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "HEADERS_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = uvicorn.Server(uvicorn.Config(app, http=PromptProtocol, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        yield sock.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def ask(connection: socket.socket, request: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    connection.sendall(request)
    answer = b""
    while not answer.endswith(b"ok") and (more := connection.recv(4096)):
        answer += more
    return answer


def open_to(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def test_who_drips_headers_is_cut_off_and_others_are_answered(port: int) -> None:
    with open_to(port) as slow, open_to(port) as silent:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        cut_off = False
        for _ in range(50):
            try:
                slow.sendall(b"X: y\r\n")
            except OSError:
                cut_off = True
                break
            time.sleep(0.1)
            with open_to(port) as other:
                assert ask(other).startswith(b"HTTP/1.1 200")
        assert cut_off
        assert silent.recv(1) == b""


def test_a_second_request_has_the_same_time(port: int) -> None:
    with open_to(port) as kept:
        for _ in range(3):
            assert ask(kept).startswith(b"HTTP/1.1 200")
            time.sleep(0.3)
        kept.sendall(b"GET / HTTP/1.1\r\n")
        assert kept.recv(1) == b""


def test_too_many_that_wait_make_room_for_one_who_asks(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 30.0)
    monkeypatch.setattr(connections, "CONNECTIONS", 8)
    waiting = [open_to(port) for _ in range(20)]
    with open_to(port) as other:
        assert ask(other).startswith(b"HTTP/1.1 200")
    for one in waiting:
        one.close()
