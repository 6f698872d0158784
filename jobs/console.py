"""The console for messages, apart from the session so that it works where a backend cannot be imported."""

from rich.console import Console


def console() -> Console:
    """Return a console on standard error, 110 columns wide if that is not a terminal."""
    terminal = Console(stderr=True, highlight=False)
    return terminal if terminal.is_terminal else Console(stderr=True, highlight=False, width=110)
