"""A web server of this package: where it listens, whom it lets in, how it ends.

On the loopback, who is on this machine may come in; what a page from elsewhere makes a browser send may not
(by the Host header, against DNS rebinding, and by Origin, against cross-site posts). Anywhere else a token is
needed: as a bearer token, or once as `?token=`, which a cookie remembers. It is never logged.
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
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pipeline.errors import CallError, RunError, reason

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Form = Callable[[int, str], tuple[str, str]]  # a status and a sentence as the type and the text of an answer

TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,}")  # long enough that nobody guesses it, and needs no escaping
SAFE = ("GET", "HEAD", "OPTIONS")
CLOSING_S = 3  # that answers on their way have at the end


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to what listens on this name or address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def token_for(host: str, token: str | None) -> str | None:
    """The token to ask for: the given one, a new one where other machines can connect, else None.

    Raises CallError for one that is easy to guess.
    """
    if token is not None and not TOKEN.fullmatch(token):
        raise CallError("--token: at least 16 letters, digits, '-', '.', '_' or '~'")
    return token or (None if is_loopback(host) else secrets.token_urlsafe(24))


def plain(_status: int, told: str) -> tuple[str, str]:
    """A refusal as people read it."""
    return "text/plain; charset=utf-8", told


class Guard:
    """ASGI middleware that lets in who may come in. Answers 400, 401 or 403 to the others.

    token: None lets everybody in whom the Host and Origin headers do not give away. loopback: the server
    listens there, and so is never rightly called by another name. cookie: its name; cookies do not tell
    ports apart. public: paths that need no token, such as a health check. form: of what the others
    are told.
    """

    def __init__(
        self,
        app: App,
        token: str | None,
        loopback: bool,
        cookie: str,
        public: Collection[str] = (),
        form: Form = plain,
    ) -> None:
        self._app, self._token, self._loopback = app, token, loopback
        self._cookie, self._public, self._form = cookie, frozenset(public), form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        if len(host := headers.get("host", [])) != 1:
            return await self._refuse(send, 400, "one Host header is needed")
        if self._loopback and not is_loopback(_name(host[0])):
            return await self._refuse(
                send, 403, "this server is called localhost or 127.0.0.1, and nothing else"
            )
        if scope["method"] not in SAFE and not _same_site(headers, host[0]):
            return await self._refuse(send, 403, "sent by a page of another site")
        if self._token is None or scope["path"] in self._public:
            return await self._app(scope, receive, send)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), None)
        if given is not None and scope["method"] in SAFE and self._fits(given):
            rest = urlencode([pair for pair in query if pair[0] != "token"])
            cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax"
            # Relative, and of one slash, so that no path can lead to another site.
            path = "/" + scope.get("raw_path", b"/").decode("latin-1").lstrip("/")
            to = path + (f"?{rest}" if rest else "")
            return await _answer(send, 303, "", {"location": to, "set-cookie": cookie})
        bearer = [v[7:].strip() for v in headers.get("authorization", []) if v[:7].lower() == "bearer "]
        if any(self._fits(one) for one in (*bearer, *_cookies(headers.get("cookie", []), self._cookie))):
            return await self._app(scope, receive, send)
        told = "a token is needed: open the address that the command printed, or send it as a bearer token"
        return await self._refuse(send, 401, told, {"www-authenticate": "Bearer"})

    async def _refuse(
        self, send: Send, status: int, told: str, headers: Mapping[str, str] | None = None
    ) -> None:
        kind, text = self._form(status, told)
        await _answer(send, status, text, {"content-type": kind, **(headers or {})})

    def _fits(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self._token or "").encode())


async def _answer(send: Send, status: int, text: str, headers: Mapping[str, str]) -> None:
    every = {"cache-control": "no-store", "referrer-policy": "no-referrer", **headers}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": text.encode()})


def _name(host: str) -> str:
    """The host of a Host header, without its port; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same_site(headers: dict[str, list[str]], host: str) -> bool:
    """Whether a request comes from a page of this server, or from no page at all."""
    if any(value not in ("same-origin", "none") for value in headers.get("sec-fetch-site", [])):
        return False
    return all(origin.partition("://")[2] == host for origin in headers.get("origin", []))


def _cookies(values: list[str], name: str) -> Iterator[str]:
    for value in values:
        try:
            found: SimpleCookie = SimpleCookie(value)
        except CookieError:
            continue
        if name in found:
            yield found[name].value


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on the address; port 0: a free one. Raises CallError when that cannot be."""
    try:
        kind, *_, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=kind)
    except (OSError, OverflowError) as error:
        raise CallError(
            f"cannot listen on {host} port {port}: {reason(error)}; --port 0 finds one"
        ) from error


def listen(
    app: App,
    host: str,
    port: int,
    token: str | None,
    say: Callable[[str], None],
    title: str,
    public: Collection[str] = (),
    form: Form = plain,
) -> None:
    """Serve an ASGI app until Ctrl-C or SIGTERM, which are its regular end.

    token: what the caller gave; where other machines can connect, one is made and told. say: tells people.
    title: of the command, and of the extra that it needs. public, form: as of `Guard`.
    Raises CallError when the address cannot be had or the packages are missing, RunError when the app does
    not start.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise CallError(f"{title} needs uvicorn: pip install 'motionsight-distill[{title}]'") from error
    needed = token_for(host, token)
    with bind(host, port) as sock:
        port = sock.getsockname()[1]
        guarded = Guard(app, needed, is_loopback(host), f"motionsight_{port}", public, form)
        config = uvicorn.Config(
            guarded,
            log_level="warning",
            access_log=False,  # it would tell the token
            server_header=False,
            timeout_graceful_shutdown=CLOSING_S,
        )
        server = uvicorn.Server(config)
        say(f"{url(host, port)}{'' if token or not needed else f'?token={needed}'} (Ctrl-C ends it)")
        if token:
            say("asks for the token that was given; in a browser, add ?token=... once")
        with _quiet_signals():
            server.run(sockets=[sock])
    if not server.started:
        raise RunError(f"{title} did not start; the lines above say why")


def url(host: str, port: int) -> str:
    """The address to open; a server on every address is called by the name of this machine."""
    name = host.strip("[]")
    if name in ("0.0.0.0", "::", ""):
        name = socket.gethostname()
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


@contextmanager
def _quiet_signals() -> Iterator[None]:
    """uvicorn ends in order at a signal and then raises it again, which would make its end a failure."""
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
