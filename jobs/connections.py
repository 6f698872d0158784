"""HTTP connections that do not hold a server up: whoever sends half a request is cut off."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 10.0  # for the headers of a request to arrive; browsers take milliseconds
CONNECTIONS = 512  # at once; one more closes the one that has waited longest for its headers


class PromptProtocol(H11Protocol):
    """uvicorn's protocol with a time limit on headers, for each request of a connection."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock, and make room if there are too many connections."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > CONNECTIONS:
            waiting = [it for it in self.connections if isinstance(it, PromptProtocol) and it._timer]
            if oldest := min(waiting, key=lambda it: it._timer.when() if it._timer else 0.0, default=None):
                oldest._give_up()

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a request's headers are complete."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        super().connection_lost(exc)
        if self._timer:
            self._timer.cancel()

    def _watch(self) -> None:
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and not self._timer:
            self._timer = self.loop.call_later(HEADERS_S, self._give_up)
        elif self._timer and not waiting:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self.transport.close()
