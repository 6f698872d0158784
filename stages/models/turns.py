"""Models that work on one call at a time, used by several threads."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any


class InTurn:
    """A model whose methods are called one after the other, whichever threads call them."""

    def __init__(self, model: Any) -> None:
        """Wrap a model.

        Args:
            model: With `name` and `version`, and the methods of its kind.
        """
        self._model, self._turn = model, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the model; a method waits for its turn."""
        found = getattr(self._model, name)
        return self._waiting(found) if callable(found) else found

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the model itself, as scorers are."""
        return self._waiting(self._model)(*arguments, **named)

    def _waiting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method, updated=())
        def wait(*arguments: Any, **named: Any) -> Any:
            with self._turn:
                return method(*arguments, **named)

        return wait
