"""The web server behind `review` and `serve`: where it listens, whom it lets in, how it stops.

On the loopback interface everybody on this machine is let in, but no request that a page from elsewhere makes
a browser send: the Host header guards against DNS rebinding, Origin and Sec-Fetch-Site against cross-site
posts. On any other interface a token is needed, as a bearer token or once as `?token=`, which a cookie then
remembers. The token is never logged.
"""

import hmac
import ipaddress
import re
import secrets
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from jobs.connections import bounded
from pipeline.errors import CallError, RunError, reason

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Refusal = Callable[[int, str], tuple[str, str]]  # (status, why) -> (content type, body)

TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,}")  # too long to be guessed, and needs no escaping in a URL
SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
CLOSING_S = 3  # that unfinished answers are given when the server stops


def is_loopback(host: str) -> bool:
    """Say whether only this machine can connect to a server on this host name or address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def token_for(host: str, token: str | None) -> str | None:
    """Decide which token visitors need.

    Args:
        host: Where the server listens.
        token: What the caller asks for.

    Returns:
        The token; a new one if none is given and other machines can connect; else None.

    Raises:
        CallError: The token is easy to guess, or would need escaping.
    """
    if token is not None and not TOKEN.fullmatch(token):
        raise CallError("--token must be at least 16 letters, digits, '-', '.', '_' or '~'")
    return token or (None if is_loopback(host) else secrets.token_urlsafe(24))


def plain(_status: int, why: str) -> tuple[str, str]:
    """Word a refusal for people: as plain text."""
    return "text/plain; charset=utf-8", why


@dataclass(frozen=True)
class Rules:
    """What the requests to a server have to keep to.

    Attributes:
        public: Paths that need no token, such as a health check.
        refusal: Words a refusal.
        body: The most bytes of a body; None where the app itself limits them.
        arrive_s: Seconds for a body to arrive; after that, the connection is cut.
    """

    public: Collection[str] = ()
    refusal: Refusal = plain
    body: int | None = 1 << 20
    arrive_s: float = 30.0


class Guard:
    """ASGI middleware that answers 400, 401, 403 or 413 to requests that may not come in."""

    def __init__(
        self,
        app: App,
        token: str | None,
        loopback: bool,
        cookie: str,
        rules: Rules,
    ) -> None:
        """Put the guard in front of an app.

        Args:
            app: What is guarded.
            token: What visitors need; None for no token.
            loopback: Whether the server listens on the loopback interface, so that a request under another
                host name is not meant for it.
            cookie: Name of the cookie that remembers the token. Browsers send cookies to all ports of a host,
                so it should name the port.
            rules: What requests have to keep to.
        """
        self._app, self._token, self._loopback = app, token, loopback
        self._cookie, self._rules = cookie, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or refuse it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        if len(host := headers.get("host", [])) != 1:
            return await self._refuse(send, 400, "exactly one Host header is needed")
        if self._loopback and not is_loopback(_name(host[0])):
            return await self._refuse(send, 403, "this server answers to localhost and 127.0.0.1 only")
        if scope["method"] not in SAFE and not _same_site(headers, host[0]):
            return await self._refuse(send, 403, "the request comes from a page of another site")
        if (most := self._rules.body) is not None and not _within(headers, most):
            return await self._refuse(send, 413, f"a request needs a Content-Length of at most {most} bytes")
        if self._token is None or scope["path"] in self._rules.public:
            return await self._app(scope, receive, send)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), None)
        if given is not None and scope["method"] in SAFE and self._fits(given):
            rest = urlencode([pair for pair in query if pair[0] != "token"])
            cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax"
            # Relative and with a single slash, so that no path leads to another site.
            path = "/" + scope.get("raw_path", b"/").decode("latin-1").lstrip("/")
            to = path + (f"?{rest}" if rest else "")
            return await _answer(send, 303, "", {"location": to, "set-cookie": cookie})
        bearer = [v[7:].strip() for v in headers.get("authorization", []) if v[:7].lower() == "bearer "]
        if any(self._fits(one) for one in (*bearer, *_cookies(headers.get("cookie", []), self._cookie))):
            return await self._app(scope, receive, send)
        why = "a token is needed: open the address that the command printed, or send it as a bearer token"
        return await self._refuse(send, 401, why, {"www-authenticate": "Bearer"})

    async def _refuse(
        self, send: Send, status: int, why: str, headers: Mapping[str, str] | None = None
    ) -> None:
        kind, text = self._rules.refusal(status, why)
        await _answer(send, status, text, {"content-type": kind, **(headers or {})})

    def _fits(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self._token or "").encode())


async def _answer(send: Send, status: int, text: str, headers: Mapping[str, str]) -> None:
    every = {"cache-control": "no-store", "referrer-policy": "no-referrer", **headers}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": text.encode()})


def _name(host: str) -> str:
    """The host of a Host header, without its port; empty when it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same_site(headers: dict[str, list[str]], host: str) -> bool:
    """Whether a request comes from a page of this server, or from no page at all."""
    if any(value not in ("same-origin", "none") for value in headers.get("sec-fetch-site", [])):
        return False
    return all(origin.partition("://")[2] == host for origin in headers.get("origin", []))


