"""A real HTTP server on this machine that answers as a test wants it to."""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Exchange(BaseHTTPRequestHandler):
    """One request, read whole, and the means to answer it.

    Attributes:
        path: The path that was asked for, with its query.
        headers: The headers of the request.
        body: The body of the request; empty if there is none.
    """

    server: "FakeServer"
    protocol_version = "HTTP/1.1"
    body: bytes = b""

    def do_GET(self) -> None:
        self.server.respond(self)

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.respond(self)

    def send(self, status: int, body: Any, **headers: str) -> None:
        """Send a whole answer.

        Args:
            status: The HTTP status.
            body: Bytes, or anything that JSON can express.
            headers: More headers, with `_` for `-`.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.open(status, Content_Type="application/json", Content_Length=str(len(data)), **headers)
        self.wfile.write(data)

    def open(self, status: int, **headers: str) -> None:
        """Send status and headers; the body is for the caller to write.

        Without a `Content_Length`, the body ends with the connection.
        """
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


class FakeServer(ABC, ThreadingHTTPServer):
    """A server on a free port of 127.0.0.1, running inside a `with` block; subclasses say what it answers.

    Attributes:
        address: `127.0.0.1:port`.
        url: The base URL of an OpenAI-compatible endpoint here.
        in_flight: Requests inside `busy` now.
        most_in_flight: The most there have been at once.
        connections: How many were opened.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.address = f"127.0.0.1:{self.server_port}"
        self.url = f"http://{self.address}/v1"
        self.in_flight = self.most_in_flight = self.connections = 0
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    @abstractmethod
    def respond(self, exchange: Exchange) -> None:
        """Answer one request, in a thread of its own."""

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count a request as in flight."""
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            with self.lock:
                self.in_flight -= 1

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count a connection."""
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
