"""Bounds on connections: how many there are, and how long a request takes to arrive. uvicorn has none.

A client that sends half of a request and waits, or goes on byte by byte, costs nothing but a connection. A
few hundred of them would leave none for others.
"""

import asyncio
from typing import Any

HEAD_S = 10.0  # for the headers of a request, from the connection's start or the end of the answer before
MOST = 512  # connections; processes may commonly have 1024 files open


def bounded(body_s: float, head_s: float = HEAD_S, most: int = MOST) -> type[asyncio.Protocol]:
    """Make a class of uvicorn's HTTP protocol that aborts connections whose request does not arrive in time.

    Args:
        body_s: For the body of a request, in seconds from the end of its headers.
        head_s: For the headers of a request.
        most: How many connections there may be. For a further one, that which has been waited for the longest
            makes room; if requests have arrived on all, the new one is refused.
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    base: Any = AutoHTTPProtocol
    awaited: dict[Any, asyncio.TimerHandle] = {}  # connections of which more is to come, the longest first

    class Bounded(base):
        _part: tuple[object, float] | None = None  # what is waited for, of which request, and for how long

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self._watch()
            if len(self.connections) > most:
                next(iter(awaited))._abort()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, error: Exception | None) -> None:
            self._forget()
            super().connection_lost(error)

        def _watch(self) -> None:
            """Set the clock anew if another part of a request is waited for than before."""
            cycle = self.cycle  # the latest request whose headers have arrived
            part = None
            if cycle and cycle.more_body:
                part = (cycle, body_s)
            elif not cycle or cycle.response_complete:
                part = (cycle, head_s)
            if part != self._part and not self.transport.is_closing():
                self._forget()
                self._part = part
                if part:
                    awaited[self] = self.loop.call_later(part[1], self._abort)

        def _forget(self) -> None:
            if timer := awaited.pop(self, None):
                timer.cancel()

        def _abort(self) -> None:
            self._forget()
            self.transport.abort()

    return Bounded