def _within(headers: dict[str, list[str]], most: int) -> bool:
    """Whether a body, if there is one, has at most so many bytes; one sent in chunks may have any number."""
    return "transfer-encoding" not in headers and int(headers.get("content-length", ["0"])[0]) <= most


def _cookies(values: list[str], name: str) -> Iterator[str]:
    for value in values:
        try:
            found: SimpleCookie = SimpleCookie(value)
        except CookieError:
            continue
        if name in found:
            yield found[name].value


def bind(host: str, port: int) -> socket.socket:
    """Open a socket that listens.

    Args:
        host: Name or address.
        port: 0 for a free one.

    Raises:
        CallError: The address cannot be listened on.
    """
    try:
        kind, *_, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.create_server(address[:2], family=kind)
        # Connections inherit it. Without it, the body of an answer waits for 40 ms behind its headers.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except (OSError, OverflowError) as error:
        raise CallError(
            f"cannot listen on {host} port {port}: {reason(error)}; --port 0 takes a free port"
        ) from error


@dataclass(frozen=True)
class Address:
    """Where a server listens, and what it asks of visitors.

    Attributes:
        host: Name or address.
        port: 0 for a free one.
        token: What visitors need; None for a new one where other machines can connect, else none.
    """

    host: str
    port: int
    token: str | None


def listen(
    app: App,
    address: Address,
    say: Callable[[str], None],
    command: str,
    rules: Rules,
) -> None:
    """Serve an ASGI app until Ctrl-C or SIGTERM, the regular ways to stop it.

    Args:
        app: What is served.
        address: Where.
        say: Prints a line for the person at the terminal.
        command: The name of the command, which is also that of the extra with its packages.
        rules: What requests have to keep to.

    Raises:
        CallError: The address cannot be listened on, the token is weak, or packages are missing.
        RunError: The app did not start.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise CallError(f"{command} needs uvicorn: pip install 'motionsight-distill[{command}]'") from error
    host, token = address.host, token_for(address.host, address.token)
    with bind(host, address.port) as sock:
        port = sock.getsockname()[1]
        guarded = Guard(app, token, is_loopback(host), f"motionsight_{port}", rules)
        config = uvicorn.Config(
            guarded,
            http=bounded(rules.arrive_s),
            ws="none",
            log_level="warning",
            access_log=False,  # it would give the token away
            server_header=False,
            timeout_graceful_shutdown=CLOSING_S,
        )
        server = uvicorn.Server(config)
        made = f"?token={token}" if token and not address.token else ""
        say(f"{url(host, port)}{made} (Ctrl-C to stop)")
        if address.token:
            say("visitors need the token you gave; in a browser, add ?token=... to the address once")
        with _quiet_signals():
            server.run(sockets=[sock])
    if not server.started:
        raise RunError(f"{command} did not start; the lines above say why")


def url(host: str, port: int) -> str:
    """Give the address to open in a browser.

    Args:
        host: Where the server listens; one that listens on all addresses is called by this machine's name.
        port: Its port.
    """
    name = host.strip("[]")
    if name in ("0.0.0.0", "::", ""):
        name = socket.gethostname()
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


@contextmanager
def _quiet_signals() -> Iterator[None]:
    """Ignore the signal that uvicorn, once stopped by it, raises again: it would make the stop a failure."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
